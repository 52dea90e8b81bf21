"""Alarms and metrics are read together, and neither needs the other."""

from types import SimpleNamespace
from typing import Any

import pytest

from commands.page import signal_reading
from commands.page.signal_reading import read_signals
from model.alarms.given_alarms import GivenAlarm
from model.errors import HostError
from tasks.alarms.site_alarms import Alarms
from tasks.page.page_charts import QUESTIONS, STEP

RUN: Any = SimpleNamespace(
    connections=SimpleNamespace(to=lambda host: host),
    stage=SimpleNamespace(repository="hive2", repository_short="hive2"),
)


def alarms(*names: str, are_alive: bool = True) -> Alarms:
    """Return alarms of a host."""
    given = [
        GivenAlarm(name, "", "hive1", "It is.", "", "2026-11-30T11:00:00Z", "doit status") for name in names
    ]
    return Alarms(given, [], are_alive)


def answered(_host: str, questions: list[str], *, start: int, end: int, step: int) -> list[Any]:
    """Answer the first question alone, with a value at the end."""
    assert (end - start) % step == 0
    line = {"metric": {"host": "hive1"}, "values": [[end - STEP, "1"], [end, "2"]]}
    return [[line], *([] for _ in questions[1:])]


def refused(*_: Any, **__: Any) -> Any:
    """Refuse."""
    raise HostError("hive2 does not answer")


def test_both_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts that have nothing to draw are left out."""
    monkeypatch.setattr(signal_reading, "alarms", lambda _run: alarms("HostSilent"))
    monkeypatch.setattr(signal_reading, "ranges", answered)
    found = read_signals(RUN)

    assert [each.name for each in found.alarms] == ["HostSilent"]
    assert [(each.name, each.series[0].values) for each in found.charts] == [(QUESTIONS[0].name, (1.0, 2.0))]
    assert found.unread == ()


def test_no_alarm_at_all_is_none_of_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the one that is always raised, it is said that others would not arrive."""
    monkeypatch.setattr(signal_reading, "alarms", lambda _run: alarms(are_alive=False))
    monkeypatch.setattr(signal_reading, "ranges", answered)
    [unread] = read_signals(RUN).unread

    assert unread.part == "alarms"
    assert "does Prometheus run? (doit ssh hive2 systemctl status prometheus)" in unread.why


def test_what_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each for itself."""
    monkeypatch.setattr(signal_reading, "alarms", lambda _run: alarms("HostSilent"))
    monkeypatch.setattr(signal_reading, "ranges", refused)
    found = read_signals(RUN)
    assert [each.name for each in found.alarms] == ["HostSilent"]
    assert [(each.part, each.why) for each in found.unread] == [
        ("metrics over time", "hive2 does not answer")
    ]

    monkeypatch.setattr(signal_reading, "alarms", refused)
    assert [each.part for each in read_signals(RUN).unread] == ["alarms", "metrics over time"]
