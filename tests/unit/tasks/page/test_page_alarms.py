"""Alarms as Alertmanager tells them."""

from tasks.page.page_alarms import page_alarms
from tasks.page.page_data import PageAlarm


def alert(name: str, state: str = "active", **labels: str) -> dict[str, object]:
    """Return an alarm as Alertmanager 0.25 writes it."""
    return {
        "annotations": {
            "summary": "web has fewer tasks than it should have.",
            "value": "1 short",
            "look": "doit status web",
        },
        "endsAt": "2026-11-30T12:04:00.000Z",
        "fingerprint": "1f",
        "receivers": [{"name": "all"}],
        "startsAt": "2026-11-30T11:40:00.123Z",
        "status": {"inhibitedBy": [], "silencedBy": [], "state": state},
        "updatedAt": "2026-11-30T12:00:00.000Z",
        "labels": {"alertname": name, **labels},
    }


def test_alarms_say_what_and_how_to_look() -> None:
    """Name, service, host, value, since when, the command; silenced and inhibited ones are marked."""
    alarms, arrives = page_alarms(
        [
            alert("Watchdog"),
            alert("ServiceShort", service="web"),
            alert("HostSilent", "suppressed", host="hive1"),
        ],
        "Watchdog",
    )

    assert arrives
    assert alarms == (
        PageAlarm(
            "ServiceShort",
            "2026-11-30T11:40:00.123Z",
            "web has fewer tasks than it should have: 1 short",
            service="web",
            command="doit status web",
        ),
        PageAlarm(
            "HostSilent",
            "2026-11-30T11:40:00.123Z",
            "web has fewer tasks than it should have: 1 short",
            host="hive1",
            command="doit status web",
            is_silenced=True,
        ),
    )


def test_without_the_watchdog_alarms_do_not_arrive() -> None:
    """No alarm at all may mean that Prometheus is dead; alarms of others may have neither labels nor annotations."""
    assert page_alarms([], "Watchdog") == ((), False)
    assert page_alarms([{"labels": {"alertname": "Other"}}], "Watchdog") == ((PageAlarm("Other", ""),), False)
