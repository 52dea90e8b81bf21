"""Counts lines of services' logs that their `monitor_error` asks for, in the files that the engine keeps of them.

A log is held open from its container's start, so that one which is removed between two looks is read to its end. What
is read from one look to the next takes a limited part of the processor; what that leaves is read later, in turn. Counts
and places are kept together, so that a kill counts nothing twice.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.container_logs.followed_log import FollowedLog
from agent.container_logs.log_files import LogPlace
from agent.container_logs.log_records import LogRecord
from agent.errors import AgentError
from agent.observe.error_patterns import LONGEST, ErrorPatterns, TooSlowError
from agent.observe.observe_config import ObservedService

BUDGET = 1.5
"""Seconds of processor time that may be taken from one look to the next: a tenth of what there is."""

TOLD = 600.0
"""Seconds for which it is told that lines were lost: longer than an alarm waits for it to be over."""

_CLOCK = 3600.0
"""Seconds by which a clock may be set back without that its former time is taken for a wrong one."""


class _Container:
    """A container whose log is followed."""

    def __init__(self, service: str, log: FollowedLog, begun: Mapping[str, str]) -> None:
        self.service, self.log = service, log
        self.begun = {stream: bytearray(text, "utf-8", "surrogateescape") for stream, text in begun.items()}
        """Stream to the parts of a line that goes on."""

    def line(self, record: LogRecord) -> bytes | None:
        """Return the line that a record ends; None if it goes on."""
        if not record.is_cut and record.stream not in self.begun:
            return record.text
        whole = self.begun.setdefault(record.stream, bytearray())
        whole += record.text[: LONGEST - len(whole)]
        if record.is_cut:
            return None
        return bytes(self.begun.pop(record.stream))

    def noted(self) -> dict[str, Any]:
        """Return all of it that is kept."""
        place = self.log.place
        begun = {stream: text.decode("utf-8", "surrogateescape") for stream, text in self.begun.items()}
        return {"service": self.service, "place": [place.first, place.length, place.offset], "begun": begun}


class ErrorCounts:
    """The counts of this host.

    Args:
        services: The site's services.
        noted: What `noted` returned before; empty at first.
        root: The engine's directory of containers.

    Raises:
        AgentError: An expression can't be read.

    """

    def __init__(self, services: Mapping[str, ObservedService], noted: Mapping[str, Any], root: Path) -> None:
        self._root = root
        self._patterns = {
            name: ErrorPatterns(each.monitor_error, each.ignore_error)
            for name, each in services.items()
            if each.monitor_error
        }
        self._lately: dict[str, float] = {}
        """What went wrong lately, and when."""
        self._left = 0.0
        """Seconds of processor time that are left until the next look."""
        self._absent: frozenset[str] = frozenset()
        """Containers of which the engine's directory had nothing at the last look."""
        self.counts: dict[str, int] = dict.fromkeys(self._patterns, 0) | {
            name: int(count) for name, count in noted.get("counts", {}).items() if name in self._patterns
        }
        self._since: dict[str, int] = {
            name: int(at) for name, at in noted.get("since", {}).items() if name in self._patterns
        }
        self._containers = {
            identity: _Container(
                each["service"], FollowedLog(root / identity, LogPlace(*each["place"])), each["begun"]
            )
            for identity, each in noted.get("containers", {}).items()
            if each["service"] in self._patterns
        }

    def noted(self) -> dict[str, Any]:
        """Return what is kept on disk."""
        containers = {identity: each.noted() for identity, each in self._containers.items()}
        return {"counts": dict(self.counts), "since": dict(self._since), "containers": containers}

    def look(self, containers: Mapping[str, str], now: float) -> None:
        """Count the lines that were not read yet.

        Args:
            containers: Each container that is there, also if it ended, and its service, as the engine told last: one
                that has begun since then is followed as well.
            now: The time, in seconds since 1970: lines before the first look at a service don't count.

        Raises:
            AgentError: Lines were lost, or left out, within the last ten minutes; the others are counted even then.

        """
        # What the engine told may be old; what is to be read of a container ends with its directory.
        gone = {
            each for each in self._containers if each not in containers and not (self._root / each).exists()
        }
        for identity, service in containers.items():
            self._follow(identity, service)
        for identity in self._containers:
            self._hold(identity, now)
        for service in self._patterns:
            # A clock that was ahead when they were counted first must not keep lines from counting.
            since = self._since.get(service)
            if since is None or since > (now + _CLOCK) * 1e9:
                self._since[service] = int(now * 1e9)
        began = time.process_time()
        ends = began + BUDGET
        problems: list[str] = []
        for identity, each in list(self._containers.items()):
            if time.process_time() >= ends:
                break
            # Whoever was read last is read last the next time, too: the others come first then.
            self._containers[identity] = self._containers.pop(identity)
            problems += self._read(each, ends)
            if identity in gone and time.process_time() < ends:
                self._containers.pop(identity).log.close()
        self._left = BUDGET - (time.process_time() - began)
        problems += self._look_for_absent(containers)
        self._tell(problems, now)
        self._lately = {problem: at for problem, at in self._lately.items() if now - at < TOLD}
        if self._lately:
            raise AgentError("; ".join(self._lately))

    def has_begun(self, identity: str, service: str, now: float) -> None:
        """Hold the log of a container open that has just begun.

        Args:
            identity: Its id.
            service: Its service.
            now: The time, in seconds since 1970.

        """
        if (self._root / identity).exists():
            self._follow(identity, service)
            self._hold(identity, now)

    def has_ended(self, identity: str, now: float) -> None:
        """Read on in the log of a container that has just ended, as far as there is time.

        Args:
            identity: Its id.
            now: The time, in seconds since 1970.

        """
        each = self._containers.get(identity)
        if each is None or each.service not in self._since:
            return
        self._hold(identity, now)
        began = time.process_time()
        if self._left > 0:
            self._tell(self._read(each, began + self._left), now)
        self._left -= time.process_time() - began

    def close(self) -> None:
        """Let go of all logs."""
        for each in self._containers.values():
            each.log.close()

    def _follow(self, identity: str, service: str) -> None:
        """Follow a container's log, if lines of its service count."""
        if service in self._patterns and identity not in self._containers:
            self._containers[identity] = _Container(service, FollowedLog(self._root / identity), {})

    def _hold(self, identity: str, now: float) -> None:
        """Open the log of a container that is followed."""
        if (each := self._containers.get(identity)) is not None:
            try:
                each.log.hold(self._since.get(each.service, 0))
            except OSError as error:
                self._tell([f"{each.service}: its log can't be read: {error.strerror}"], now)

    def _tell(self, problems: Sequence[str], now: float) -> None:
        """Have problems told at the next look, and for a while."""
        self._lately |= dict.fromkeys(problems, now)

    def _look_for_absent(self, containers: Mapping[str, str]) -> Sequence[str]:
        """Return the services of which a container has no log here, at two looks: it may be removed during one."""
        absent = {each: name for each, name in containers.items() if each in self._containers}
        absent = {each: name for each, name in absent.items() if not (self._root / each).exists()}
        told = {name for each, name in absent.items() if each in self._absent}
        self._absent = frozenset(absent)
        return [f"{name}: {self._root} has nothing of a container of it" for name in sorted(told)]

    def _read(self, container: _Container, ends: float) -> Sequence[str]:
        """Read a container's log on, and return what went wrong."""
        service, log = container.service, container.log
        patterns, since, problems = self._patterns[service], self._since[service], []
        try:
            for record in log.records(since):
                line = container.line(record)
                try:
                    if line is not None and record.at >= since and patterns.counts(line):
                        self.counts[service] += 1
                except TooSlowError as error:
                    problems.append(f"{service}: {error}, which is left out")
                if time.process_time() >= ends:
                    break
        except OSError as error:
            problems.append(f"{service}: its log can't be read: {error.strerror}")
        if log.has_lost or log.has_broken:
            log.has_lost = log.has_broken = False
            problems.append(f"{service}: lines of its log were gone before they were read, or can't be read")
        return problems
