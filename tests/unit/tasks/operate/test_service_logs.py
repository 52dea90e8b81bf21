"""The log of a service: lines of containers on several hosts, some of which don't answer."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError, ServiceError
from model.stage import Host
from remote.engine.log_stream import LogLine, LogRequest
from tasks.operate import service_logs
from tasks.operate.containers import ServiceContainer, ServiceContainers
from tasks.operate.service_logs import ServiceLogs, TaskLine, after_time

HOSTS = [
    Host(f"hive{n}", f"p-hive{n}.example", f"10.0.0.{n}", is_hive=True, is_repository=False) for n in range(2)
]


NOTHING_LEFT = "web: no container of it is on the hosts that answer (doit status web)"


def container(name: str, on: int = 0, *, state: str = "running") -> ServiceContainer:
    """Return a container, whose id is its task's name."""
    return ServiceContainer("web", HOSTS[on], name, name, state, "", 1.0, "page")


def line(second: int, text: str) -> LogLine:
    """Return a line."""
    return LogLine(f"2026-11-29T01:00:{second:02}.000000001Z", text)


class Logs:
    """Containers and their logs, as hosts have them.

    A log is a list of lines; where it is followed, lines that a test adds come as well.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found = ServiceContainers((), ())
        self.lines: dict[str, list[LogLine]] = {}
        self.broken: set[str] = set()
        self.ended: set[str] = set()
        self.chosen: set[str] | None = None
        self.matches: Callable[[str], object] | None = None
        self.kept: Callable[[], Iterator[TaskLine]] | None = None
        self.requests: list[tuple[str, LogRequest]] = []
        self.warnings: list[str] = []
        self.look: Callable[[], None] = lambda: None
        self._readers: list[Iterator[TaskLine]] = []
        monkeypatch.setattr(service_logs, "LOOK", 0.01)
        monkeypatch.setattr(service_logs, "find_containers", self._find)
        monkeypatch.setattr(service_logs, "log_lines", self._log)

    def read(self, request: LogRequest) -> Iterator[TaskLine]:
        """Read them."""
        connection = SimpleNamespace(open=lambda: None, docker_socket=Path("none"))
        run: Any = SimpleNamespace(connections=SimpleNamespace(to=lambda _host: connection))
        logs = ServiceLogs(
            run, "web", request, self._is_chosen, self.warnings.append, self.matches, self.kept
        )
        lines = logs.lines()
        self._readers.append(lines)
        return lines

    def close(self) -> None:
        """Read no more of them."""
        for lines in self._readers:
            lines.close()  # type: ignore[attr-defined] # of a generator
        self.ended = {*self.lines}
        for thread in threading.enumerate():
            if thread.name.startswith(("log of ", "tasks of ")):
                thread.join(120)

    def _is_chosen(self, each: ServiceContainer) -> bool:
        return self.chosen is None or each.task in self.chosen

    def _find(self, _run: object, _service: str) -> ServiceContainers:
        self.look()
        return self.found

    def _log(self, where: str, _engine: Path, name: str, request: LogRequest) -> Iterator[LogLine]:
        self.requests.append((name, request))
        if any(each.id == name and not each.has_begun for each in self.found.containers):
            return  # as the engine does, also where the log is followed
        at, all_lines = 0, self.lines[name] if request.follow else [*self.lines[name]]
        while True:
            while at < len(all_lines):
                each = all_lines[at]
                at += 1
                if not request.since or after_time(each.time) > request.since:
                    yield each
            if name in self.broken:
                raise HostError(f"{where}: its Docker Engine does not answer")
            if not request.follow or name in self.ended:
                return
            time.sleep(0.005)


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Logs]:
    """Give logs without a container yet; nobody follows them afterwards."""
    made = Logs(monkeypatch)
    yield made
    made.close()


def found(*containers: ServiceContainer, silent: tuple[str, ...] = ()) -> ServiceContainers:
    """Return containers on hosts that answered."""
    answered = {each.host.short for each in containers} - {text.partition(":")[0] for text in silent}
    return ServiceContainers(containers, silent, frozenset(answered))


def test_merged_by_time(logs: Logs) -> None:
    """Lines of all tasks, ended ones too, in the order of their times."""
    logs.found = found(container("web.1"), container("web.2", 1, state="exited"))
    logs.lines = {"web.1": [line(1, "a"), line(4, "d")], "web.2": [line(2, "b"), line(3, "c")]}

    assert [(each.task, each.line.text) for each in logs.read(LogRequest(lines=9))] == [
        ("web.1", "a"),
        ("web.2", "b"),
        ("web.2", "c"),
        ("web.1", "d"),
    ]


def test_a_host_that_does_not_answer(logs: Logs) -> None:
    """It is said, as is a log that can't be read, and the others go on."""
    logs.found = found(container("web.1"), container("web.2"), silent=("hive1: no answer",))
    logs.lines = {"web.1": [line(1, "a")], "web.2": []}
    logs.broken = {"web.2"}

    assert [each.line.text for each in logs.read(LogRequest())] == ["a"]
    assert logs.warnings == ["hive1: no answer", "web.2 on hive0 (web.2): its Docker Engine does not answer"]


