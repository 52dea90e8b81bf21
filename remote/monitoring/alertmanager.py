"""Alarms and silences, as Alertmanager on the repository host has them.

It listens on that host's loopback alone: amtool, of its Debian package, asks it there.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from shlex import quote
from typing import Any

from model.alarms.given_alarms import GivenAlarm, Silence
from model.alarms.touched import WantedSilence
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


def add_silence(
    connection: Connection, matchers: Mapping[str, str], seconds: float, who: str, reason: str
) -> str:
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
    words = _words_to_add([f"{name}={value}" for name, value in matchers.items()], seconds, who, reason)
    return _run(connection, words).strip().splitlines()[-1]


class NotAllSilencedError(HostError):
    """Not all silences could be made.

    Args:
        message: Why.
        made: Those that were: work to their ids.

    """

    def __init__(self, message: str, made: Mapping[str, Sequence[str]]) -> None:
        """Keep those that were made."""
        super().__init__(message)
        self.made = made


def add_silences(
    connection: Connection, wanted: Sequence[WantedSilence], seconds: float, who: str
) -> Mapping[str, Sequence[str]]:
    """Make several silences, by one command for each hundred, and return each work with the ids of its own.

    Args:
        connection: The connection to the repository host.
        wanted: The silences.
        seconds: How long they hold.
        who: Who asks for them.

    Raises:
        NotAllSilencedError: The host does not answer, or has no Alertmanager that does.

    """
    made: list[str] = []

    def by_work() -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for each, identity in zip(wanted, made, strict=False):
            found.setdefault(each.work, []).append(identity)
        return found

    for begin in range(0, len(wanted), _AT_ONCE):
        commands = [
            f"{_AMTOOL} {_words_to_add(_matchers(each), seconds, who, each.work)}"
            for each in wanted[begin : begin + _AT_ONCE]
        ]
        try:
            output = connection.run(
                " && ".join(commands), timeout=_TIMEOUT + len(commands), label="amtool silence add"
            )
        except CommandError as error:
            made += _ID.findall(error.output)
            raise NotAllSilencedError(str(_explained(connection, error)), by_work()) from error
        except HostError as error:
            raise NotAllSilencedError(str(error), by_work()) from error
        made += _ID.findall(output)
    return by_work()


_AT_ONCE = 100
_ID = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.MULTILINE)


def _matchers(wanted: WantedSilence) -> list[str]:
    """Return a silence's conditions in amtool's words. Names have no sign with a meaning of its own."""
    kind = "=" if len(wanted.values) == 1 else "=~"
    conditions = [f"{wanted.label}{kind}{'|'.join(sorted(wanted.values))}"]
    if wanted.only:
        conditions.append(f"alertname=~{'|'.join(sorted(wanted.only))}")
    if wanted.but:
        conditions.append(f"alertname!~{'|'.join(sorted(wanted.but))}")
    return conditions


def _words_to_add(matchers: Iterable[str], seconds: float, who: str, reason: str) -> str:
    """Return amtool's words for a silence."""
    labels = " ".join(map(quote, matchers))
    return f"silence add {labels} --duration={seconds:.0f}s --author={quote(who)} --comment={quote(reason)}"


def end_silences_in(connection: Connection, ids: Collection[str], seconds: int) -> set[str]:
    """Have silences end so many seconds from now, by the host's clock, be it sooner or later than they would.

    Returns:
        Those that have ended already: of each, Alertmanager would make another one, whose id nobody is told.

    Raises:
        HostError: The host does not answer, or has no Alertmanager that does.

    """
    holding = {*ids} & {each.id for each in silences(connection)}
    if not holding:
        return {*ids}
    end = f'"$(date -u -d "+{seconds} seconds" +%FT%TZ)"'
    _run(connection, f"silence update --quiet --end={end} {' '.join(sorted(map(quote, holding)))}")
    return {*ids} - holding


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
        raise _explained(connection, error) from error


def _explained(connection: Connection, error: CommandError) -> HostError:
    """Return why Alertmanager can't be asked, and how to look for it."""
    said = error.output.strip().splitlines()[-1:] or ["it says nothing"]
    return HostError(
        f"{connection.name}: Alertmanager does not answer: {said[0]} (doit ssh {connection.name} systemctl status "
        "prometheus-alertmanager)"
    )
