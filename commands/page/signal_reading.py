"""What a site's monitoring says: the alarms of Alertmanager and the metrics of Prometheus, on the repository host."""

import time
from dataclasses import dataclass
from functools import partial

from model.errors import SkepError
from remote.monitoring.prometheus import ranges
from remote.mother.questions import begin
from tasks.alarms.site_alarms import alarms
from tasks.page.page_alarms import page_alarms
from tasks.page.page_charts import QUESTIONS, STEP, chart_times, page_chart
from tasks.page.page_data import PageAlarm, PageChart, Unread
from tasks.run.context import Run

TIME = 20.0
"""Seconds that both may take together."""
ALARMS, METRICS = "alarms", "metrics over time"


@dataclass(frozen=True)
class Signals:
    """What the monitoring says.

    Args:
        alarms: The alarms that are raised.
        charts: Metrics over time.
        unread: What could not be read.

    """

    alarms: tuple[PageAlarm, ...] = ()
    charts: tuple[PageChart, ...] = ()
    unread: tuple[Unread, ...] = ()


def read_signals(run: Run) -> Signals:
    """Return what the monitoring of a site says; what can't be read is named."""
    alarms_coming, charts_coming = begin(partial(alarms, run)), begin(partial(_charts, run))
    ends = time.monotonic() + TIME
    given: tuple[PageAlarm, ...] = ()
    charts: tuple[PageChart, ...] = ()
    unread: list[Unread] = []
    try:
        found = alarms_coming.result(TIME)
        given = page_alarms(found.given)
        if not found.are_alive:
            why = "the alarm that is always raised does not arrive, so others would not: does Prometheus run?"
            unread.append(
                Unread(ALARMS, f"{why} (doit ssh {run.stage.repository_short} systemctl status prometheus)")
            )
    except (TimeoutError, SkepError) as error:
        unread.append(Unread(ALARMS, _why(error)))
    try:
        charts = charts_coming.result(max(0.0, ends - time.monotonic()))
    except (TimeoutError, SkepError) as error:
        unread.append(Unread(METRICS, _why(error)))
    return Signals(given, charts, tuple(unread))


def _why(error: Exception) -> str:
    """Return why something was not read."""
    return f"no answer within {TIME:.0f} s" if isinstance(error, TimeoutError) else str(error)


def _charts(run: Run) -> tuple[PageChart, ...]:
    """Return the charts."""
    times = chart_times(time.time())
    answers = ranges(
        run.connections.to(run.stage.repository),
        [question.expr for question in QUESTIONS],
        start=times[0],
        end=times[-1],
        step=STEP,
    )
    charts = (page_chart(question, each, times) for question, each in zip(QUESTIONS, answers, strict=True))
    return tuple(chart for chart in charts if chart is not None)
