"""Reading the central files: in the order of time, each line once, over rotations."""

import gzip
import os
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.logs.central_files import WantedLines, central_lines
from agent.logs.limited_pattern import LimitedPattern


def line(second: int, text: str, task: str = "web.1.x", host: str = "hive0", stream: str = "stdout") -> str:
    """Return a line of a central file."""
    return f"2026-11-30T12:00:{second:02}.000000001Z {host} {task} {stream} {text}\n"


ALL = WantedLines()


def texts(directory: Path, wanted: WantedLines = ALL, name: str = "web") -> list[str]:
    """Return the texts of the lines that are read."""
    return [each.text for each in central_lines(directory, name, wanted)]


def test_lines_come_by_time_over_all_files(tmp_path: Path) -> None:
    """Files of former days are compressed; a host that was out of reach comes later. Another service's stay out."""
    with gzip.open(tmp_path / "web.log-20261128-1.gz", "wt") as file:
        file.write(line(1, "a"))
    (tmp_path / "web.log-20261129-2").write_text(line(2, "b") + line(4, "d"))
    (tmp_path / "web.log").write_text(line(3, "c", host="hive1") + line(5, "e"))
    (tmp_path / "web2.log").write_text(line(6, "another"))

    assert texts(tmp_path) == ["a", "b", "c", "d", "e"]


def test_a_line_that_was_sent_twice_is_one(tmp_path: Path) -> None:
    """One of the same text at another time, or of another task, is another."""
    same = line(1, "hello")
    (tmp_path / "web.log").write_text(
        same + line(2, "between") + same + line(3, "hello") + line(1, "hello", "web.2.y")
    )

    assert sorted(texts(tmp_path)) == ["between", "hello", "hello", "hello"]


def test_lines_of_one_time_stay_in_their_order(tmp_path: Path) -> None:
    """What belongs together, as a traceback in one entry of a journal, is not sorted by its text."""
    (tmp_path / "web.log").write_text(line(1, "z") + line(1, "a") + line(1, "m"))

    assert texts(tmp_path) == ["z", "a", "m"]


def test_pieces_are_put_together_also_of_lines_sent_twice(tmp_path: Path) -> None:
    """A piece whose end never came is a line as well."""
    pieces = line(1, "a", stream="stdout+") + line(1, "err", stream="stderr") + line(1, "b")
    (tmp_path / "web.log").write_text(pieces + pieces + line(2, "lost", stream="stdout+"))

    assert texts(tmp_path) == ["err", "ab", "lost"]


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    """As where the disk was full in its middle, and its whole came again."""
    (tmp_path / "web.log").write_text("2026-11-30T12:0\n" + line(1, "whole") + line(2, "half").rstrip("\n"))

    assert texts(tmp_path) == ["whole"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (WantedLines(since="2026-11-30T12:00:02.000000000Z"), ["two", "three", "four"]),
        (WantedLines(until="2026-11-30T12:00:03.000000000Z", lines=1), ["two"]),
        (WantedLines(lines=1), ["four"]),
        (WantedLines(pattern=LimitedPattern("^t"), lines=1), ["three"]),
        (WantedLines(source="2"), ["two"]),
        (WantedLines(source="web.2"), ["two"]),
        (WantedLines(source="hive1"), ["three"]),
        (WantedLines(source="9"), []),
    ],
)
def test_what_is_asked_for(tmp_path: Path, wanted: WantedLines, found: list[str]) -> None:
    """By time, number, text, and task or host as `doit logs` names them."""
    (tmp_path / "web.log").write_text(
        line(1, "one") + line(2, "two", "web.2.y") + line(3, "three", "web.3.z", "hive1") + line(4, "four")
    )

    assert texts(tmp_path, wanted) == found


def test_a_file_that_ended_before_is_not_read(tmp_path: Path) -> None:
    """It need not be unpacked to know that."""
    old = tmp_path / "web.log-20261101-1.gz"
    old.write_bytes(b"no gzip at all")
    os.utime(old, (0, 0))
    (tmp_path / "web.log").write_text(line(5, "now"))

    assert texts(tmp_path, WantedLines(since="2026-11-30T12:00:00.000000000Z")) == ["now"]


@pytest.mark.parametrize("name", ["../hosts/hive0", "", "-x", "a/b"])
def test_no_other_file_can_be_asked_for(tmp_path: Path, name: str) -> None:
    """A name is one of a service or host."""
    with pytest.raises(AgentError, match="is no name"):
        texts(tmp_path, name=name)


def test_a_service_without_a_file_has_no_lines(tmp_path: Path) -> None:
    """It may never have said anything."""
    assert texts(tmp_path) == []
