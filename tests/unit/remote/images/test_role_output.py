"""The output of roles: lines, wherever it is cut, and a sign of life in silence."""

import time

import pytest

from remote.images import role_output
from remote.images.role_output import lines


def test_lines() -> None:
    """Output is cut anywhere, also within a letter; a last line without a line break counts."""
    assert list(lines([b"a\r\nb\xc3", b"\xa4\nla", b"st"])) == ["a", "", "bä", "last"]


def test_a_silent_role_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the log sees that it is still at work; one that prints needs no such line."""
    monkeypatch.setattr(role_output, "SILENCE", 0.05)
    log: list[str] = []

    with role_output.heartbeat(log.append):
        deadline = time.monotonic() + 5
        while len(log) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)

    assert log[:2] == ["still at work after 0 s"] * 2
    log.clear()
    monkeypatch.setattr(role_output, "SILENCE", 60)
    with role_output.heartbeat(log.append) as beat:
        beat()
    assert log == []
