"""Lines of logs that count as errors."""

import json
import shutil
import zlib
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.observe import error_counts, error_patterns
from agent.observe.error_counts import ErrorCounts
from agent.observe.error_patterns import ErrorPatterns, TooSlowError
from agent.observe.observe_config import ObservedService
from tests.doubles.container_log import ContainerLog

WEB = ObservedService("web", 1, monitor_error=("ERROR", "^Traceback"), ignore_error=("ignore me",))
SERVICES = {"web": WEB, "quiet": ObservedService("quiet", 1)}
HERE = {"c1": "web", "c9": "quiet"}


def counts(root: Path, noted: object = None) -> ErrorCounts:
    """Return counts that begin with what was noted, as it comes back from the disk."""
    return ErrorCounts(SERVICES, json.loads(json.dumps(noted or {})), root)


def test_which_lines_count() -> None:
    """Those that match one of the first expressions, anywhere, and none of the others."""
    patterns = ErrorPatterns(WEB.monitor_error, WEB.ignore_error)
    assert [
        line
        for line in (b"an ERROR", b"ERROR: ignore me", b"Traceback (most", b"a Traceback", b"\xff ERROR \xfe")
        if patterns.counts(line)
    ] == [b"an ERROR", b"Traceback (most", b"\xff ERROR \xfe"]


def test_an_expression_that_is_none() -> None:
    """It is said; skep refuses it before, unless the host's Python is another one."""
    with pytest.raises(AgentError, match="can't be read: missing"):
        ErrorPatterns(["("])


def test_lines_count_from_the_first_look_on(tmp_path: Path) -> None:
    """What a service said before is history; a service that has said nothing has 0."""
    log = ContainerLog(tmp_path)
    log.write(b"ERROR old")
    found = counts(tmp_path)
    found.look(HERE, (log.now + 1) / 1e9)
    assert found.counts == {"web": 0}
    log.write(b"ERROR new", b"fine")
    log.write(b"ERROR: ignore me", b"ERROR on stderr", stream="stderr")
    found.look(HERE, 0)
    assert found.counts == {"web": 2}


def test_killed_and_restarted(tmp_path: Path) -> None:
    """It goes on where it was noted last: no line counts twice, and those of the meantime count."""
    log = ContainerLog(tmp_path)
    found = counts(tmp_path)
    found.look(HERE, 0.001)
    log.write(b"ERROR 1", b"ERROR 2")
    found.look(HERE, 0)
    noted = found.noted()
    log.write(b"ERROR 3")
    found.look(HERE, 0)  # and it is killed before that is noted
    log.rotate()
    log.write(b"ERROR 4")
    again = counts(tmp_path, noted)
    again.look(HERE, 0)
    assert again.counts == {"web": 4}


def test_a_container_that_is_gone(tmp_path: Path) -> None:
    """Its lines count, also those that it wrote since the last look, and nothing of it is kept."""
    log = ContainerLog(tmp_path)
    found = counts(tmp_path)
    log.write(b"one")
    found.look(HERE, 0.001)
    log.write(b"ERROR, the last word")
    shutil.rmtree(log.path.parents[1])
    found.look({}, 0)
    assert found.counts == {"web": 1}
    assert found.noted()["containers"] == {}
    found.look({}, 0)
    assert found.counts == {"web": 1}


@pytest.mark.parametrize("is_read_at_its_end", [True, False])
def test_a_container_that_came_and_went_between_two_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_read_at_its_end: bool
) -> None:
    """Its lines count once, whether there was time for them at its end or not."""
    monkeypatch.setattr(error_counts, "BUDGET", 60.0 if is_read_at_its_end else 0.0)
    found = counts(tmp_path)
    found.look({}, 0.001)
    log = ContainerLog(tmp_path)
    found.has_begun("c1", "web", 0.002)
    log.write(b"ERROR 1", b"fine", b"ERROR 2")
    found.has_ended("c1", 0.003)
    assert found.counts == {"web": 2 if is_read_at_its_end else 0}
    log.write(b"ERROR, the last word")
    shutil.rmtree(log.path.parents[1])
    monkeypatch.setattr(error_counts, "BUDGET", 60.0)
    found.look({}, 0)
    assert found.counts == {"web": 3}
    assert found.noted()["containers"] == {}


def test_a_container_that_the_engine_has_not_told_yet(tmp_path: Path) -> None:
    """One that has begun since the engine told last is no removed one: its lines count once."""
    found = counts(tmp_path)
    found.look({}, 0.001)
    log = ContainerLog(tmp_path)
    found.has_begun("c1", "web", 0.002)
    log.write(*[b"ERROR"] * 5)
    found.look({}, 0.003)
    log.write(b"ERROR")
    found.look(HERE, 0.004)
    assert found.counts == {"web": 6}


def test_a_container_that_goes_before_there_is_time_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held open from the first look that finds it, though nothing of it is read yet."""
    monkeypatch.setattr(error_counts, "BUDGET", -1.0)
    found, log = counts(tmp_path), ContainerLog(tmp_path)
    log.write(b"ERROR")
    found.look(HERE, 0.001)
    assert found.counts == {"web": 0}
    shutil.rmtree(log.path.parents[1])
    monkeypatch.setattr(error_counts, "BUDGET", 60.0)
    found.look({}, 0)
    assert found.counts == {"web": 1}


def test_a_start_that_is_told_late(tmp_path: Path) -> None:
    """A container that is gone by then, or whose service is not watched, is not followed, and its end is nothing."""
    found = counts(tmp_path)
    ContainerLog(tmp_path, container="c9")
    found.look({}, 0.001)
    found.has_begun("gone", "web", 0.002)
    found.has_begun("c9", "quiet", 0.002)
    found.has_ended("gone", 0.003)
    assert found.noted()["containers"] == {}


def test_ends_take_no_more_of_the_processor_than_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not read of them then is read at the next look."""
    log = ContainerLog(tmp_path)
    found = counts(tmp_path)
    found.look(HERE, 0.001)
    found._left = 0.01
    log.write(*[b"ERROR"] * 100_000)
    found.has_ended("c1", 0.002)
    read = found.counts["web"]
    assert 0 < read < 100_000
    found.has_ended("c1", 0.003)
    assert found.counts["web"] == read
    monkeypatch.setattr(error_counts, "BUDGET", 60.0)
    found.look(HERE, 0)
    assert found.counts == {"web": 100_000}


