"""The log of a service: those of all its containers, wherever they are, merged by time."""

import contextlib
import heapq
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from model.errors import SkepError
from remote.engine.log_stream import LogLine, LogRequest, log_lines
from tasks.operate.containers import ServiceContainer, ServiceContainers, find_containers
from tasks.run.context import Run

LOOK = 2.0
"""Seconds between two looks for new tasks while a log is followed."""


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

    """

    def __init__(
        self,
        run: Run,
        service: str,
        request: LogRequest,
        wanted: Callable[[ServiceContainer], bool],
        warn: Callable[[str], None],
    ) -> None:
        self._run, self._service, self._request = run, service, request
        self._wanted, self._warn = wanted, warn
        self._silent: set[str] = set()

    def lines(self) -> Iterator[TaskLine]:
        """Yield the lines that there are, merged by time; then, if the log is followed, those that come."""
        found = self._find()
        last: dict[str, str] = {}
        once = replace(self._request, follow=False)
        streams = [self._stream(container, once) for container in found]
        for each, container in heapq.merge(*streams, key=lambda pair: pair[0].line.time):
            last[container.id] = each.line.time
            yield each
        if self._request.follow:
            yield from self._follow(found, last)

    def _follow(self, containers: Sequence[ServiceContainer], last: dict[str, str]) -> Iterator[TaskLine]:
        """Yield lines as they come, also of tasks that begin meanwhile; ends only with its caller."""
        lines: queue.SimpleQueue[TaskLine] = queue.SimpleQueue()
        begun: set[str] = set()

        def take(container: ServiceContainer, request: LogRequest) -> None:
            for each, _ in self._stream(container, request):
                lines.put(each)

        def begin_all(found: Sequence[ServiceContainer], *, is_first: bool) -> None:
            for container in found:
                if container.id in begun:
                    continue
                begun.add(container.id)
                after = after_time(last[container.id]) if container.id in last else self._request.since
                request = LogRequest(since=after if is_first else "", follow=True)
                if is_first and container.id not in last and not after:
                    request = replace(request, since=f"{time.time():.9f}")
                threading.Thread(target=take, args=(container, request), daemon=True).start()

        begin_all([each for each in containers if each.is_running], is_first=True)
        begun |= {each.id for each in containers}
        looked = time.monotonic()
        while True:
            with contextlib.suppress(queue.Empty):
                yield lines.get(timeout=0.2)
            if time.monotonic() - looked >= LOOK:
                begin_all(self._find(), is_first=False)
                looked = time.monotonic()

    def _find(self) -> list[ServiceContainer]:
        """Return the containers that are wanted; a host that does not answer is said once."""
        found: ServiceContainers = find_containers(self._run, self._service)
        for line in found.silent:
            if line not in self._silent:
                self._silent.add(line)
                self._warn(line)
        return [container for container in found.containers if self._wanted(container)]

    def _stream(
        self, container: ServiceContainer, request: LogRequest
    ) -> Iterator[tuple[TaskLine, ServiceContainer]]:
        """Yield a container's lines; one whose log can't be read has none."""
        try:
            connection = self._run.connections.to(container.host)
            connection.open()
            for line in log_lines(container.words, connection.docker_socket, container.id, request):
                yield TaskLine(container.task, line), container
        except SkepError as error:
            self._warn(str(error))


def after_time(text: str) -> str:
    """Return the nanosecond behind a time of a log, as the engine takes it: seconds since 1970."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    nanoseconds = int(f"{fraction:0<9}"[:9]) + 1
    return f"{seconds + nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
