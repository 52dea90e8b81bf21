"""What a copy off the site has of a lost site, and its files brought to an empty directory: whole, or not at all."""

import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from model.backup_names import SITE
from model.errors import StateError
from model.reasons import reason_of
from model.secrets.backup_passwords import backup_password
from model.secrets.secret import Secret
from remote.backup.copied_generations import CopiedGeneration, copied_generations, newest
from remote.backup.site_copy import KEY_VARIABLE, SiteCopy
from remote.mother.files import file_errors, write_whole
from remote.ssh.ssh_files import now
from tasks.backup.site_restore_journal import NOTE, ChosenGeneration, SiteRestoration, SiteRestoreJournal
from tasks.run.vault import Vault

SITE_TOML = "site.toml"
_ARCHIVE, _VAULT = "/site.tar.gz", "/vault.json"
_PLACE = ".skep-restoring"
"""The directory within the site's in which its files are put together."""
_READY, _WHOLE = "ready", "whole"


@dataclass(frozen=True)
class LostSite:
    """A lost site, as a copy has it.

    Args:
        copy: The copy, in restic's words.
        files: The generation of its own files.
        archive: Its directory, a compressed tar.
        vault: The stage's secrets.
        services: The newest generation of each service that has one.

    """

    copy: str
    files: CopiedGeneration
    archive: bytes
    vault: Vault
    services: Mapping[str, CopiedGeneration]

    @property
    def stages(self) -> set[str]:
        """The stages whose services are in it: one, or none where nothing was saved yet."""
        return {each.stage for each in self.services.values()}


def read_lost_site(copy: SiteCopy, key: Secret) -> LostSite:
    """Return what a copy has of a site.

    Args:
        copy: The copy.
        key: The key of the backups.

    Raises:
        StateError: It can't be read, has no site, or the secrets in it are those of another key.

    """
    generations = copied_generations(copy.snapshots())
    files = newest(generations, SITE)
    if files is None:
        raise StateError(
            f"from={copy.repository}: has no generation of the site's own files, so that nothing says what the site "
            "is: in a clone of the site doit makes its hosts, and doit restore SERVICE from=COPY brings data"
        )
    vault = Vault.from_bytes(copy.file(files.snapshot, _VAULT))
    if backup_password(vault.stage) != key:
        raise StateError(
            f"from={copy.repository}: has the secrets of a stage whose backups have another key than this "
            f"({KEY_VARIABLE}): nothing that is made with them could read it"
        )
    names = dict.fromkeys(each.service for each in generations if each.service != SITE)
    chosen = {name: newest(generations, name) for name in sorted(names)}
    return LostSite(
        copy.repository,
        files,
        copy.file(files.snapshot, _ARCHIVE),
        vault,
        {name: found for name, found in chosen.items() if found is not None},
    )


def unpack(lost: LostSite, directory: Path) -> None:
    """Unpack the files of a site.

    Raises:
        StateError: They can't be.

    """
    with file_errors(directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with tarfile.open(fileobj=io.BytesIO(lost.archive)) as archive:
            archive.extractall(directory, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise StateError(
            f"from={lost.copy}: the site's files can't be unpacked to {directory}: {reason_of(error)}"
        ) from error
    if not (directory / SITE_TOML).is_file():
        raise StateError(f"from={lost.copy}: there is no {SITE_TOML} among the site's files")


def check_empty(directory: Path) -> None:
    """Refuse a directory that has files, but for those of a try that was killed.

    Raises:
        StateError: It has.

    """
    with file_errors(directory):
        found = sorted(each.name for each in directory.iterdir() if each.name != _PLACE)
    if not found or is_half_brought(directory):
        return
    if SITE_TOML in found:
        raise StateError(
            f"{directory}: is a site already: type this in an empty directory; for one service's data here: doit "
            "restore SERVICE from=COPY"
        )
    raise StateError(f"{directory}: is not empty ({', '.join(found[:3])}): type this in an empty directory")


def is_half_brought(directory: Path) -> bool:
    """Return whether a killed try has all of a site's files, and has moved some of them to their places."""
    return (directory / _PLACE / _WHOLE).exists() and not (directory / SITE_TOML).exists()


def bring(lost: LostSite, stage: str, directory: Path, who: str) -> None:
    """Bring a site's files to a directory, with the stage's secrets and the journal; site.toml comes last.

    Args:
        lost: The site.
        stage: The stage that is made again.
        directory: The site's, which is empty.
        who: Who has the key of the backups, as `alice@laptop`.

    Raises:
        StateError: They can't be brought.

    """
    place = directory / _PLACE
    shutil.rmtree(place, ignore_errors=True)
    ready = place / _READY
    unpack(lost, ready)
    state = ready / "state" / stage
    with file_errors(state):
        (state / "secrets").mkdir(parents=True, mode=0o700)
        (state / "secrets").chmod(0o700)
    # Whoever has the key does not have to be asked to put it into a safe.
    vault = replace(lost.vault, key_shown=lost.vault.key_shown or {"at": now(), "by": who})
    write_whole(state / "secrets" / "vault.json", vault.to_bytes(), mode=0o600)
    chosen = {name: ChosenGeneration.of(each) for name, each in lost.services.items()}
    SiteRestoreJournal(state / NOTE).write(SiteRestoration(lost.copy, chosen))
    with file_errors(place):
        os.sync()
    write_whole(place / _WHOLE, b"")
    finish_bringing(directory)


def finish_bringing(directory: Path) -> None:
    """Move the files of a site to their places, those that are not there yet.

    Raises:
        StateError: One is in the way.

    """
    place = directory / _PLACE
    with file_errors(place):
        waiting = sorted((place / _READY).iterdir(), key=lambda each: (each.name == SITE_TOML, each.name))
        for each in waiting:
            target = directory / each.name
            if os.path.lexists(target):
                raise StateError(
                    f"{target}: is in the way of the site's own: move it away, type the same again"
                )
            each.rename(target)
        shutil.rmtree(place)


def clear_leftovers(directory: Path) -> None:
    """Remove what a try left that was killed when all files were in their places."""
    if (directory / SITE_TOML).exists():
        shutil.rmtree(directory / _PLACE, ignore_errors=True)


def journals(directory: Path) -> dict[str, SiteRestoration]:
    """Return the restorations that are under way in a site's directory, by stage.

    Raises:
        StateError: One can't be read.

    """
    found = {}
    for path in sorted((directory / "state").glob(f"*/{NOTE}")):
        content = SiteRestoreJournal(path).read()
        if content is not None:
            found[path.parent.name] = content
    return found