def test_a_state_of_before(tmp_path: Path) -> None:
    """Places of 2026-11 are gone on from: the first record's checksum and length, and what was read."""
    log = ContainerLog(tmp_path)
    log.write(b"ERROR 1")
    first = log.path.read_bytes()
    log.write(b"ERROR 2")
    place = [zlib.crc32(first), len(first), len(first)]
    noted = {"counts": {"web": 1}, "since": {"web": 1}, "containers": {"c1": _noted(place)}}
    found = counts(tmp_path, noted)
    found.look(HERE, 0)
    assert found.counts == {"web": 2}


def _noted(place: list[int]) -> dict[str, object]:
    """Return a container as it was noted."""
    return {"service": "web", "place": place, "begun": {}}


def test_a_service_that_is_watched_no_more(tmp_path: Path) -> None:
    """Its count goes with its expressions."""
    found = counts(tmp_path)
    found.look(HERE, 1)
    assert ErrorCounts({"web": ObservedService("web", 1)}, found.noted(), tmp_path).counts == {}


@pytest.mark.parametrize("driver", ["local", "json-file"])
def test_a_line_of_a_megabyte(driver: str, tmp_path: Path) -> None:
    """The engine cuts it; it is one line, whose first 64 kB are looked at, also when it ends after a restart."""
    log = ContainerLog(tmp_path, driver)
    found = counts(tmp_path)
    found.look(HERE, 0.001)
    log.write(b"ERROR " + b"x" * 16_000, *[b"x" * 16_000] * 61, part="more")
    log.write(b"ERROR beside it", stream="stderr")
    found.look(HERE, 0)
    assert found.counts == {"web": 1}
    assert len(json.dumps(found.noted())) < 2 * error_patterns.LONGEST
    again = counts(tmp_path, found.noted())
    log.write(b"ignore me, and ERROR again", part="last")
    again.look(HERE, 0)
    assert again.counts == {"web": 2}


def test_a_slow_expression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped, its line is left out and that is said; the lines behind it and other services count."""
    monkeypatch.setattr(error_patterns, "LIMIT", 0.05)
    slow = ObservedService("slow", 1, monitor_error=(r"(x+x+)+y", "ERROR"))
    log, other = ContainerLog(tmp_path), ContainerLog(tmp_path, container="c2")
    found = ErrorCounts({"slow": slow, "web": WEB}, {}, tmp_path)
    containers = {"c1": "slow", "c2": "web"}
    found.look(containers, 0.001)
    log.write(b"x" * 5000, b"ERROR")
    other.write(b"ERROR")
    with pytest.raises(
        AgentError, match=r"^slow: the expressions took over 0.05 s for a line, which is left out$"
    ):
        found.look(containers, 0)
    assert found.counts == {"slow": 1, "web": 1}
    found.look(containers, error_counts.TOLD)


def test_more_than_a_look_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look goes on with it, and another container has its turn."""
    monkeypatch.setattr(error_counts, "BUDGET", -1.0)
    logs = [ContainerLog(tmp_path), ContainerLog(tmp_path, container="c2")]
    found = ErrorCounts({"web": WEB}, {}, tmp_path)
    containers = {"c1": "web", "c2": "web"}
    found.look(containers, 0.001)
    for log in logs:
        log.write(*[b"ERROR"] * 3)
    monkeypatch.setattr(error_counts, "BUDGET", 0.0)
    for _ in range(6):
        found.look(containers, 0)
    monkeypatch.setattr(error_counts, "BUDGET", 60.0)
    found.look(containers, 0)
    assert found.counts == {"web": 6}


def test_lines_that_were_rotated_away(tmp_path: Path) -> None:
    """It is said for so long that an alarm comes of it, and no longer."""
    log = ContainerLog(tmp_path)
    found = counts(tmp_path)
    log.write(b"one")
    found.look(HERE, 0.001)
    log.rotate()
    log.forget_rotated()
    log.write(b"ERROR")
    with pytest.raises(AgentError, match="web: lines of its log were gone before they were read"):
        found.look(HERE, 0)
    assert found.counts == {"web": 1}
    with pytest.raises(AgentError):
        found.look(HERE, error_counts.TOLD - 1)
    found.look(HERE, error_counts.TOLD)


def test_the_limit_is_of_the_processor() -> None:
    """A slow expression ends with an error that says so, not with a match."""
    with pytest.raises(TooSlowError):
        ErrorPatterns([r"(x+x+)+y"]).counts(b"x" * 5000)


def test_a_container_without_a_log(tmp_path: Path) -> None:
    """An engine that keeps its files elsewhere is told, not taken for one that says nothing.

    That takes two looks, since a container may be removed during one.
    """
    found = counts(tmp_path / "not there")
    found.look(HERE, 1)
    with pytest.raises(AgentError, match=r"web: .*not there has nothing of a container of it"):
        found.look(HERE, 2)
    there = counts(tmp_path)
    there.look(HERE, 1)
    ContainerLog(tmp_path)
    there.look(HERE, 2)
