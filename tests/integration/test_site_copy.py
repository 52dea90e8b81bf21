"""A copy off the site, read by this machine alone: real restic, a directory as the copy."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.backup.notes import SEAL, data_tags, note_tags
from model.errors import StateError
from model.secrets.secret import Secret
from remote.backup.copied_generations import copied_generations, newest
from remote.backup.site_copy import KEY_VARIABLE, SiteCopy
from tests.debian import install

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
_KEY = "key of the copy"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy with a generation of the site's files, one of a service, and one that was cut off."""
    install(["restic"])
    root = tmp_path_factory.mktemp("copy")
    there = root / "there"
    _restic(there, root, "init")
    for service, text in (("site", "the archive"), ("web", "rows"), ("web", "half")):
        data = root / "data"
        data.mkdir()
        (data / f"{service}.tar.gz").write_text(text)
        identity = _saved(there, data, data_tags("private" if service == "web" else "", service, "scheduled"))
        if text != "half":
            facts = {"bytes": 4, "scripts": {"files": "files"}}
            _saved(there, data, note_tags(SEAL, identity, facts))
        shutil.rmtree(data)
    return there


def _restic(copy: Path, cwd: Path, *words: str) -> str:
    """Run restic as the repository host does."""
    env = {**os.environ, "RESTIC_REPOSITORY": str(copy), "RESTIC_PASSWORD": _KEY}
    done = subprocess.run(["restic", *words], env=env, cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout


def _saved(copy: Path, directory: Path, tags: list[str]) -> str:
    """Save a directory as a snapshot, and return its id."""
    words = [word for tag in tags for word in ("--tag", tag)]
    short = json.loads(
        _restic(copy, directory, "backup", ".", "--json", "--host", "hive0", *words).splitlines()[-1]
    )
    return str(json.loads(_restic(copy, directory, "snapshots", "--json", short["snapshot_id"]))[0]["id"])


def test_what_it_has_is_told_and_read(copy: Path) -> None:
    """Generations by their tags, a file as it was saved; what nobody sealed is none; nothing is written there."""
    before = sorted(path for path in copy.rglob("*"))
    reading = SiteCopy(str(copy), Secret(_KEY))
    found = copied_generations(reading.snapshots())
    assert [(each.service, each.stage, each.host, each.size, each.parts) for each in found] == [
        ("site", "", "hive0", 4, ("files",)),
        ("web", "private", "hive0", 4, ("files",)),
    ]
    site = newest(found, "site")
    assert site is not None
    assert reading.file(site.snapshot, "/site.tar.gz") == b"the archive"
    assert sorted(path for path in copy.rglob("*")) == before


@pytest.mark.parametrize(
    ("place", "key", "why"),
    [
        ("there", "wrong-one", f"the key does not open it: {KEY_VARIABLE} is to be what doit backups key"),
        ("nowhere", _KEY, "there is no copy, or it can't be had: unable to open config file"),
        ("s4:bucket", _KEY, "it is to be restic's word for the place"),
    ],
)
def test_what_can_not_be_read(copy: Path, place: str, key: str, why: str) -> None:
    """A wrong key, a place that is not there, a word that is none of restic's: one line, the way out, and no key."""
    where = place if ":" in place else str(copy.with_name(place))
    with pytest.raises(StateError) as caught:
        SiteCopy(where, Secret(key)).snapshots()
    assert str(caught.value).startswith(f"from={where}: ")
    assert why in str(caught.value)
    assert key not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_restic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is said what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StateError, match="apt install restic"):
        SiteCopy("there", Secret(_KEY)).snapshots()
