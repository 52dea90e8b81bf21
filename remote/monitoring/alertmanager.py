"""Alarms and silences, as Alertmanager on the repository host has them.

It listens on that host's loopback alone: amtool, of its Debian package, asks it there.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from shlex import quote
from typing import Any

from model.alarms.given_alarms import GivenAlarm, Silence
from model.errors import CommandError, HostError
from model.json_types import Json
from model.site.monitoring import ALERTMANAGER_PORT
from remote.ssh.connection import Connection

_TIMEOUT = 20
_AMTOOL = f"amtool --alertmanager.url=http://127.0.0.1:{ALERTMANAGER_PORT} --timeout={_TIMEOUT - 5}s"


def given_alarms(connection: Connection) -> list[GivenAlarm]:
    """Return the alarms that are given, those that are silenced among them, the oldest first.

    Args:
        connection: The connection to the repository host.

    Raises:
        HostError: It does not answer, or has no Alertmanager that does.

    """
    found = _asked(connection, "alert query --active --silenced --inhibited -o json")
    return sorted(map(GivenAlarm.of, found), key=lambda alarm: (alarm.since, alarm.name, alarm.place))


def silences(connection: Connection) -> list[Silence]:
    """Return the silences that hold, the one that ends first in front.

    Raises:
        HostError: The host does not answer, or has no Alertmanager that does.

    """
    return sorted(map(Silence.of, _asked(connection, "silence query -o json")), key=lambda each: each.ends)


Matchers = Mapping[str, str | Collection[str]]
"""Label to the value that an alarm must have, or to several, of which it must have one."""


def add_silence(connection: Connection, matchers: Matchers, seconds: float, who: str, reason: str) -> str:
    """Have alarms with these labels be sent to nobody for a time, and return the silence's id.

    Args:
        connection: The connection to the repository host.
        matchers: The labels.
        seconds: For how long.
        who: Who asked for it.
        reason: Why; no secret.

    Raises:
        HostError: The host does not answer, or has no Alertmanager that does.

    """
    labels = " ".join(quote(_matcher(name, value)) for name, value in matchers.items())
    words = f"silence add {labels} --duration={seconds:.0f}s --author={quote(who)} --comment={quote(reason)}"
    return _run(connection, words).strip().splitlines()[-1]


def _matcher(name: str, value: str | Collection[str]) -> str:
    """Return a label's condition in amtool's words. Names of services have no sign with a meaning of its own."""
    return f"{name}={value}" if isinstance(value, str) else f"{name}=~{'|'.join(sorted(value))}"


def shorten_silences(connection: Connection, ids: Collection[str], seconds: int) -> None:
    """Have silences end a short while from now, by the host's clock.

    Raises:
        HostError: The host does not answer, or has no Alertmanager that does; or one has ended already.

    """
    end = f'"$(date -u -d "+{seconds} seconds" +%FT%TZ)"'
    _run(connection, f"silence update --quiet --end={end} {' '.join(sorted(map(quote, ids)))}")


def end_silences(connection: Connection, ids: Iterable[str]) -> None:
    """Have silences end now. One that has ended already is left alone.

    Raises:
        HostError: The host does not answer, or has no Alertmanager that does.

    """
    if wanted := {*ids} & {each.id for each in silences(connection)}:
        _run(connection, f"silence expire {' '.join(sorted(map(quote, wanted)))}")


def _asked(connection: Connection, words: str) -> Sequence[Json]:
    """Return a list that amtool prints."""
    output = _run(connection, words)
    try:
        found: Any = json.loads(output or "[]")
    except ValueError:
        raise HostError(f"{connection.name}: amtool prints what is no JSON: {output[:80]}") from None
    return found if isinstance(found, list) else []


def _run(connection: Connection, words: str) -> str:
    """Run amtool on the host, and return what it prints."""
    try:
        label = f"amtool {words.partition(' -')[0]}"
        return connection.run(f"{_AMTOOL} {words}", timeout=_TIMEOUT, label=label)
    except CommandError as error:
        said = error.output.strip().splitlines()[-1:] or ["it says nothing"]
        raise HostError(
            f"{connection.name}: Alertmanager does not answer: {said[0]} (doit ssh {connection.name} systemctl status "
            "prometheus-alertmanager)"
        ) from error
