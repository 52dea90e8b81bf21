"""A lost site's files, out of a copy, in an empty directory: whole or not at all."""

import io
import shutil
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from agent.backup.notes import SEAL, data_tags, note_tags
from model.errors import StateError
from model.secrets.backup_passwords import backup_password
from model.secrets.secret import Secret
from model.secrets.stage_secrets import generate
from remote.backup.site_copy import SiteCopy
from remote.mother.files import write_whole
from tasks.backup import lost_site
from tasks.backup.lost_site import (
    LostSite,
    bring,
    check_empty,
    finish_bringing,
    is_half_brought,
    journals,
    read_lost_site,
)
from tasks.run.vault import Vault

FILES = {"site.toml": b'site = "mine"\n', "roles/web/setup.sh": b"echo\n", "site.lock": b"", "zone": b"z"}


def archive(files: dict[str, bytes]) -> bytes:
    """Return an archive of files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as written:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            written.addfile(member, io.BytesIO(data))
    return made.getvalue()


class Copy(SiteCopy):
    """A copy that is in memory.

    Args:
        vault: The stage's secrets in it.
        files: The site's.

    """

    def __init__(self, vault: Vault, files: dict[str, bytes]) -> None:
        super().__init__("s3:there", Secret("unused"), {})
        self.made: list[dict[str, Any]] = []
        self._files = {"/site.tar.gz": archive(files), "/vault.json": vault.to_bytes()}

    def add(self, service: str, day: int, *, sealed: bool = True) -> str:
        """Add a generation, and return its id."""
        identity = f"{service}{day}".ljust(64, "0")
        time = f"2026-11-{day:02}T01:00:00Z"
        stage = "" if service == "site" else "private"
        tags = data_tags(stage, service, "scheduled")
        self.made.append({"id": identity, "time": time, "tags": tags, "hostname": "hive0"})
        if sealed:
            self.note(SEAL, identity, day, {"bytes": day, "scripts": {"files": "files"}})
        return identity

    def note(self, kind: str, of: str, day: int, facts: dict[str, Any]) -> None:
        """Add a note of a generation."""
        time, tags = f"2026-11-{day:02}T01:00:00Z", note_tags(kind, of, facts)
        self.made.append({"id": f"{kind}{of}"[:64], "time": time, "tags": tags, "hostname": "hive0"})

    def snapshots(self) -> list[dict[str, Any]]:
        """Return them."""
        return self.made

    def file(self, snapshot: str, path: str) -> bytes:
        """Return a file of the newest generation of the site, and of no other one."""
        assert snapshot == "site20".ljust(64, "0")
        return self._files[path]


@pytest.fixture
def vault() -> Vault:
    """Give a stage's secrets."""
    return Vault(generate("mine", "private"), {"word": Secret("a secret word")})


@pytest.fixture
def lost(vault: Vault) -> LostSite:
    """Give a lost site, with a service that was saved twice."""
    copy = Copy(vault, FILES)
    for service, day in (("site", 10), ("web", 11), ("web", 12), ("site", 20)):
        copy.add(service, day)
    copy.add("web", 25, sealed=False)
    copy.add("site", 26, sealed=False)
    return read_lost_site(copy, backup_password(vault.stage))


def test_the_newest_that_is_whole(lost: LostSite) -> None:
    """Of the site and of each service: what nobody sealed is none."""
    assert lost.files.time.day == 20
    assert {name: each.time.day for name, each in lost.services.items()} == {"web": 12}
    assert lost.stages == {"private"}


def test_another_key(vault: Vault) -> None:
    """Secrets whose backups have another key are refused, since nothing made with them could read the copy."""
    copy = Copy(vault, FILES)
    copy.add("site", 20)
    with pytest.raises(StateError, match="SKEP_BACKUP_PASSWORD"):
        read_lost_site(copy, Secret("0" * 64))


def test_no_site(vault: Vault) -> None:
    """A copy without the site's files is said, with what can be done all the same."""
    copy = Copy(vault, FILES)
    copy.add("web", 11)
    with pytest.raises(StateError, match="no generation of the site's own files"):
        read_lost_site(copy, backup_password(vault.stage))


