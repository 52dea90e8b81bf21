"""Entries of the journal as lines."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.logs import host_journal
from agent.logs.host_journal import HostJournal, journal_lines
from agent.logs.lines import LARGEST_TEXT, CentralLine
from agent.logs.troubles import Troubles

ENTRY = {"__REALTIME_TIMESTAMP": "1796040000123456", "_SYSTEMD_UNIT": "docker.service", "PRIORITY": "3"}


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({"MESSAGE": "hello"}, ["2026-11-30T12:00:00.123456000Z hive0 docker.service err hello"]),
        (
            {"MESSAGE": "Traceback\n  File"},
            [
                "2026-11-30T12:00:00.123456000Z hive0 docker.service err Traceback",
                "2026-11-30T12:00:00.123456001Z hive0 docker.service err   File",
            ],
        ),
        ({"MESSAGE": [104, 255, 105]}, ["2026-11-30T12:00:00.123456000Z hive0 docker.service err h\ufffdi"]),
        ({"MESSAGE": None}, ["2026-11-30T12:00:00.123456000Z hive0 docker.service err "]),
        (
            {"MESSAGE": "x", "_SYSTEMD_UNIT": None, "SYSLOG_IDENTIFIER": "my kernel", "PRIORITY": "9"},
            ["2026-11-30T12:00:00.123456000Z hive0 my_kernel - x"],
        ),
        (
            {"MESSAGE": ["a", [98, 255]], "PRIORITY": ["3", "4"]},
            [
                "2026-11-30T12:00:00.123456000Z hive0 docker.service - a",
                "2026-11-30T12:00:00.123456001Z hive0 docker.service - b\ufffd",
            ],
        ),
    ],
)
def test_an_entry_is_a_line_or_several(more: dict[str, Any], lines: list[str]) -> None:
    """Several stay in their order by the last digits of their times; bytes that are no text are replaced.

    Anybody on a host can write an entry that has a field twice.
    """
    assert [str(line) for line in journal_lines("hive0", {**ENTRY, **more})] == lines


def test_a_long_line_is_sent_in_pieces_that_say_so() -> None:
    """The collector cuts what is longer than a message, without a word."""
    text = "x" * (2 * LARGEST_TEXT + 1)

    lines = list(journal_lines("hive0", {**ENTRY, "MESSAGE": text}))

    assert [line.goes_on for line in lines] == [True, True, False]
    assert len({line.time for line in lines}) == 1
    assert "".join(line.text for line in lines) == text


Journalctl = Callable[[str], None]


@pytest.fixture
def journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journalctl:
    """Give a function that has another script for journalctl, which is started again without a pause."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(host_journal, "PAUSE", 0.0)

    def make(script: str) -> None:
        (tmp_path / "journalctl").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "journalctl").chmod(0o755)

    return make


_MADE: list[HostJournal] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """End what was started."""
    yield
    while _MADE:
        _MADE.pop().close()


def lines_of(cursor: str, said: list[str], number: int) -> list[CentralLine]:
    """Return the first lines that are read behind a cursor."""
    journal = HostJournal("hive0", cursor, Troubles(said.append))
    _MADE.append(journal)
    lines, ends = list[CentralLine](), time.monotonic() + 20
    while len(lines) < number and time.monotonic() < ends:
        lines += journal.read(100)
        time.sleep(0.01)
    return lines


def test_a_cursor_that_journalctl_refuses_is_given_up_with_a_word(journalctl: Journalctl) -> None:
    """Else nothing would be read any more; a note says where lines may be missing."""
    entry = '{"__CURSOR": "c1", "__REALTIME_TIMESTAMP": "1796040000123456", "MESSAGE": "hello"}'
    journalctl(
        'case "$*" in *--after-cursor*) echo "Failed to seek to cursor: Invalid argument" >&2; exit 1 ;; esac\n'
        f"echo '{entry}'; exec sleep 60"
    )
    said = list[str]()

    lines = lines_of("c0", said, 2)

    assert [line.stream for line in lines] == ["skep", "-"]
    assert lines[1].text == "hello"
    assert said == ["journalctl ended with 1 (Failed to seek to cursor: Invalid argument)"]


def test_an_entry_that_is_none_is_stepped_over(journalctl: Journalctl) -> None:
    """And the next process goes on behind it."""
    broken = '{"__CURSOR": "c1", "__REALTIME_TIMESTAMP": "no time"}'
    whole = '{"__CURSOR": "c2", "__REALTIME_TIMESTAMP": "1796040000123456", "MESSAGE": "hello"}'
    journalctl(f"echo '{broken}'; echo '{whole}'; exec sleep 60")

    assert [line.text for line in lines_of("c0", [], 1)] == ["hello"]


def test_a_journalctl_that_works_again_is_no_trouble_any_more(journalctl: Journalctl) -> None:
    """Also where nobody says anything on the host."""
    journalctl("exit 1")
    troubles = Troubles(lambda _sentence: None)
    journal = HostJournal("hive0", "", troubles)
    _MADE.append(journal)

    def has_trouble(*, wanted: bool) -> bool:
        ends = time.monotonic() + 20
        while bool(troubles.parts) != wanted and time.monotonic() < ends:
            journal.read(100)
            time.sleep(0.01)
        return bool(troubles.parts)

    assert has_trouble(wanted=True)
    journalctl("exec sleep 60")
    assert not has_trouble(wanted=False)
