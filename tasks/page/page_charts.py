"""The charts of a page: what Prometheus is asked for, and what its answers mean. Pure.

https://prometheus.io/docs/prometheus/latest/querying/api/#range-vectors
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.page.page_data import PageChart, PageSeries

SPAN, STEP = 86_400, 300
"""Seconds that a chart goes back, and between two of its values."""
MOST = 12
"""Lines that a chart has; those with the highest values are kept."""
_DISKS = 'fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660|nsfs|fuse.*"'
_DEVICES = 'device!~"lo|veth.*|br.*|docker.*|vx.*|ov.*"'
_WANTED = "max by (service) (skep_service_tasks_wanted)"


@dataclass(frozen=True)
class ChartQuestion:
    """A chart, and how Prometheus is asked for it.

    Args:
        name: Its name in the page.
        title: What it shows.
        unit: As `PageChart.unit`.
        label: The label that tells its lines apart.
        expr: The question, in PromQL.
        is_of_faults: Whether lines that are always 0 are left out, and the chart if there are no others.

    """

    name: str
    title: str
    unit: str
    label: str
    expr: str
    is_of_faults: bool = False


QUESTIONS = (
    ChartQuestion(
        "load",
        "Load of each processor",
        "",
        "host",
        'max by (host) (node_load1) / count by (host) (node_cpu_seconds_total{mode="idle"})',
    ),
    ChartQuestion(
        "memory",
        "Memory used",
        "percent",
        "host",
        "1 - min by (host) (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
    ),
    ChartQuestion(
        "disk",
        "Fullest disk",
        "percent",
        "host",
        f"max by (host) (1 - node_filesystem_avail_bytes{{{_DISKS}}} / (node_filesystem_size_bytes{{{_DISKS}}} > 0))",
    ),
    ChartQuestion(
        "traffic",
        "Bytes that come in each second",
        "bytes",
        "host",
        f"sum by (host) (rate(node_network_receive_bytes_total{{{_DEVICES}}}[{2 * STEP}s]))",
    ),
    ChartQuestion(
        "missing",
        "Tasks that were missing",
        "",
        "service",
        f"clamp_min({_WANTED} - on (service) (sum by (service) (skep_service_tasks_running) or {_WANTED} * 0), 0)",
        is_of_faults=True,
    ),
)


def chart_times(now: float) -> range:
    """Return the times of the charts' values, the same within a step, so that lines don't shift."""
    end = int(now // STEP) * STEP
    return range(end - SPAN, end + STEP, STEP)


def page_chart(
    question: ChartQuestion, answer: Sequence[Mapping[str, Any]], times: Sequence[int]
) -> PageChart | None:
    """Return a chart, from Prometheus' answer; None if there is nothing to draw.

    Args:
        question: The chart.
        answer: The answer: lines, each with its labels (`metric`) and its `values`.
        times: When there may be values.

    """
    series = [_series(question, each, times) for each in answer]
    drawn = [each for each in series if _is_drawn(question, each)]
    drawn.sort(key=lambda each: -max(value for value in each.values if value is not None))
    kept = sorted(drawn[:MOST], key=lambda each: each.label)
    # What is before the first value of all, on a young site, is left out.
    first = min(
        (next(n for n, value in enumerate(each.values) if value is not None) for each in kept), default=None
    )
    if first is None:
        return None
    return PageChart(
        question.name,
        question.title,
        question.unit,
        tuple(float(at) for at in times[first:]),
        tuple(PageSeries(each.label, each.values[first:]) for each in kept),
    )


def _is_drawn(question: ChartQuestion, series: PageSeries) -> bool:
    """Return whether a line has a value to draw: of faults one that is not 0."""
    known = [value for value in series.values if value is not None]
    return any(known) if question.is_of_faults else bool(known)


def _series(question: ChartQuestion, found: Mapping[str, Any], times: Sequence[int]) -> PageSeries:
    """Return a line; Prometheus leaves out the times at which it has no value, and may have what is no number."""
    values = {int(at): float(value) for at, value in found.get("values") or ()}
    known = (values.get(at, math.nan) for at in times)
    label = str((found.get("metric") or {}).get(question.label, "all"))
    return PageSeries(label, tuple(value if math.isfinite(value) else None for value in known))
