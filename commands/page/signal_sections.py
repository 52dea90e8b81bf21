"""The sections on what the site says by itself: alarms, metrics over time, log lines around what is wrong."""

import json

from commands.operate.status_lines import size_words
from commands.page.anchors import Anchors, anchors
from commands.page.log_reading import LINES, MOST_LOGS
from commands.page.markup import Markup, el, joined
from commands.page.pieces import UNKNOWN, moment_of, not_fresh, pending, section, state, table
from tasks.page.page_data import PageAlarm, PageChart, PageData, PageLog, PageSeries

_OFF = "This site does not watch itself: site.toml has no [monitoring] (docs/monitoring.md)."


def alarms_section(page: PageData) -> Markup:
    """Return the alarms that are given, the silenced ones last."""
    source = page.sources.get("alarms")
    doubt = el("p", source.doubt, class_="note") if source is not None and source.doubt else None
    body = None
    if page.alarms is None and source is None:
        body = el("p", _OFF, class_="note")
    elif page.alarms is not None and not page.alarms:
        is_sure = source is not None and source.is_sure
        body = el("p", _no_alarm(is_sure=is_sure))
    elif page.alarms:
        ordered = sorted(page.alarms, key=lambda alarm: (alarm.is_silenced, alarm.since))
        head = ("Alarm", "What", "Service", "Host", "Since", "Look with")
        body = table("Alarms", head, [_alarm(each, anchors(page)) for each in ordered])
    return section(
        "alarms",
        "Alarms",
        "What the site itself has found to be wrong, and told its receivers.",
        not_fresh(source, "Alarms"),
        doubt,
        body,
    )


def _no_alarm(*, is_sure: bool) -> Markup:
    """Return that there are no alarms: good news only if all were heard just now."""
    if is_sure:
        return state("No alarm is given.", is_good=True)
    return pending("No alarm was heard of, which does not say that there is none.")


def _alarm(alarm: PageAlarm, at: Anchors) -> list[str]:
    """Return an alarm's row, which leads to the service's log lines around it."""
    lines = at.link_to_logs(alarm)
    quiet = el("div", alarm.quiet, class_="small") if alarm.quiet else None
    return [
        alarm.name,
        joined(alarm.summary or UNKNOWN, ", see its " if lines else None, lines, quiet),
        at.link(alarm.service) if alarm.service else UNKNOWN,
        at.link(alarm.host) if alarm.host else UNKNOWN,
        moment_of(alarm.since),
        el("code", alarm.command) if alarm.command else UNKNOWN,
    ]


def metrics_section(page: PageData) -> Markup:
    """Return the charts, each with the same in figures below it."""
    source = page.sources.get("charts")
    note = not_fresh(source, "Metrics")
    if not page.charts:
        body = el("p", _OFF, class_="note") if source is None else None
        if source is not None and page.charts is not None:
            body = el("p", "There are none yet.")
        return section("metrics", "Metrics over time", "", note, body)
    return section(
        "metrics",
        "Metrics over time",
        "Measured every few seconds on each host. Below each chart are the same lines in figures.",
        note,
        el("div", *(_chart(chart) for chart in page.charts), class_="charts"),
        _data(page.charts),
    )


def _chart(chart: PageChart) -> Markup:
    """Return a chart's place, which the page's program draws in, and its figures."""
    rows = [_series(chart, each) for each in chart.series]
    return el(
        "figure",
        el("figcaption", chart.title),
        el("div", class_="chart", data_chart=chart.name, aria_hidden="true"),
        table(f"{chart.title}, in figures", ("Line", "Last", "Lowest", "Highest"), rows),
    )


def _series(chart: PageChart, series: PageSeries) -> list[str]:
    """Return a line in figures."""
    known = [value for value in series.values if value is not None]
    if not known:
        return [series.label, "no data", UNKNOWN, UNKNOWN]
    last = series.values[-1]
    return [
        series.label,
        "no data" if last is None else figure(last, chart.unit),
        figure(min(known), chart.unit),
        figure(max(known), chart.unit),
    ]


def figure(value: float, unit: str) -> str:
    """Return a value of a chart in words."""
    if unit == "percent":
        return f"{value:.0%}"
    return size_words(value) if unit == "bytes" else f"{value:.2f}".rstrip("0").rstrip(".")


def _data(charts: tuple[PageChart, ...]) -> Markup:
    """Return the charts' data for the page's program: as data, which a browser does not run."""
    data = [
        {
            "name": chart.name,
            "unit": chart.unit,
            "labels": [each.label for each in chart.series],
            "data": [chart.times, *(each.values for each in chart.series)],
        }
        for chart in charts
    ]
    # Within a script nothing is an entity, and `</script>` or `<!--` would end it.
    words = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    return el("script", Markup(words), type="application/json", id="charts")


def logs_section(page: PageData) -> Markup | None:
    """Return the lines of logs around what is wrong; nothing where none are wanted."""
    note = not_fresh(page.sources.get("logs"), "Log lines")
    if not page.logs and note is None:
        return None
    return section(
        "logs",
        "Log lines around what is wrong",
        f"For each alarm the last {LINES} lines of its service or host, from five minutes before it began to one "
        f"minute after; for a problem without an alarm the last {LINES}. At most {MOST_LOGS} logs are read, those of "
        "the newest alarms first. Times are UTC.",
        note,
        *(_log(each, anchors(page).logs[each.about]) for each in page.logs or ()),
    )


def _log(log: PageLog, place: str) -> Markup:
    """Return the lines of one log, with what is not among them."""
    lines = "\n".join(f"{line.time[:19].replace('T', ' ')} {line.task} | {line.text}" for line in log.lines)
    since = joined(", since ", moment_of(log.since)) if log.since else None
    unread = [el("li", each) for each in log.unread]
    shown = el(
        "pre",
        el("code", lines),
        tabindex=0,
        role="region",
        aria_label=f"log of {log.name}{f' since {log.since}' if log.since else ''}",
    )
    return el(
        "div",
        el("h3", log.name),
        el("p", log.why, since, class_="small"),
        el("div", "Not all of it could be read:", el("ul", *unread), class_="note") if unread else None,
        shown if log.lines else None,
        None if log.lines or unread else el("p", "No line of that time is there."),
        id=place,
    )
