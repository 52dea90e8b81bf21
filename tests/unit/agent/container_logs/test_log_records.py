"""Records of the engine's log files."""

import pytest

from agent.container_logs.log_records import BrokenLogError, json_records, local_records
from tests.doubles.container_log import json_record, local_record


def test_both_forms_say_the_same() -> None:
    """Stream, time, text and whether the line goes on are read alike."""
    for part in ("", "more", "last"):
        at = 1_796_042_022_319_636_736
        one = next(local_records(local_record("ü x".encode(), at, "stderr", part)))
        other = next(json_records(json_record("ü x".encode(), at, "stderr", part)))
        assert one[:4] == other[:4] == ("stderr", at, "ü x".encode(), part == "more")


def test_the_size_is_that_in_the_file() -> None:
    """Sizes of records add up to where the next one begins."""
    content = local_record(b"a", 1) + local_record(b"bb", 2)
    assert sum(record.size for record in local_records(content)) == len(content)
    content = json_record(b"a", 1) + json_record(b"bb", 2)
    assert sum(record.size for record in json_records(content)) == len(content)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xff\xff\xff" * 4, b"\0\0\0\1ab\0\0\0", b"\0\0\0\1\x0c\0\0\0\1", b"\0\0\0\2\x0a\x09\0\0\0\2"],
)
def test_what_can_not_be_a_record(content: bytes) -> None:
    """A length that differs, one that is too long, a field that is cut off."""
    with pytest.raises(BrokenLogError):
        list(local_records(content))


@pytest.mark.parametrize("content", [b"nothing\n", b"[]\n", b'{"log": "x"}\n', b"x" * (2 << 20)])
def test_what_can_not_be_a_line_of_json(content: bytes) -> None:
    """No JSON, no object, no time, no end."""
    with pytest.raises(BrokenLogError):
        list(json_records(content))
