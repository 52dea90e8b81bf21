"""Reading on in the files of a container's log: no line is left out, none is read twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.container_logs.followed_log import FollowedLog
from agent.container_logs.log_files import BEGINNING, LogPlace
from agent.logs.container_lines import ContainerLines
from agent.logs.lines import LARGEST_TEXT, NOTE
from tests.unit.agent.logs.engine_log import TASK, EngineLog

_OPENED: list[ContainerLines] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close the files of all readers."""
    yield
    while _OPENED:
        _OPENED.pop().close()


@pytest.fixture
def engine(tmp_path: Path) -> EngineLog:
    """Give a container's log."""
    return EngineLog(tmp_path)


def reader(engine: EngineLog, place: LogPlace = BEGINNING) -> ContainerLines:
    """Return one that reads the log."""
    _OPENED.append(ContainerLines(FollowedLog(engine.directory, place), "hive0", TASK))
    return _OPENED[-1]


def texts(log: ContainerLines, looks: int = 30) -> list[str]:
    """Return what it reads in so many looks."""
    return [line.text for _ in range(looks) for line in log.read()]


def test_a_line_has_its_time_host_task_and_stream(engine: EngineLog) -> None:
    """Times have nine digits, so that they sort as text."""
    engine.write("hello\n", "stderr")

    assert [str(line) for line in reader(engine).read()] == [
        "2026-11-30T12:00:00.000000001Z hive0 web.1.x7f stderr hello"
    ]


def test_files_are_read_on_over_rotations(engine: EngineLog) -> None:
    """The oldest first at the beginning, and each to its end before the next."""
    engine.write("1\n")
    engine.rotate()
    engine.write("2\n")
    log = reader(engine)
    assert texts(log) == ["1", "2"]

    engine.write("3\n")
    engine.rotate()
    engine.write("4\n")
    engine.rotate()
    engine.write("5\n")

    assert texts(log) == ["3", "4", "5"]


def test_another_process_goes_on_at_the_place(engine: EngineLog) -> None:
    """Also where the file has another name by now."""
    engine.write("1\n")
    first = reader(engine)
    assert texts(first) == ["1"]
    engine.write("2\n")
    engine.rotate()
    engine.write("3\n")

    assert texts(reader(engine, first.place)) == ["2", "3"]


def test_lines_that_were_removed_before_they_were_read_are_said(engine: EngineLog) -> None:
    """The files that are left are read from their beginning, behind a note."""
    engine.write("1\n")
    first = reader(engine)
    first.read()
    for number in range(2, 5):
        engine.rotate(most=2)
        engine.write(f"{number}\n")

    lines = reader(engine, first.place).read()
    assert [line.stream for line in lines][:2] == [NOTE, "stdout"]
    assert lines[1].text == "3"


def test_lines_that_were_removed_with_their_container_are_said(engine: EngineLog) -> None:
    """Also where no line comes after them, as the newest file has none yet."""
    engine.write("1\n")
    log = reader(engine)
    log.read()
    for number in (2, 3):
        engine.rotate()
        engine.write(f"{number}\n")
    engine.rotate()
    log.hold()
    engine.remove()

    lines = [line for _ in range(2) for line in log.read()]
    assert [line.stream for line in lines] == [NOTE]
    assert log.is_over


def test_what_cant_be_read_at_the_end_of_a_log_is_said(engine: EngineLog) -> None:
    """Once, when the container is removed."""
    engine.write("1\n")
    with engine.path.open("ab") as file:
        file.write(b'{"log":"hal\n')
    log = reader(engine)
    assert texts(log) == ["1"]
    engine.remove()

    assert [line.stream for _ in range(30) for line in log.read()] == [NOTE]


def test_a_new_file_with_a_former_ones_number_is_another_file(engine: EngineLog) -> None:
    """A file system gives numbers of removed files to new ones."""
    engine.write("1\n")
    log = reader(engine)
    log.read()
    place = log.place
    engine.path.write_text("")
    engine.write("another line of the same length\n")

    assert "another line of the same length" in texts(reader(engine, place))


@pytest.mark.parametrize("more", [1, 9])
def test_a_file_that_the_engine_empties_is_begun_anew(engine: EngineLog, more: int) -> None:
    """With `max-file` 1 it does so, whether it has written less or more than before since then."""
    for _ in range(3):
        engine.write("before\n")
    log = reader(engine)
    assert texts(log) == ["before"] * 3
    engine.path.write_text("")
    for _ in range(more):
        engine.write("behind\n")

    assert texts(log)[1:] == ["behind"] * more