def test_no_such_task(logs: Logs) -> None:
    """That is said, with those that there are: no line would look like a task that says nothing."""
    logs.found = found(container("web.1"), container("web.2"))
    logs.chosen = set()

    assert list(logs.read(LogRequest())) == []
    logs.found = found()
    assert list(logs.read(LogRequest())) == []
    assert logs.warnings == [
        "web: there is no such task; there are web.1, web.2",
        NOTHING_LEFT,
    ]


def test_a_time_without_logs_that_are_kept(logs: Logs) -> None:
    """Who asks for lines of a time, and has none, is told what to do to have them kept; not who has them kept."""
    assert list(logs.read(LogRequest("1.000000000"))) == []
    logs.kept = lambda: iter(())
    assert list(logs.read(LogRequest("1.000000000"))) == []
    gone = "no container of it is on the hosts that answer, and what those said that are gone is not kept"
    way_out = "to have logs kept, write [logs] into site.toml, then run `doit setup_hosts deploy_services`"
    assert logs.warnings == [f"web: {gone}; {way_out} (docs/logs.md)", NOTHING_LEFT]


def test_lines_that_match_are_counted(logs: Logs) -> None:
    """So the last error is found, however much was written since; those that come are chosen as well."""
    logs.found = found(container("web.1"))
    logs.lines = {"web.1": [line(n, "error" if n < 4 else "well") for n in range(9)]}
    logs.matches = lambda text: text == "error"

    assert [each.line.time[17:19] for each in logs.read(LogRequest(lines=2))] == ["02", "03"]
    assert logs.requests == [("web.1", LogRequest())]
    lines = logs.read(LogRequest(lines=1, follow=True))
    assert next(lines).line == line(3, "error")
    logs.lines["web.1"] += [line(9, "well"), line(10, "error")]
    assert next(lines).line == line(10, "error")


def test_a_task_that_was_silent_since(logs: Logs) -> None:
    """Where it is followed, what it said before that comes neither."""
    logs.found = found(container("web.1"))
    logs.lines = {"web.1": [line(1, "long ago")]}
    lines = logs.read(LogRequest(since=after_time(line(5, "").time), follow=True))
    threading.Timer(0.05, lambda: logs.lines["web.1"].append(line(9, "now"))).start()

    assert next(lines).line.text == "now"


def test_followed(logs: Logs) -> None:
    """No line comes twice and none is lost, also of a task that begins meanwhile; an ended one is read once."""
    logs.found = found(container("web.1"), container("web.2", state="exited"))
    logs.lines = {
        "web.1": [line(1, "a")],
        "web.2": [line(2, "b")],
        "web.3": [line(3, "before"), line(5, "e")],
    }
    lines = logs.read(LogRequest(lines=100, follow=True))

    assert [next(lines).line.text, next(lines).line.text] == ["a", "b"]
    logs.lines["web.1"].append(line(4, "d"))
    assert next(lines).line.text == "d"
    logs.found = found(container("web.1"), container("web.3"))
    assert [next(lines).line.text, next(lines).line.text] == ["before", "e"]
    assert [name for name, _ in logs.requests] == ["web.1", "web.2", "web.1", "web.3"]


def test_a_container_that_is_paused(logs: Logs) -> None:
    """It has not ended: where following begins in the pause of its backup, what it says afterwards comes."""
    logs.found = found(container("web.1", state="paused"))
    logs.lines = {"web.1": [line(1, "before")]}
    lines = logs.read(LogRequest(follow=True))
    assert next(lines).line.text == "before"
    logs.lines["web.1"].append(line(2, "after"))

    assert next(lines).line.text == "after"


@pytest.mark.parametrize("at_first", [True, False])
def test_a_container_that_is_not_started_yet(logs: Logs, *, at_first: bool) -> None:
    """It is followed as soon as it is started, and loses no line."""
    old, new = container("web.1"), container("web.2", state="created")
    logs.lines = {"web.1": [line(1, "old")], "web.2": []}
    logs.found = found(old, new) if at_first else found(old)
    lines = logs.read(LogRequest(follow=True))
    assert next(lines).line.text == "old"
    looked = threading.Event()

    def start() -> None:
        if looked.is_set():
            logs.lines["web.2"] = [line(2, "new")]
            logs.found = found(old, container("web.2"))
        elif new not in logs.found.containers:
            logs.found = found(old, new)
        else:
            looked.set()

    logs.look = start
    assert next(lines).line.text == "new"


