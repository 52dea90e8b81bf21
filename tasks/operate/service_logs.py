"""The log of a service: those of all its containers, wherever they are, merged by time."""

import heapq
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from model.errors import HostError, SkepError
from remote.engine.log_stream import LogLine, LogRequest, log_lines
from tasks.operate.containers import ServiceContainer, ServiceContainers, find_containers
from tasks.run.context import Run

LOOK = 2.0
"""Seconds between two looks for new tasks while a log is followed."""
KEEP = "to have logs kept, write [logs] into site.toml, then run `doit setup_hosts deploy_services` (docs/logs.md)"
"""What to do so that there are logs of tasks that are gone."""
_NONE = "no container of it is on the hosts that answer"


@dataclass(frozen=True)
class TaskLine:
    """A line of a service's log.

    Args:
        task: The name of the task that wrote it.
        line: The line.

    """

    task: str
    line: LogLine


class ServiceLogs:
    """Reads the log of a service.

    Args:
        run: The run.
        service: The service.
        request: The part of each container's log that is wanted.
        wanted: Chooses containers.
        warn: Takes a line for each host or container whose log can't be read.
        matches: Chooses lines by their text; the request's number is that of the lines that it chooses.
        kept: Returns the lines that are kept beside the containers; None if there are none. They are read where a time
            is asked for, since tasks may have gone by now, and where no task is left.

    """

    def __init__(
        self,
        run: Run,
        service: str,
        request: LogRequest,
        wanted: Callable[[ServiceContainer], bool],
        warn: Callable[[str], None],
        matches: Callable[[str], object] | None = None,
        kept: Callable[[], Iterator[TaskLine]] | None = None,
    ) -> None:
        self._run, self._service, self._request = run, service, request
        self._wanted, self._warn, self._matches, self._kept = wanted, warn, matches, kept
        self._silent: set[str] = set()
        self._last: dict[str, str] = {}
        self._begun: set[str] = set()
        self._known_hosts: set[str] = set()
        self._over = threading.Event()
        self._coming: queue.SimpleQueue[TaskLine] = queue.SimpleQueue()

    def lines(self) -> Iterator[TaskLine]:
        """Yield the lines that there are, merged by time; then, if the log is followed, those that come."""
        found = self._find()
        chosen = self._chosen(found)
        once = replace(self._request, follow=False)
        streams: list[Iterator[tuple[TaskLine, str]]] = [self._live(container, once) for container in chosen]
        if self._kept is not None and (self._request.since or not chosen):
            streams.append(self._kept_stream(self._kept))
        count = 0
        for each, container in _once(heapq.merge(*streams, key=lambda pair: pair[0].line.time)):
            count += 1
            if container:
                self._last[container] = each.line.time
            yield each
        if not chosen and not count:
            self._warn(f"{self._service}: {self._nothing(found)}")
        if not self._request.follow:
            return
        self._known_hosts |= found.answered
        # Those that have ended are read to their end.
        self._begun |= {each.id for each in found.containers if each.has_begun and not each.is_there}
        self._begin(found)
        threading.Thread(target=self._look, name=f"tasks of {self._service}", daemon=True).start()
        try:
            while True:
                yield self._coming.get()
        finally:
            self._over.set()

    def _nothing(self, found: ServiceContainers) -> str:
        """Return why there is no line at all."""
        if there := ", ".join(sorted({each.task for each in found.containers})):
            return f"there is no such task; there are {there}"
        if self._request.since and self._kept is None:
            return f"{_NONE}, and what those said that are gone is not kept; {KEEP}"
        return f"{_NONE} (doit status {self._service})"

    def _live(self, container: ServiceContainer, request: LogRequest) -> Iterator[tuple[TaskLine, str]]:
        """Yield a container's lines, each with its id."""
        for each, read in self._stream(container, request):
            yield each, read.id

    def _kept_stream(self, kept: Callable[[], Iterator[TaskLine]]) -> Iterator[tuple[TaskLine, str]]:
        """Yield the lines that are kept; where they can't be read, that is said."""
        try:
            for each in kept():
                yield each, ""
        except SkepError as error:
            self._warn(str(error))

    # -- following -----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look for further containers again and again: a host that does not answer holds up no line of another."""
        while not self._over.wait(LOOK):
            self._begin(self._find())

    def _begin(self, found: ServiceContainers) -> None:
        """Begin to follow each container that is not followed yet, nor was to its end."""
        for container in self._chosen(found):
            # The engine ends the log of a container that is not started yet at once.
            if container.has_begun and container.id not in self._begun:
                self._begun.add(container.id)
                is_known = container.host.short in self._known_hosts
                # All that it says from now on; of a host that did not answer before as much as of the others at first.
                first = replace(self._request, lines=0) if is_known else self._request
                threading.Thread(
                    target=self._follow, args=(container, first), name=f"log of {container.task}", daemon=True
                ).start()
        self._known_hosts |= found.answered

    def _follow(self, container: ServiceContainer, request: LogRequest) -> None:
        """Follow a container to its end; where the connection breaks, the next look begins again.

        Args:
            container: The container.
            request: The part that is wanted if nothing of it was read yet.

        """
        if container.id in self._last:
            request = replace(request, since=after_time(self._last[container.id]), lines=0)
        for each, _ in self._stream(container, request):
            self._last[container.id] = each.line.time
            self._coming.put(each)

    # -- containers and their logs -------------------------------------------------------------------------------------

    def _find(self) -> ServiceContainers:
        """Return the containers of the service; a host that does not answer is said once, until it answers again."""
        found = find_containers(self._run, self._service)
        for line in found.silent:
            if line not in self._silent:
                self._warn(line)
        self._silent = {*found.silent}
        return found

    def _chosen(self, found: ServiceContainers) -> list[ServiceContainer]:
        """Return the containers that are wanted."""
        return [container for container in found.containers if self._wanted(container)]

    def _stream(
        self, container: ServiceContainer, request: LogRequest
    ) -> Iterator[tuple[TaskLine, ServiceContainer]]:
        """Yield a container's lines; one whose log can't be read has none."""
        try:
            connection = self._run.connections.to(container.host)
            connection.open()
            lines = log_lines(
                container.words, connection.docker_socket, container.id, self._of_engine(request)
            )
            for line in self._matching(lines, request):
                yield TaskLine(container.task, line), container
        except HostError as error:
            self._warn(str(error))
            self._begun.discard(container.id)
        except SkepError as error:
            self._warn(str(error))

    def _of_engine(self, request: LogRequest) -> LogRequest:
        """Return what the engine is asked for: all lines, where those that match are counted."""
        return request if self._matches is None or request.follow else replace(request, lines=0)

    def _matching(self, lines: Iterator[LogLine], request: LogRequest) -> Iterator[LogLine]:
        """Yield the lines that match, the last of them where a number was asked for."""
        matches = self._matches
        if matches is None:
            return lines
        matching = (line for line in lines if matches(line.text))
        return iter(deque(matching, request.lines)) if request.lines and not request.follow else matching


def _once(lines: Iterable[tuple[TaskLine, str]]) -> Iterator[tuple[TaskLine, str]]:
    """Yield lines that are in the order of time without doubles: one that is kept may still be on its host as well.

    Only a line without a container is left out for another.
    """
    time, seen, waiting = "", set[tuple[str, str]](), list[tuple[TaskLine, str]]()
    for each, container in lines:
        if each.line.time != time:
            yield from (pair for pair in waiting if _known_by(pair[0]) not in seen)
            time, seen, waiting = each.line.time, set(), []
        if container:
            seen.add(_known_by(each))
            yield each, container
        else:
            waiting.append((each, container))
    yield from (pair for pair in waiting if _known_by(pair[0]) not in seen)


def _known_by(each: TaskLine) -> tuple[str, str]:
    """Return by what two lines of one time are the same; NUL is not kept (agent/logs/lines.py)."""
    return each.task, each.line.text.replace("\0", "\ufffd")


def after_time(text: str) -> str:
    """Return the nanosecond behind a time of a log, as the engine takes it: seconds since 1970."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    nanoseconds = int(f"{fraction:0<9}"[:9]) + 1
    return f"{seconds + nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
