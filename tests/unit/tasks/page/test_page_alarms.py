"""Alarms as a page shows them."""

from model.alarms.given_alarms import GivenAlarm, Silence
from tasks.page.page_alarms import page_alarms
from tasks.page.page_data import PageAlarm

SHORT = GivenAlarm(
    "Short", "web", "", "web has too few tasks.", "1 short", "2026-11-30T11:40:00Z", "doit status web"
)


def test_alarms_say_what_and_how_to_look() -> None:
    """Name, service, host, value, since when, the command."""
    assert page_alarms([SHORT]) == (
        PageAlarm(
            "Short",
            "2026-11-30T11:40:00Z",
            "web has too few tasks: 1 short",
            service="web",
            command="doit status web",
        ),
    )


def test_what_nobody_is_told_of_is_silenced() -> None:
    """By a person, by a run, or since another alarm says it, and the page says which; one without a value has none."""
    silence = Silence("2f", {}, "2026-11-30T14:00:59Z", "me", "web is deployed")
    known = GivenAlarm("C", "web", "", "it is.", "", "", "", silenced=("2f",))
    [shown] = page_alarms([known], [silence])
    assert (shown.is_silenced, shown.quiet) == (True, "silenced until 2026-11-30 14:00 UTC: web is deployed")
    silenced = GivenAlarm("A", "", "hive1", "it is.", "", "", "", silenced=("1f",))
    hidden = GivenAlarm("B", "", "hive1", "so is this.", "", "", "", is_hidden=True)

    assert page_alarms([silenced, hidden]) == (
        PageAlarm("A", "", "it is.", host="hive1", is_silenced=True, quiet="silenced"),
        PageAlarm(
            "B", "", "so is this.", host="hive1", is_silenced=True, quiet="not sent: the host is silent"
        ),
    )
