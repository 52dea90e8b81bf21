"""The alarms that Alertmanager has, as a page shows them. Pure.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.page.page_data import PageAlarm


def page_alarms(alerts: Sequence[Mapping[str, Any]], watchdog: str) -> tuple[tuple[PageAlarm, ...], bool]:
    """Return the alarms that are raised, and whether the one that always is arrives.

    Args:
        alerts: Alertmanager's answer.
        watchdog: The name of the alarm that is always raised, to be missed where alarms don't arrive.

    """
    names = [str((each.get("labels") or {}).get("alertname", "")) for each in alerts]
    alarms = [_alarm(name, each) for name, each in zip(names, alerts, strict=True) if name != watchdog]
    return tuple(alarms), watchdog in names


def _alarm(name: str, alert: Mapping[str, Any]) -> PageAlarm:
    """Return an alarm."""
    labels, notes = alert.get("labels") or {}, alert.get("annotations") or {}
    value = str(notes.get("value", ""))
    summary = str(notes.get("summary", ""))
    return PageAlarm(
        name=name,
        since=str(alert.get("startsAt", "")),
        summary=f"{summary.removesuffix('.')}: {value}" if value else summary,
        severity=str(labels.get("severity", "")),
        host=str(labels.get("host", "")),
        service=str(labels.get("service", "")),
        command=str(notes.get("look", "")),
        is_silenced=(alert.get("status") or {}).get("state") == "suppressed",
    )
