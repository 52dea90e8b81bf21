"""Hives that do not answer, whatever the swarm says: it learns of a frozen one after some twenty seconds."""

import time
from collections.abc import Iterable
from contextlib import closing
from functools import partial

from model.errors import SkepError
from model.stage import Host
from remote.mother.questions import begin
from tasks.run.connections import Connections

PATIENCE = 10.0
"""Seconds in which a hive's engine has to answer."""
_NO_CONTAINER = {"name": "^$"}


def silent_hives(connections: Connections, hives: Iterable[Host], except_: Host) -> frozenset[str]:
    """Return the full names of the hives whose engine does not answer.

    Args:
        connections: The stage's connections.
        hives: The hives; one that is not made does not answer.
        except_: A hive that is not asked.

    """
    ends = time.monotonic() + PATIENCE
    answers = {hive.name: begin(partial(_ask, connections, hive)) for hive in hives if hive != except_}
    silent = set()
    for name, answer in answers.items():
        try:
            answer.result(max(0.0, ends - time.monotonic()))
        except (SkepError, TimeoutError):
            silent.add(name)
    return frozenset(silent)


def _ask(connections: Connections, hive: Host) -> None:
    """Ask a hive's engine for something that it knows without the swarm."""
    with closing(connections.reader(hive)) as reader:
        reader.containers(filters=_NO_CONTAINER)
