"""Tasks that end by themselves, told by the engine's events: it says before a container's end if somebody ordered it.

An end is a failure where nobody ordered it: the program ended, or the kernel killed it for its memory; or where the
swarm ordered it since the container was unhealthy. Any signal may be an order, since images choose theirs, or may ask
for something else, as USR1 for new log files: so an order is one for as long as a container may take to end. Status 0
is a failure only of a service whose tasks are always started again. Ends are missed while the observer does not run, if
the engine has forgotten them when it is back.

Whoever else wants to know of starts and ends is told of them here, too.
"""

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from agent.errors import AgentError
from agent.observe.engine_reader import EngineReader
from agent.observe.observe_config import ObservedService

SERVICE_LABEL = "com.docker.swarm.service.name"
START, END = "start", "die"
_ORDERED = "kill"
_NO_ORDER_TO_END = {"1"}
"""Signals that ask a program to read its configuration anew."""
_LATE = 60.0
"""Seconds that an engine may take beyond the time that a container has to end."""
_MOST = 10_000
"""Containers that are remembered; the eldest are forgotten."""
_LONGEST = 1 << 20
"""Bytes of one event."""


class TaskFailures:
    """Counts the failures of services' tasks on this host.

    Args:
        engine: The engine.
        counts: Service to its failures; changed as they happen.
        since: The moment of the last event that was counted, in nanoseconds since 1970; 0 for from now on.
        tell: Takes `START` or `END`, a container and its service, as that happens.

    """

    def __init__(
        self,
        engine: EngineReader,
        counts: dict[str, int],
        since: int = 0,
        tell: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        self._engine, self._tell = engine, tell
        self.counts, self.since = counts, since
        self._stream: socket.socket | None = None
        self._rest = b""
        self._told = since
        """The moment up to which all was told by another connection."""
        self._ordered: dict[str, int] = {}
        """Container to the moment at which its end was ordered."""
        self._unhealthy: dict[str, int] = {}

    @property
    def stream(self) -> socket.socket | None:
        """The connection that has something to read when something happened."""
        return self._stream

    def follow(self, now: float) -> None:
        """Have the engine tell what happens, if it does not yet.

        Args:
            now: The time.

        Raises:
            AgentError: It does not.

        """
        if self._stream is not None:
            return
        if not 0 < self.since <= int(now * 1e9):
            self.since = int(now * 1e9)  # at first, or where the clock was ahead
        self._told = self.since
        filters = {
            "type": ["container"],
            "event": [START, END, _ORDERED, "health_status"],
            "label": [SERVICE_LABEL],
        }
        seconds, rest = divmod(self.since, 10**9)
        self._rest = b""
        self._stream = self._engine.stream("/events", filters=filters, since=f"{seconds}.{rest:09d}")

    def take(self, services: Mapping[str, ObservedService]) -> None:
        """Count what has happened; never waits.

        Raises:
            AgentError: The engine tells no more; `follow` begins anew.

        """
        while self._stream is not None:
            try:
                got = self._stream.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                got = b""
            *lines, self._rest = (self._rest + got).split(b"\n")
            for line in lines:
                self._happened(line, services)
            if not got or len(self._rest) > _LONGEST:
                self.close()
                raise AgentError("the Docker Engine tells no more what happens")

    def close(self) -> None:
        """Follow no more."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _happened(self, line: bytes, services: Mapping[str, ObservedService]) -> None:
        """Take an event in."""
        try:
            event = json.loads(line)
            at, action, identity = int(event["timeNano"]), str(event["Action"]), str(event["Actor"]["ID"])
            attributes: dict[str, Any] = event["Actor"].get("Attributes") or {}
        except (ValueError, KeyError, TypeError):
            return
        if at <= self._told:
            return  # before the connection broke
        self.since = at
        if action in (START, END):
            self._tell(action, identity, str(attributes.get(SERVICE_LABEL)))
        if action == _ORDERED:
            if attributes.get("signal") not in _NO_ORDER_TO_END:
                _remember(self._ordered, identity, at)
        elif action == "health_status: unhealthy":
            _remember(self._unhealthy, identity, at)
        elif action.startswith("health_status"):
            self._unhealthy.pop(identity, None)
        elif action == END:
            ordered, unhealthy = self._ordered.pop(identity, None), self._unhealthy.pop(identity, None)
            service = services.get(str(attributes.get(SERVICE_LABEL)))
            if service is None:
                return
            is_late = ordered is None or at - ordered > (service.grace + _LATE) * 1e9
            was_ordered = not is_late and unhealthy is None
            ended_well = attributes.get("exitCode") == "0"
            if not was_ordered and not (ended_well and service.may_end):
                self.counts[service.name] = self.counts.get(service.name, 0) + 1


def _remember(known: dict[str, int], identity: str, at: int) -> None:
    """Remember a container."""
    known[identity] = at
    if len(known) > _MOST:
        del known[next(iter(known))]