def test_all_comes_to_its_place(lost: LostSite, vault: Vault, tmp_path: Path) -> None:
    """The files, the secrets for their owner alone, the journal with the chosen generations; nothing else."""
    bring(lost, "private", tmp_path, "ann@desk")
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    state = {"state/private/secrets/vault.json", "state/private/restore_site.json"}
    assert found == {*FILES, *state}
    kept = tmp_path / "state/private/secrets/vault.json"
    found_vault = Vault.from_bytes(kept.read_bytes())
    assert (found_vault.stage, found_vault.generated) == (vault.stage, vault.generated)
    assert found_vault.key_shown["by"] == "ann@desk", "whoever types the key has it"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    under_way = journals(tmp_path)["private"]
    assert (under_way.copy, under_way.done) == ("s3:there", ())
    assert {name: each.id[:5] for name, each in under_way.services.items()} == {"web": "web12"}


@pytest.mark.parametrize("at", range(6))
def test_killed_on_the_way(lost: LostSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Before the files are whole the directory counts as empty; afterwards the rest is moved; site.toml comes last."""
    moved: list[str] = []
    rename = Path.rename

    def killed(path: Path, target: Path) -> Path:
        if len(moved) == at:
            raise KeyboardInterrupt
        moved.append(target.name)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", killed)
    monkeypatch.setattr(shutil, "rmtree", _killed_after(shutil.rmtree, 1))
    with pytest.raises(KeyboardInterrupt):
        bring(lost, "private", tmp_path, "ann@desk")
    monkeypatch.undo()
    assert ("site.toml" in moved) == (at > 4)
    assert is_half_brought(tmp_path) == (at <= 4)
    if at <= 4:
        check_empty(tmp_path)
        finish_bringing(tmp_path)
    else:
        lost_site.clear_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "roles",
        "site.lock",
        "site.toml",
        "state",
        "zone",
    ]


def _killed_after(do: Any, times: int) -> Any:
    """Return a function that is killed after so many calls."""
    calls: list[int] = []

    def function(*words: Any, **options: Any) -> Any:
        if len(calls) == times:
            raise KeyboardInterrupt
        calls.append(1)
        return do(*words, **options)

    return function


def test_killed_before_all_is_there(lost: LostSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was unpacked counts for nothing, and the same again goes through."""
    monkeypatch.setattr(lost_site, "write_whole", _killed_after(write_whole, 1))
    with pytest.raises(KeyboardInterrupt):
        bring(lost, "private", tmp_path, "ann@desk")
    monkeypatch.undo()
    assert not is_half_brought(tmp_path)
    check_empty(tmp_path)
    bring(lost, "private", tmp_path, "ann@desk")
    assert (tmp_path / "site.toml").read_bytes() == FILES["site.toml"]


@pytest.mark.parametrize(
    ("name", "why"), [("site.toml", "is a site already"), ("notes", r"is not empty \(notes\)")]
)
def test_a_directory_with_files(tmp_path: Path, name: str, why: str) -> None:
    """It is refused, whatever they are, and they stay."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(StateError, match=why):
        check_empty(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_nothing_is_moved_over_a_file(
    lost: LostSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that somebody put there in between is said, and stays."""
    monkeypatch.setattr(lost_site, "finish_bringing", lambda _: None)
    bring(lost, "private", tmp_path, "ann@desk")
    (tmp_path / "zone").write_text("mine")
    with pytest.raises(StateError, match="zone: is in the way"):
        finish_bringing(tmp_path)
    assert (tmp_path / "zone").read_text() == "mine"
    (tmp_path / "zone").unlink()
    finish_bringing(tmp_path)
    assert (tmp_path / "zone").read_text() == "z"


def test_an_archive_that_leads_out(lost: LostSite, tmp_path: Path) -> None:
    """A file that would come outside of the directory is refused."""
    bad = LostSite(lost.copy, lost.files, archive({"../out": b"x"}), lost.vault, {})
    with pytest.raises(StateError, match="can't be unpacked"):
        bring(bad, "private", tmp_path / "site", "ann@desk")
    assert not (tmp_path / "out").exists()
