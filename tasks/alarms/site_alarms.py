"""The alarms of a stage, and whether they can be believed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from model.alarms.alarm_rules import WATCHDOG
from model.alarms.given_alarms import GivenAlarm, Silence
from model.alarms.rule_file import NAMES
from model.errors import ConfigError, HostError
from model.stage import Stage
from remote.monitoring.alertmanager import given_alarms, silences
from remote.ssh.connection import Connection
from tasks.run.context import Run


@dataclass(frozen=True)
class Alarms:
    """The alarms of a stage.

    Args:
        given: Those that are given, without the watchdog's.
        silences: The silences that hold.
        are_alive: Whether Prometheus tells Alertmanager of alarms. Else there may be one, and nobody says so.

    """

    given: Sequence[GivenAlarm]
    silences: Sequence[Silence]
    are_alive: bool

    @property
    def told(self) -> list[GivenAlarm]:
        """The alarms of which somebody is told."""
        return [alarm for alarm in self.given if alarm.is_told]

    def data(self) -> dict[str, Any]:
        """Return them for programs."""
        return {
            "are_alive": self.are_alive,
            "alarms": [alarm.data() for alarm in self.given],
            "silences": [silence.data() for silence in self.silences],
        }


def alarms(run: Run) -> Alarms:
    """Return a stage's alarms, from its repository host.

    Raises:
        ConfigError: The site does not watch itself.
        HostError: That host does not answer, or its Alertmanager doesn't.

    """
    connection = connection_to_alarms(run)
    found = [_with_safe_look(run.stage, alarm) for alarm in given_alarms(connection)]
    return Alarms(
        [alarm for alarm in found if alarm.name != WATCHDOG],
        silences(connection),
        any(alarm.name == WATCHDOG for alarm in found),
    )


_PLAIN = re.compile(r"[\w ./:=@%-]*", re.ASCII)
"""A command without signs of the shell's."""


def _with_safe_look(stage: Stage, alarm: GivenAlarm) -> GivenAlarm:
    """Return an alarm without its command to look with, if that may not be typed as it is.

    Commands have labels in them, which a host writes that may have been taken over.
    """
    is_known = alarm.service in {"", *stage.services} and alarm.host in {"", *stage.shorts}
    return alarm if is_known and _PLAIN.fullmatch(alarm.look) else replace(alarm, look="")


def connection_to_alarms(run: Run) -> Connection:
    """Return the connection to the host that has the alarms.

    Raises:
        ConfigError: The site does not watch itself.
        HostError: The host is not made yet.

    """
    if run.stage.site.monitoring is None:
        raise ConfigError(
            ["monitoring: the site does not watch itself: write [monitoring] (docs/monitoring.md)"]
        )
    host = run.stage.repository
    if run.state.host_record(host) is None:
        raise HostError(f"{host.short}, which has the alarms, is not made yet, as far as state/ knows")
    run.connections.write_ssh_files()
    return run.connections.to(host)


def matchers_of(stage: Stage, words: Sequence[str]) -> dict[str, str]:
    """Return the labels of the alarms that are meant by names of a service, a host, an alarm, or several of them.

    Raises:
        ConfigError: A word is none of them, or there are two of a kind.

    """
    own = {alert.name for service in stage.services.values() for alert in service.alerts}
    kinds = (
        ("service", {*stage.services}),
        ("host", {*stage.shorts}),
        ("alertname", (NAMES | own) - {WATCHDOG}),
    )
    found: dict[str, str] = {}
    problems = []
    for word in words:
        kind = next((label for label, names in kinds if word in names), None)
        if kind is None:
            known = "; ".join(", ".join(sorted(names)) for _, names in kinds)
            problems.append(f"{word}: is no service, host or alarm (there are: {known})")
        elif kind in found:
            problems.append(f"{word}: one {kind.replace('alertname', 'alarm')} at a time")
        else:
            found[kind] = word
    if problems:
        raise ConfigError(problems)
    return found


_DURATION = re.compile(r"([1-9]\d{0,4})([smhd])")
_LENGTHS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def span_of(text: str) -> int | None:
    """Return the seconds of a duration such as `90s`, `15m`, `2h`, `1d`; None if it is none."""
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _LENGTHS[found[2]] if found else None
