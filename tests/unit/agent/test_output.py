"""What the agent tells, as JSON lines."""

import json
import threading
from typing import Any

import pytest

from agent import output
from agent.output import Output


def lines(text: str) -> list[dict[str, Any]]:
    """Return what was told."""
    return [json.loads(line) for line in text.splitlines()]


def test_what_is_done_is_told_meanwhile(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes are asked for until it is done, and never afterwards."""
    monkeypatch.setattr(output, "_WATCH_PAUSE", 0.001)
    monkeypatch.setattr(output, "_PROGRESS_PAUSE", 0.0)
    asked, calls = threading.Event(), 0

    def done() -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            asked.set()
        return 7 * calls

    with Output().watching("dumping", done, of=100, service="web"):
        assert asked.wait(120)
    before = calls
    told = [line["progress"] for line in lines(capsys.readouterr().out)]
    assert told[:3] == [
        {"doing": "dumping", "service": "web", "bytes": count, "of": 100} for count in (0, 7, 14)
    ]
    assert len(told) == before + 1
    assert not [each for each in threading.enumerate() if "watch" in each.name]


def test_it_ends_with_what_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at a file that a failure has closed."""
    monkeypatch.setattr(output, "_WATCH_PAUSE", 0.001)
    alive = threading.active_count()
    with pytest.raises(OSError, match="full"), Output().watching("dumping", lambda: 1):
        raise OSError("full")
    assert threading.active_count() == alive
