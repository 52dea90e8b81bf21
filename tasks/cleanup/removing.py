"""Removing several real things at a time, each as soon as nothing holds it."""

import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from model.errors import HostError, SkepError
from model.log import Log
from remote.mother.wait import wait_for

GONE_TIMEOUT = 120
"""Seconds that containers get to end, so that their networks and volumes can be removed."""


def remove_when_free(remove: Callable[[str], Any], name: str, host: str, what: str) -> None:
    """Remove something of an engine's unless it is gone; containers that still end may hold it for a while.

    Raises:
        HostError: It is still held when the time is over, or the engine does not answer.

    """
    from docker.errors import NotFound

    from remote.engine.client import engine_errors

    def removed() -> bool:
        with engine_errors(host, f"removing {what}"), contextlib.suppress(NotFound):
            remove(name)
        return True

    wait_for(removed, f"{what} on {host} to be free", GONE_TIMEOUT, retry=HostError)


def each(names: Iterable[str], remove: Callable[[str], None], log: Log) -> list[str]:
    """Remove several things at a time; return the problems. One is logged at once, and stops none of the others."""

    def one(name: str) -> str:
        try:
            remove(name)
        except SkepError as error:
            problem = _named(str(error), name)
        else:
            return ""
        log(problem)
        return problem

    names = list(names)
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return [problem for problem in pool.map(one, names) if problem]


def _named(message: str, name: str) -> str:
    """Return a message with the name of its thing in front, unless it has it."""
    return message if message.startswith(name) else f"{name}: {message}"
