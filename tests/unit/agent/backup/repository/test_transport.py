"""What comes from one repository to another, and how far that is."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import output
from agent.backup.repository import transport
from agent.backup.repository.transport import fetch, share
from agent.output import Output
from tests.doubles.hive_repositories import RepositoryHost

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_how_large_it_is_can_not_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes all the same: that number is for the eye alone."""
    host = RepositoryHost(tmp_path, monkeypatch)
    identity = host.generation("hive0", NOW)
    host.hives["hive0"].is_unsized = host.away.is_unsized = True
    assert share(host.config, identity, "hive1", Output())["id"] in host.ids("hive1")
    copies = {"copies": (host.place,)}
    host.upkeep(NOW, **copies).keep()
    host.hives["hive0"].held.clear()
    assert fetch(host.configured(**copies), "away", Output())["brought"] == 2


@pytest.mark.parametrize(("total", "told"), [(0, 3000), (2000, 2000)])
def test_how_far_it_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    total: int,
    told: int,
) -> None:
    """By how much the repository grows: no more than is to come, where that is known."""
    monkeypatch.setattr(transport, "_LOOK_PAUSE", 0.001)
    monkeypatch.setattr(output, "_PROGRESS_PAUSE", 0.0)
    (tmp_path / "before").write_bytes(b"x" * 500)
    size, grown, calls = transport._size, threading.Event(), 0

    def look(directory: Path) -> int:
        nonlocal calls
        found = size(directory)
        calls += found > 500
        if calls > 1:
            grown.set()
        return found

    monkeypatch.setattr(transport, "_size", look)
    with transport._watched(tmp_path, total, Output()):
        (tmp_path / "pack").write_bytes(b"x" * 3000)
        assert grown.wait(120)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])["progress"]
    assert (last["bytes"], last["of"]) == (told, total)
