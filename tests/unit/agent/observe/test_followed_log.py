"""Logs that are read on: each record once, over rotations and restarts, in both of the engine's forms."""

import itertools
import os
from pathlib import Path

import pytest

from agent.observe.followed_log import FollowedLog, LogPlace
from tests.unit.agent.observe.log_files import CONTAINER, ContainerLog

DRIVERS = ["local", "json-file"]


def read(log: FollowedLog, since: int = 0) -> list[str]:
    """Return the lines that were not read yet."""
    return [record.text.decode() for record in log.records(since)]


@pytest.fixture(params=DRIVERS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> ContainerLog:
    """Return an empty log of a driver."""
    return ContainerLog(tmp_path, request.param)


@pytest.fixture
def followed(written: ContainerLog, tmp_path: Path) -> FollowedLog:
    """Return that log as it is followed."""
    del written
    return FollowedLog(CONTAINER, LogPlace(), tmp_path)


def test_it_is_read_on(written: ContainerLog, followed: FollowedLog) -> None:
    """What is new comes once; nothing new, nothing read."""
    assert read(followed) == []
    written.write(b"one", b"two")
    assert read(followed) == ["one", "two"]
    assert read(followed) == []
    written.write(b"three")
    assert read(followed) == ["three"]


def test_half_a_record(written: ContainerLog, followed: FollowedLog) -> None:
    """It waits until the record is whole."""
    written.write(b"one", b"two")
    whole = written.path.read_bytes()
    for length in range(len(whole)):
        written.path.write_bytes(whole[:length])
        assert read(followed) == (["one"] if length == len(whole) // 2 else []), length
    written.path.write_bytes(whole)
    assert read(followed) == ["two"]
    assert not followed.has_lost


@pytest.mark.parametrize("is_packed", [True, False])
def test_rotations_between_two_looks(
    written: ContainerLog, followed: FollowedLog, *, is_packed: bool
) -> None:
    """All that was written comes, in order, as long as the engine keeps it."""
    written.write(b"1", b"2")
    assert read(followed) == ["1", "2"]
    written.write(b"3")
    for number in (4, 5, 6):
        written.rotate(is_packed=is_packed)
        written.write(f"{number}".encode())
    assert read(followed) == ["3", "4", "5", "6"]
    written.rotate(is_packed=is_packed)
    assert read(followed) == []
    written.write(b"7")
    assert read(followed) == ["7"]
    assert not followed.has_lost


def test_it_goes_on_after_a_restart(written: ContainerLog, followed: FollowedLog, tmp_path: Path) -> None:
    """The place is all that is needed, also when the file was rotated meanwhile, or is read half."""
    written.write(b"1", b"2", b"3")
    records = followed.records(0)
    assert [next(records).text, next(records).text] == [b"1", b"2"]
    records.close()
    place = followed.place
    written.rotate()
    written.write(b"4")
    again = FollowedLog(CONTAINER, LogPlace(place.first, place.length, place.offset), tmp_path)
    assert read(again) == ["3", "4"]


def test_it_was_rotated_away(written: ContainerLog, followed: FollowedLog) -> None:
    """What is left is read from its beginning, and it is said that something is lost."""
    written.write(b"1")
    assert read(followed) == ["1"]
    written.rotate()
    written.write(b"2")
    written.rotate()
    written.forget_rotated()
    written.write(b"3")
    assert read(followed) == ["3"]
    assert followed.has_lost


def test_a_log_that_was_there_before(written: ContainerLog, followed: FollowedLog) -> None:
    """Files that were written last before anybody asked are left out."""
    written.write(b"old")
    written.rotate()
    rotated = next(written.path.parent.glob("*.gz"))
    os.utime(rotated, (1000, 1000))
    written.write(b"new")
    assert read(followed, since=2000 * 10**9) == ["new"]


def test_a_broken_file(written: ContainerLog, followed: FollowedLog) -> None:
    """It stops nobody: it is said, and what comes behind it is read."""
    written.write(b"1")
    with written.path.open("ab") as file:
        file.write(b"\0" * 50 + b"\xff" * 50 + b"\n")
    assert read(followed) == ["1"]
    assert followed.has_lost
    written.write(b"2")
    assert read(followed) == ["2"]


def test_no_log(tmp_path: Path) -> None:
    """A container that is gone, or whose driver keeps nothing, has no records."""
    assert read(FollowedLog("none", LogPlace(), tmp_path)) == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_numbered_lines_under_rotation(driver: str, tmp_path: Path) -> None:
    """None is missing and none comes twice, whenever it is looked: before, between and behind rotations."""
    for step, pause in itertools.product((1, 3, 7), (1, 2, 5)):
        root = tmp_path / f"{step}-{pause}"
        written, followed = ContainerLog(root, driver), FollowedLog(CONTAINER, LogPlace(), root)
        seen: list[str] = []
        for number in range(60):
            written.write(b"%d" % number)
            if number % step == 0:
                seen += read(followed)
            if number % (3 * pause) == 0:
                written.rotate(is_packed=number % 2 == 0)
        seen += read(followed)
        kept = {str(number) for number in range(60)} if not followed.has_lost else set(seen)
        assert sorted(seen, key=int) == sorted(kept, key=int) == sorted({*seen}, key=int), (step, pause)
        assert not followed.has_lost