def test_an_open_file_is_read_to_its_end_when_its_container_is_removed(engine: EngineLog) -> None:
    """Only then is the log over."""
    log = reader(engine)
    engine.write("1\n")
    assert texts(log) == ["1"]
    engine.write("2\n")
    engine.remove()

    assert not log.is_over
    assert texts(log) == ["2"]
    assert log.is_over


def test_pieces_of_a_line_are_put_together(engine: EngineLog) -> None:
    """The engine cuts lines at 16 kB; lines of the other stream may be between the pieces."""
    pieces = [letter * 16_384 for letter in "abcd"]
    for piece in pieces:
        engine.write(piece)
        engine.write("meanwhile\n", "stderr")
    engine.write("end\n")

    found = texts(reader(engine))
    assert found == ["meanwhile"] * 4 + ["".join(pieces) + "end"]


def test_a_line_of_which_pieces_were_read_is_read_again_from_its_beginning(engine: EngineLog) -> None:
    """Its place is before its first piece until its end is there, also in a file that was rotated meanwhile."""
    engine.write("whole\n")
    engine.write("a" * 16_384)
    first = reader(engine)
    assert texts(first, looks=3) == ["whole"]
    engine.rotate()
    engine.write("b\n")

    assert texts(reader(engine, first.place)) == ["a" * 16_384 + "b"]


def test_another_process_makes_the_same_lines(engine: EngineLog) -> None:
    """Wherever it goes on: also where pieces of long lines of both streams are mixed, and one ends before the other."""
    records = [
        ("first\n", "stdout"),
        ("a1 ", "stdout"),
        ("b1 ", "stderr"),
        ("a2 ", "stdout"),
        ("a3\n", "stdout"),
        ("whole\n", "stdout"),
        ("c1 ", "stdout"),
        ("b2\n", "stderr"),
        ("c2\n", "stdout"),
        ("last\n", "stderr"),
    ]
    log, sent, places = reader(engine), list[str](), []
    for text, stream in records:
        engine.write(text, stream)
        sent += [str(line) for line in log.read()]
        places.append((log.place, len(sent)))

    assert [line.split(" ", 4)[4] for line in sent] == [
        "first",
        "a1 a2 a3",
        "whole",
        "b1 b2",
        "c1 c2",
        "last",
    ]
    for place, count in places:
        again = [str(line) for line in reader(engine, place).read()]
        assert set(again) <= set(sent)
        assert set(sent[count:]) <= set(again)


def test_a_line_without_an_end_is_one_after_a_while(engine: EngineLog) -> None:
    """A program may end without one."""
    engine.write("last words")

    assert texts(reader(engine)) == ["last words"]


def test_a_line_too_long_is_sent_in_pieces_that_say_so(engine: EngineLog) -> None:
    """Each but the last goes on in the next."""
    for _ in range(10):
        engine.write("x" * 16_384)
    engine.write("\n")

    log = reader(engine)
    lines = [line for _ in range(5) for line in log.read()]
    assert [line.goes_on for line in lines] == [True, False]
    assert len(lines[0].text) == LARGEST_TEXT
    assert sum(len(line.text) for line in lines) == 163_840


def test_what_is_no_entry_is_passed_over(engine: EngineLog) -> None:
    """A line that the engine had half written when its host lost its power, and bytes that are no text. It is said."""
    engine.write("1\n")
    with engine.path.open("ab") as file:
        file.write(b'{"log":"hal\n\0\0\0\n')
    engine.write("2\0 \u2028x\r\n")

    lines = reader(engine).read()
    assert [line.text for line in lines if line.stream != NOTE] == ["1", "2\ufffd \u2028x"]
    assert [line.stream for line in lines] == ["stdout", NOTE, "stdout"]
    assert "can't be read" in lines[1].text


def test_half_an_entry_is_waited_for(engine: EngineLog) -> None:
    """The engine may just be writing it."""
    engine.write("whole\n")
    data = engine.path.read_bytes()
    engine.path.write_bytes(data[:20])
    log = reader(engine)
    assert texts(log) == []
    with engine.path.open("ab") as file:
        file.write(data[20:])

    assert texts(log) == ["whole"]
