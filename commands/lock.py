"""`doit lock`: pin every image that is pulled to a digest, in site.lock."""

import shlex
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.current_run import site_run
from model.errors import SkepError
from model.images import bases, lockfile
from model.images.reference import Reference
from remote.mother.files import write_whole
from tasks.run.context import Run

ALL = "all"
_SHORT = len("sha256:") + 12


class LockCommand(DoitCmdBase):
    """Pin pulled images to digests."""

    name = "lock"
    doc_purpose = "pin pulled images to digests, in site.lock; upgrade=REF moves a pin to the newest digest"
    doc_usage = "[upgrade=REF,REF|upgrade=all]"
    doc_description = """\
Writes the digest of each external image that any stage builds on or runs. Entries that site.lock has already stay. \
New ones get the digest that the last run of this stage used, else the present digest of their tag in the registry. \
Entries that nothing uses any more are removed.

From then on `doit` pulls by these digests and asks no registry which digest a tag has. upgrade=debian:13 moves that \
image to the present digest of its tag, upgrade=all moves all images. Keep site.lock in git, beside site.toml."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Write site.lock, or leave it unchanged if a reference can't be resolved."""
        self.loader.setup(params)
        run = site_run(self.loader)
        if args:
            raise InvalidCommand(
                f"lock takes no {shlex.quote(args[0])}; type: {self.bin_name} lock upgrade=REF"
            )
        names = [name for name in (get_var("upgrade") or "").split(",") if name]
        try:
            self._lock(run, names)
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        finally:
            run.connections.close()
        return 0

    def _lock(self, run: Run, upgraded: Sequence[str]) -> None:
        """Resolve each reference to a digest, write them, and print the changes."""
        used = references(run)
        _refuse_unknown(upgraded, used)
        old, new = run.upstream.lockfile, {}
        for text, (names, reference) in used.items():
            is_upgraded = ALL in upgraded or text in upgraded or not names.isdisjoint(upgraded)
            known = None if is_upgraded else old.get(text) or run.upstream.last_resolved(names, reference)
            new[text] = known or run.upstream.digest_now(reference)
        write_whole(run.directory / lockfile.FILE, lockfile.lockfile_text(new).encode())
        lines = list(changes(old, new))
        if not new:
            lines.append("no image is pulled, so none is pinned")
        elif not lines:
            lines.append(f"nothing changed: {len(new)} pinned in {lockfile.FILE}")
        self.outstream.write("".join(f"{line}\n" for line in lines))


def references(run: Run) -> dict[str, tuple[set[str], Reference]]:
    """Return the references that any stage pulls without a digest: text to the names that use it, and the reference."""
    used: dict[str, tuple[set[str], Reference]] = {}
    for name in bases.all_names(run.stage.site):
        reference = bases.pulled(run.stage.site, name)
        if reference is not None and not reference.digest:
            used.setdefault(str(reference), (set(), reference))[0].add(name)
    return used


def changes(old: lockfile.Lockfile, new: lockfile.Lockfile) -> list[str]:
    """Return a line for each reference whose pin changed."""
    lines = []
    for text in sorted(old.keys() | new.keys()):
        before, after = old.get(text, ""), new.get(text, "")
        if before == after:
            continue
        if not before:
            lines.append(f"{text}: {after[:_SHORT]} (new)")
        elif not after:
            lines.append(f"{text}: removed, nothing uses it")
        else:
            lines.append(f"{text}: {before[:_SHORT]} → {after[:_SHORT]}")
    return lines


def _refuse_unknown(names: Sequence[str], used: dict[str, tuple[set[str], Reference]]) -> None:
    """Refuse names of images that are not pulled.

    Raises:
        InvalidCommand: There is one.

    """
    known = {ALL, *used, *(name for names, _ in used.values() for name in names)}
    unknown = [name for name in names if name not in known]
    if unknown:
        listed = ", ".join(sorted(known - {ALL})) or "nothing"
        raise InvalidCommand(f"upgrade={','.join(unknown)}: is not pulled here; these are: {listed}")
