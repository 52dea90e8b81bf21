"""Places in logs that were noted, now or by skep of before 2026-12."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from agent.container_logs.followed_log import FollowedLog
from agent.container_logs.log_files import BEGINNING, LogPlace
from agent.logs.noted_places import noted_place
from tests.unit.agent.logs.engine_log import EngineLog


@pytest.fixture
def engine(tmp_path: Path) -> EngineLog:
    """Give a container's log with a line."""
    engine = EngineLog(tmp_path)
    engine.write("1\n")
    return engine


def former(engine: EngineLog) -> dict[str, Any]:
    """Return the place behind all that is written, as it was noted before."""
    written = engine.path.read_bytes()
    return {"inode": engine.path.stat().st_ino, "offset": len(written), "mark": written[-64:].hex()}


def test_a_place_comes_back_from_the_disk(engine: EngineLog) -> None:
    """As it was noted, also where nothing was read."""
    for place in (LogPlace(7, 30, 60), BEGINNING):
        assert noted_place(engine.directory, json.loads(json.dumps(place))) == place


def test_a_file_that_was_known_by_its_number(engine: EngineLog) -> None:
    """It is found under another name, and known by its first record from then on."""
    first = engine.path.read_bytes()
    engine.write("2\n")
    noted = former(engine)
    engine.rotate()
    engine.write("3\n")

    assert noted_place(engine.directory, noted) == LogPlace(zlib.crc32(first), len(first), noted["offset"])


@pytest.mark.parametrize("has_line", [True, False])
@pytest.mark.parametrize("is_only", [True, False])
def test_a_file_of_which_nothing_was_read(engine: EngineLog, *, has_line: bool, is_only: bool) -> None:
    """Those before it were read to their ends, and none of their lines comes again."""
    if is_only:
        engine.path.write_text("")
    else:
        engine.rotate()
        engine.write("2\n")
        engine.rotate()
    if has_line:
        engine.write("3\n")
    noted = {"inode": engine.path.stat().st_ino, "offset": 0, "mark": ""}

    log = FollowedLog(engine.directory, noted_place(engine.directory, noted))
    found = [record.text for record in log.records()]
    engine.write("4\n")
    found += [record.text for record in log.records()]
    assert found == [b"3"] * has_line + [b"4"]
    assert not log.has_lost
    log.close()


def test_a_file_that_is_gone(engine: EngineLog) -> None:
    """Its number may be another file's by now: what is there is read from its beginning, and lines may be lost."""
    noted = former(engine)
    engine.path.write_text("")
    engine.write("of another file\n")

    log = FollowedLog(engine.directory, noted_place(engine.directory, noted))
    assert [record.text for record in log.records()] == [b"of another file"]
    assert log.has_lost
    log.close()
