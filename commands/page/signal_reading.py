"""What a site's monitoring says: its alarms and its metrics over time, both from the repository host."""

import time

from remote.monitoring.prometheus import ranges
from tasks.alarms.site_alarms import alarms
from tasks.page.page_alarms import page_alarms
from tasks.page.page_charts import QUESTIONS, STEP, chart_times, page_chart
from tasks.page.page_data import PageAlarm, PageChart
from tasks.run.context import Run


def read_alarms(run: Run) -> tuple[tuple[PageAlarm, ...], str]:
    """Return the alarms that are given, and why there may be more of which nobody is told; empty if there can't be.

    Raises:
        HostError: The host does not answer, or its Alertmanager doesn't.

    """
    found = alarms(run)
    why = ""
    if not found.are_alive:
        host = run.stage.repository_short
        why = (
            "the alarm that is given while all is well does not arrive, so others would not: does Prometheus run, and "
            f"has its disk room? (doit ssh {host} systemctl status prometheus; doit ssh {host} df -h "
            "/var/lib/prometheus)"
        )
    return page_alarms(found.given, found.silences), why


def read_charts(run: Run) -> tuple[PageChart, ...]:
    """Return the charts that have something to draw.

    Raises:
        CommandError: Prometheus does not answer.
        HostError: The host does not answer.

    """
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