def test_a_host_that_hangs_holds_up_nobody(logs: Logs) -> None:
    """Lines of the others come while it is waited for."""
    logs.found = found(container("web.1"))
    logs.lines = {"web.1": [line(1, "a")]}
    asked, hangs = threading.Event(), threading.Event()
    lines = logs.read(LogRequest(follow=True))
    next(lines)

    def look() -> None:
        asked.set()
        hangs.wait(20)

    logs.look = look
    logs.lines["web.1"].append(line(2, "b"))
    assert next(lines).line.text == "b"
    assert asked.wait(120)
    logs.lines["web.1"].append(line(3, "c"))
    assert next(lines).line.text == "c"
    hangs.set()


def test_a_connection_that_breaks(logs: Logs) -> None:
    """It is said, and the log is read on from the last line as soon as the host answers again."""
    logs.found = found(container("web.1"))
    logs.lines = {"web.1": [line(1, "a")]}
    lines = logs.read(LogRequest(follow=True))
    next(lines)
    logs.lines["web.1"].append(line(2, "b"))
    assert next(lines).line.text == "b"
    logs.broken = {"web.1"}
    while not logs.warnings:
        time.sleep(0.005)
    logs.lines["web.1"].append(line(3, "c"))
    logs.broken = set()

    assert next(lines).line.text == "c"


def test_a_host_that_comes_back(logs: Logs) -> None:
    """Of its tasks as much is shown as of the others at first, and not all that they have ever said."""
    logs.found = found(container("web.1"), silent=("hive1: no answer",))
    logs.lines = {"web.1": [line(1, "a")], "web.2": [line(2, "b")]}
    lines = logs.read(LogRequest(lines=100, follow=True))
    next(lines)
    logs.found = found(container("web.1"), container("web.2", 1))

    assert next(lines).line.text == "b"
    assert logs.requests[-1] == ("web.2", LogRequest(lines=100, follow=True))


def test_a_driver_that_keeps_nothing(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is said once, and not asked again."""

    def refuses(where: str, *_: object) -> Iterator[LogLine]:
        logs.requests.append((where, LogRequest()))
        raise ServiceError(f"{where}: does not support reading")
        yield line(0, "")

    monkeypatch.setattr(service_logs, "log_lines", refuses)
    logs.found = found(container("web.1"))

    assert list(logs.read(LogRequest())) == []
    assert logs.warnings == ["web.1 on hive0 (web.1): does not support reading"]


@pytest.mark.parametrize(
    ("time_of_log", "after"),
    [
        ("2026-11-29T01:00:00.000000001Z", "1795914000.000000002"),
        ("2026-11-29T01:00:00.999999999Z", "1795914001.000000000"),
        ("2026-11-29T01:00:00.5Z", "1795914000.500000001"),
    ],
)
def test_the_nanosecond_behind(time_of_log: str, after: str) -> None:
    """So that the last line does not come again."""
    assert after_time(time_of_log) == after


def kept(*lines: tuple[str, LogLine]) -> Callable[[], Iterator[TaskLine]]:
    """Return what gives lines that are kept."""
    return lambda: (TaskLine(task, each) for task, each in lines)


def test_lines_that_are_kept_fill_what_tasks_no_longer_have(logs: Logs) -> None:
    """In the order of time; one that a host still has as well comes once, and as often as the host has it."""
    logs.found = found(container("web.1"))
    logs.lines = {"web.1": [line(2, "still"), line(3, "here"), line(3, "here")]}
    logs.kept = kept(
        ("web.1", line(1, "rotated away")),
        ("web.1", line(2, "still")),
        ("web.2", line(2, "still")),
        ("web.1", line(3, "here")),
        ("web.1", line(4, "just sent")),
    )

    assert [(each.task, each.line.text) for each in logs.read(LogRequest(since="1.0"))] == [
        ("web.1", "rotated away"),
        ("web.1", "still"),
        ("web.2", "still"),
        ("web.1", "here"),
        ("web.1", "here"),
        ("web.1", "just sent"),
    ]
    assert logs.warnings == []


def test_lines_that_are_kept_are_read_where_no_task_is_left(logs: Logs) -> None:
    """With tasks, and without a time, what they have is what is wanted."""
    logs.kept = kept(("web.1", line(1, "long ago")))
    assert [each.line.text for each in logs.read(LogRequest())] == ["long ago"]

    logs.found, logs.lines = found(container("web.1")), {"web.1": [line(2, "now")]}
    assert [each.line.text for each in logs.read(LogRequest())] == ["now"]


def test_kept_lines_that_can_not_be_read_do_not_hold_up_the_others(logs: Logs) -> None:
    """The repository host may be down."""

    def broken() -> Iterator[TaskLine]:
        raise HostError("hive9: does not answer")

    logs.found, logs.lines, logs.kept = found(container("web.1")), {"web.1": [line(2, "now")]}, broken

    assert [each.line.text for each in logs.read(LogRequest(since="1.0"))] == ["now"]
    assert logs.warnings == ["hive9: does not answer"]
