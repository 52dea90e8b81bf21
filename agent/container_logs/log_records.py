"""The records in the engine's log files, of its drivers `local` and `json-file`. Pure.

`local` writes messages of protobuf's, each between two copies of its length (moby, daemon/logger/local/local.go and
api/types/plugins/logdriver/entry.proto); it is also what the engine keeps for drivers that can't be read
(`container-cached.log`). `json-file` writes JSON, a line each. Both cut lines of more than 16 kB in parts.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

_LENGTH = 4
_MOST = 1 << 20
"""Bytes of one record: the engine's have 16 kB of text, which JSON may make six times as long."""
_SOURCE, _TIME, _LINE, _IS_PART, _PART = 1, 2, 3, 4, 5
_IS_LAST = 1
_VARINT, _LENGTHED = 0, 2
_LOCAL_BEGINS = b"\x0a\x06std"
"""The first bytes of a message of `local`: its field `_SOURCE`, with six letters."""


class BrokenLogError(Exception):
    """What can't be a record."""


class LogRecord(NamedTuple):
    """A line of a container's log, or a part of one.

    Args:
        stream: `stdout` or `stderr`.
        at: When it was written, in nanoseconds since 1970.
        text: The text, without the end of the line.
        is_cut: Whether the line goes on in the next record of its stream.
        size: The bytes of the record in its file.

    """

    stream: str
    at: int
    text: bytes
    is_cut: bool
    size: int


class LogForm(NamedTuple):
    """How a driver writes.

    Args:
        records: Yields the whole records from a place in bytes on; raises BrokenLogError at what can't be one.
        resumed: Returns where behind a place in bytes a record may begin; 0 if nowhere.

    """

    records: Callable[[bytes, int], Iterator[LogRecord]]
    resumed: Callable[[bytes, int], int]


def local_records(content: bytes, at: int = 0) -> Iterator[LogRecord]:
    """Yield the whole records of driver `local` from a place in bytes on.

    Raises:
        BrokenLogError: The next bytes can't be a record.

    """
    while at + _LENGTH <= len(content):
        length = int.from_bytes(content[at : at + _LENGTH])
        end = at + _LENGTH + length
        if not 0 < length <= _MOST:
            raise BrokenLogError
        if end + _LENGTH > len(content):
            return
        if content[end : end + _LENGTH] != content[at : at + _LENGTH]:
            raise BrokenLogError
        yield _local_record(content[at + _LENGTH : end], length + 2 * _LENGTH)
        at = end + _LENGTH


def json_records(content: bytes, at: int = 0) -> Iterator[LogRecord]:
    """Yield the whole records of driver `json-file` from a place in bytes on.

    Raises:
        BrokenLogError: The next bytes can't be a record.

    """
    while (end := content.find(b"\n", at)) >= 0:
        try:
            found = json.loads(content[at:end])
            text = str(found.get("log", "")).encode(errors="replace")
            moment = _nanoseconds(str(found["time"]))
            stream = str(found.get("stream", ""))
        except (ValueError, KeyError, AttributeError) as error:
            raise BrokenLogError from error
        is_cut = not text.endswith(b"\n")
        yield LogRecord(stream, moment, text if is_cut else text.rstrip(b"\r\n"), is_cut, end + 1 - at)
        at = end + 1
    if len(content) - at > _MOST:
        raise BrokenLogError


def _after_line(content: bytes, at: int) -> int:
    """Return where the next line begins."""
    return content.find(b"\n", at) + 1


def _at_message(content: bytes, at: int) -> int:
    """Return where behind a place a message has its length."""
    return max(0, content.find(_LOCAL_BEGINS, at + _LENGTH + 1) - _LENGTH)


LOCAL, JSON = LogForm(local_records, _at_message), LogForm(json_records, _after_line)


def _local_record(message: bytes, size: int) -> LogRecord:
    """Return the record that a message of protobuf's is."""
    fields = dict(_fields(message))
    part = fields.get(_PART)
    is_last = isinstance(part, bytes) and dict(_fields(part)).get(_IS_LAST) == 1
    source, text, at = fields.get(_SOURCE, b""), fields.get(_LINE, b""), fields.get(_TIME, 0)
    if not (isinstance(source, bytes) and isinstance(text, bytes) and isinstance(at, int)):
        raise BrokenLogError
    is_cut = bool(fields.get(_IS_PART)) and not is_last
    return LogRecord(
        source.decode(errors="replace"), at, text if is_cut else text.rstrip(b"\r\n"), is_cut, size
    )


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield a message's fields: number and value. https://protobuf.dev/programming-guides/encoding/."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value, at = _varint(message, at)
        if tag & 7 == _VARINT:
            yield tag >> 3, value
        elif tag & 7 == _LENGTHED and at + value <= len(message):
            yield tag >> 3, message[at : at + value]
            at += value
        else:
            raise BrokenLogError


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins somewhere, and where it ends."""
    value = shift = 0
    while at < len(message):
        value |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not message[at - 1] & 0x80:
            return value, at
    raise BrokenLogError


def _nanoseconds(text: str) -> int:
    """Return a time of RFC 3339 in UTC, as in `2026-11-30T12:00:00.123456789Z`, in nanoseconds since 1970."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return _seconds(whole) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0)


@lru_cache(8)
def _seconds(text: str) -> int:
    """Return a time of RFC 3339 without its fraction, in seconds since 1970; many lines have the same."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
