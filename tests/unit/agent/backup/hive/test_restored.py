"""Generations that are brought beside what is there, on disks with and without room."""

from pathlib import Path

import pytest

from agent.backup.hive import restored
from agent.backup.hive.verify import Verification
from agent.errors import AgentError
from agent.host import disk_room
from tests.doubles.hive import IDENTITY, Hive

_MB = 1 << 20


@pytest.fixture
def hive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hive:
    """Give a hive with a generation of 1000 MB."""
    made = Hive(tmp_path)
    monkeypatch.setattr(type(made.repository), "stats", lambda *_: (1000 * _MB, 3))
    return made


def test_no_room_for_it(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to the disk of services that run; it is said how much is needed, and how much there is."""
    monkeypatch.setattr(disk_room, "free_at", lambda _: 1000 * _MB)
    for do in (hive.restoration.read, Verification(hive.restoration, hive.state / "scratch").verify):
        with pytest.raises(
            AgentError, match=r"are needed on the disk of .*, and 1000 MB are free: make room"
        ):
            do("aa000001")
    assert not (hive.engine.volumes / "data" / "skep-new").exists()
    assert hive.repository.notes == []


def test_a_standby_needs_no_room(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are on the volumes' disk already."""
    monkeypatch.setattr(disk_room, "free_at", lambda _: 0)
    monkeypatch.setattr(
        restored, "is_here", lambda service, identity: (service, identity) == ("web", IDENTITY)
    )
    assert hive.restoration.read("aa000001")["volumes"] == ["data"]


def test_what_is_there_needs_no_room(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump alone needs its own, and what was read before needs none: a try that was killed goes on."""
    monkeypatch.setattr(disk_room, "free_at", lambda _: 100 * _MB)
    assert hive.restoration.read("aa000001", ("db",))["dumps"] == ["db"]
    monkeypatch.setattr(disk_room, "free_at", lambda _: 2000 * _MB)
    hive.restoration.read("aa000001")
    monkeypatch.setattr(disk_room, "free_at", lambda _: 0)
    assert hive.restoration.read("aa000001")["volumes"] == ["data"]
