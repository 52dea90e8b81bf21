"""Logs that are read on: each record once, over rotations and restarts, in both of the engine's forms."""

import itertools
import os
import shutil
from pathlib import Path

import pytest

from agent.container_logs.followed_log import FollowedLog
from agent.container_logs.log_files import LogFiles, LogPlace
from tests.doubles.container_log import CONTAINER, ContainerLog

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
    return FollowedLog(tmp_path / CONTAINER)


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
    records = iter(followed.records())
    assert [next(records).text, next(records).text] == [b"1", b"2"]
    del records
    place = followed.place
    written.rotate()
    written.write(b"4")
    again = FollowedLog(tmp_path / CONTAINER, LogPlace(*place))
    assert read(again) == ["3", "4"]


def test_it_goes_on_after_a_restart_with_a_file_in_which_nothing_is_yet(
    written: ContainerLog, followed: FollowedLog, tmp_path: Path
) -> None:
    """The place stays in the file before until there is a record, lest that be read again."""
    written.write(b"1", b"2")
    assert read(followed) == ["1", "2"]
    written.rotate()
    assert read(followed) == []
    again = FollowedLog(tmp_path / CONTAINER, LogPlace(*followed.place))
    written.write(b"3")
    assert read(again) == ["3"]
    assert not again.has_lost


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
    assert followed.has_broken
    assert not followed.has_lost
    written.write(b"2")
    assert read(followed) == ["2"]


def test_no_log(tmp_path: Path) -> None:
    """A container that is gone, or whose driver keeps nothing, has no records."""
    assert read(FollowedLog(tmp_path / "none")) == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_numbered_lines_under_rotation(driver: str, tmp_path: Path) -> None:
    """None is missing and none comes twice, whenever it is looked: before, between and behind rotations."""
    for step, pause in itertools.product((1, 3, 7), (1, 2, 5)):
        root = tmp_path / f"{step}-{pause}"
        written, followed = ContainerLog(root, driver), FollowedLog(root / CONTAINER)
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


@pytest.mark.parametrize("rotations", [0, 1])
def test_a_container_that_is_removed(
    written: ContainerLog, followed: FollowedLog, tmp_path: Path, rotations: int
) -> None:
    """What was held open is read to its end, also where a file was begun since the last look; then it is over."""
    written.write(b"1")
    assert read(followed) == ["1"]
    written.write(b"2")
    for _ in range(rotations):
        written.rotate(is_packed=False)
        written.write(b"3")
    followed.hold()
    written.write(b"4")
    shutil.rmtree(tmp_path / CONTAINER)
    assert not followed.is_over
    assert read(followed) == ["2", *["3"] * rotations, "4"]
    assert followed.is_over
    assert not followed.has_lost


def test_a_container_that_is_removed_with_files_that_were_not_held(
    written: ContainerLog, followed: FollowedLog, tmp_path: Path
) -> None:
    """The one that was read and the newest one are read, and it is said that something is lost."""
    written.write(b"1")
    followed.hold()
    for number in (2, 3):
        written.rotate()
        written.write(b"%d" % number)
    followed.hold()
    shutil.rmtree(tmp_path / CONTAINER)
    assert read(followed) == ["1", "3"]
    assert followed.has_lost


def test_one_that_was_not_removed_is_not_over(followed: FollowedLog) -> None:
    """Nothing new is no end."""
    assert read(followed) == []
    assert not followed.is_over


def test_a_log_that_is_opened_before_anything_is_in_it(
    written: ContainerLog, followed: FollowedLog, tmp_path: Path
) -> None:
    """A container that has just begun; it may be removed before it is read."""
    followed.hold()
    written.write(b"1")
    shutil.rmtree(tmp_path / CONTAINER)
    assert read(followed) == ["1"]


def test_the_file_that_is_read_is_packed_meanwhile(written: ContainerLog, followed: FollowedLog) -> None:
    """It is read on as it was opened, and the one after it is found."""
    written.write(b"1", b"2")
    records = iter(followed.records())
    assert next(records).text == b"1"
    del records
    for number in (3, 4):
        written.rotate()
        written.write(b"%d" % number)
    assert read(followed) == ["2", "3", "4"]
    assert not followed.has_lost


@pytest.mark.parametrize("more", [1, 9])
def test_a_file_that_is_emptied(written: ContainerLog, followed: FollowedLog, more: int) -> None:
    """Where `max-file` is 1: what was written since is read from its beginning, and something may be lost."""
    written.write(b"before", b"before")
    assert read(followed) == ["before"] * 2
    written.path.write_bytes(b"")
    written.write(*[b"behind"] * more)
    assert read(followed) == ["behind"] * more
    assert followed.has_lost


def test_what_is_behind_broken_bytes(written: ContainerLog, followed: FollowedLog) -> None:
    """It is read from the next record on, as where a disk was full in the middle of one."""
    written.write(b"1")
    whole = written.path.read_bytes()
    written.write(b"2", b"3", b"4")
    rest = written.path.read_bytes()[len(whole) :]
    written.path.write_bytes(whole + rest[: len(whole) // 2] + rest)
    found = read(followed)
    # In JSON the one behind is on the same line.
    assert found == (["1", "3", "4"] if "json" in written.path.name else ["1", "2", "3", "4"])
    assert followed.has_broken
    assert read(followed) == []


def test_the_engine_is_just_renaming(
    written: ContainerLog, followed: FollowedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are seen in two orders at once are looked at later; nothing is taken for lost."""
    written.write(b"1")
    assert read(followed) == ["1"]
    written.rotate(is_packed=False)
    written.write(b"2")
    seen = LogFiles._seen
    with monkeypatch.context() as meanwhile:
        orders = itertools.cycle([1, -1])
        meanwhile.setattr(LogFiles, "_seen", lambda self, current: seen(self, current)[:: next(orders)])
        assert read(followed) == []
    assert read(followed) == ["2"]
    assert not followed.has_lost
