"""The alarms that are given, as a page shows them. Pure."""

from collections.abc import Mapping, Sequence

from model.alarms.given_alarms import GivenAlarm, Silence
from tasks.page.page_data import PageAlarm


def page_alarms(given: Sequence[GivenAlarm], silences: Sequence[Silence] = ()) -> tuple[PageAlarm, ...]:
    """Return the alarms that are given; of those that another one hides nobody is told, as of silenced ones.

    Args:
        given: The alarms.
        silences: The silences that hold.

    """
    held = {silence.id: silence for silence in silences}
    return tuple(
        PageAlarm(
            name=alarm.name,
            since=alarm.since,
            summary=f"{alarm.summary.removesuffix('.')}: {alarm.value}" if alarm.value else alarm.summary,
            host=alarm.host,
            service=alarm.service,
            command=alarm.look,
            is_silenced=not alarm.is_told,
            quiet=_quiet(alarm, held),
        )
        for alarm in given
    )


def _quiet(alarm: GivenAlarm, held: Mapping[str, Silence]) -> str:
    """Return why nobody is told of an alarm; empty if somebody is."""
    if alarm.silenced:
        known = next((held[each] for each in alarm.silenced if each in held), None)
        if known is None:
            return "silenced"
        return f"silenced until {known.ends[:16].replace('T', ' ')} UTC: {known.reason}"
    return "not sent: the host is silent" if alarm.is_hidden else ""
