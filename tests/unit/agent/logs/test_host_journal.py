"""Entries of the journal as lines."""

from typing import Any

import pytest

from agent.logs.host_journal import journal_lines

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
    ],
)
def test_an_entry_is_a_line_or_several(more: dict[str, Any], lines: list[str]) -> None:
    """Several stay in their order by the last digits of their times; bytes that are no text are replaced."""
    assert [str(line) for line in journal_lines("hive0", {**ENTRY, **more})] == lines
