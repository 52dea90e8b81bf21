"""What a work touches, and the silences that it needs: around the alarms that somebody was told of already. Pure.

Alertmanager sends no end of an alarm that is silenced as it ends, and takes the same alarm, if it is given again within
four hours, for the one that it sent. So an alarm that was sent is left out of the silence of what may mend it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from model.alarms.given_alarms import GivenAlarm

_SERVICE, _HOST, _NAME = "service", "host", "alertname"
_OF_BEFORE = frozenset({"ErrorSeen", "ServiceRestarts"})
"""Alarms of what happened in the last minutes, not of how it is now."""


@dataclass(frozen=True)
class Touched:
    """What a work touches, so that it may cause alarms.

    Args:
        services: Services.
        hosts: The short names of hosts.
        alarms: Alarms that are about none of them, by their names.

    """

    services: Collection[str] = ()
    hosts: Collection[str] = ()
    alarms: Collection[str] = ()


@dataclass(frozen=True)
class WantedSilence:
    """A silence that is to be made.

    Args:
        work: Why, for those who look at it; no secret.
        label: The label of the alarms of which nobody is told, ...
        values: ... and its values.
        but: The names of alarms that are told all the same.
        only: The names of the alarms of which nobody is told; empty for all but these.

    """

    work: str
    label: str
    values: frozenset[str]
    but: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()


def wanted_silences(work: str, touched: Touched, told: Iterable[GivenAlarm]) -> Iterator[WantedSilence]:
    """Yield the silences for a work: one for the services and one for the hosts without an alarm, else each its own.

    Args:
        work: The work.
        touched: What it touches.
        told: The alarms that are given, and that somebody was told of.

    """
    told = [*told]
    for label, names in ((_SERVICE, touched.services), (_HOST, touched.hosts)):
        known: dict[str, set[str]] = {}
        for alarm in told:
            about = alarm.service if label == _SERVICE else alarm.host
            if about in names:
                known.setdefault(about, set()).add(alarm.name)
        if quiet := frozenset(names) - known.keys():
            yield WantedSilence(work, label, quiet)
        for about, sent in sorted(known.items()):
            yield WantedSilence(work, label, frozenset({about}), frozenset(sent))
    if alarms := frozenset(touched.alarms) - {alarm.name for alarm in told}:
        yield WantedSilence(work, _NAME, alarms)


def silences_afterwards(wanted: Iterable[WantedSilence]) -> Iterator[WantedSilence]:
    """Yield the silences that hold on when a work is done: of alarms of what happened while it was.

    Args:
        wanted: The silences of the work.

    """
    for each in wanted:
        if each.label != _NAME and (names := _OF_BEFORE - each.but):
            yield replace(each, but=frozenset(), only=names)
