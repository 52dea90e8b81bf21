"""Alarms and metrics, as the repository host tells them."""

from types import SimpleNamespace
from typing import Any

import pytest

from commands.page import signal_reading
from commands.page.signal_reading import read_alarms, read_charts
from model.alarms.given_alarms import GivenAlarm
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


def test_charts_that_have_nothing_to_draw_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of each question is asked for at once."""
    monkeypatch.setattr(signal_reading, "ranges", answered)

    assert [(each.name, each.series[0].values) for each in read_charts(RUN)] == [
        (QUESTIONS[0].name, (1.0, 2.0))
    ]


def test_no_alarm_at_all_is_none_of_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the one that is always given, it is said that others would not arrive."""
    monkeypatch.setattr(signal_reading, "alarms", lambda _run: alarms("HostSilent"))
    given, why = read_alarms(RUN)
    assert ([each.name for each in given], why) == (["HostSilent"], "")

    monkeypatch.setattr(signal_reading, "alarms", lambda _run: alarms(are_alive=False))
    assert read_alarms(RUN)[1].endswith(
        "does Prometheus run, and has its disk room? (doit ssh hive2 systemctl status prometheus; doit ssh hive2 df -h "
        "/var/lib/prometheus)"
    )
