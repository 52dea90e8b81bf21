"""The alarms that are given, as a page shows them. Pure."""

from collections.abc import Sequence

from model.alarms.given_alarms import GivenAlarm
from tasks.page.page_data import PageAlarm


def page_alarms(given: Sequence[GivenAlarm]) -> tuple[PageAlarm, ...]:
    """Return the alarms that are given; of those that another one hides nobody is told, as of silenced ones."""
    return tuple(
        PageAlarm(
            name=alarm.name,
            since=alarm.since,
            summary=f"{alarm.summary.removesuffix('.')}: {alarm.value}" if alarm.value else alarm.summary,
            host=alarm.host,
            service=alarm.service,
            command=alarm.look,
            is_silenced=bool(alarm.silenced) or alarm.is_hidden,
        )
        for alarm in given
    )
