"""How far agents are, as a person sees it."""

import io
import sys
from typing import Any

import pytest

from commands.backup import shown
from commands.backup.shown import AgentProgress, progress_words

MB = 1 << 20


def progress(done: int, of: int, service: str = "web", doing: str = "saving") -> dict[str, Any]:
    """Return what an agent says of how far it is."""
    return {"doing": doing, "service": service, "bytes": done, "of": of}


@pytest.mark.parametrize(
    ("said", "seconds", "words"),
    [
        (progress(0, 0), 5.0, "web: saving"),
        (progress(0, 4 * MB), 5.0, "web: saving 4.0M"),
        (progress(MB, 4 * MB), 0.5, "web: saving 1.0M of 4.0M"),
        (progress(MB, 4 * MB), 2.0, "web: saving 1.0M of 4.0M, 512K/s, 6 s left"),
        (progress(4 * MB, 4 * MB), 2.0, "web: saving 4.0M of 4.0M"),
        (progress(5 * MB, 4 * MB), 2.0, "web: saving 4.0M of 4.0M"),
        (progress(MB, 0, doing="dumping"), 2.0, "web: dumping 1.0M, 512K/s"),
        (progress(MB, 0, service="", doing="bringing"), 0.5, "bringing 1.0M"),
    ],
)
def test_bytes_rate_and_what_is_left(said: dict[str, Any], seconds: float, words: str) -> None:
    """As far as they are known; no rate out of the first second; never more than all."""
    assert progress_words(said, seconds) == words


class Clock:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return its time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the clock of the progress."""
    made = Clock()
    monkeypatch.setattr(shown, "time", made)
    return made


def test_in_a_log_it_comes_now_and_then(clock: Clock) -> None:
    """Sentences at once; progress each half minute, with the rate since this began on this host."""
    out = io.StringIO()
    told = AgentProgress(out)
    told("hive0", {"say": "waits"})
    for _ in range(40):
        clock.now += 1
        told("hive0", {"progress": progress(int(clock.now - 100) * MB, 100 * MB)})
    told.end()
    assert out.getvalue().splitlines() == [
        "hive0: waits",
        "hive0: web: saving 30M of 100M, 1.0M/s, 68 s left",
    ]


def test_on_a_terminal_a_line_is_written_anew(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in its own place, and gone before a sentence, and at the end."""
    out, screen = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(shown, "is_live", lambda _stream: True)
    told = AgentProgress(out)
    for done in (0, MB):
        clock.now += 1
        told("hive0", {"progress": progress(done, 4 * MB)})
    told("hive0", {"say": "web is stopped"})
    assert screen.getvalue() == (
        "\rhive0: web: saving 4.0M\x1b[K\rhive0: web: saving 1.0M of 4.0M\x1b[K\r\x1b[K"
    )
    told.end()
    assert screen.getvalue().count("\r\x1b[K") == 1, "nothing is taken away that is not there"
    assert out.getvalue() == "hive0: web is stopped\n"
