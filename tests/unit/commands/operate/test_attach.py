"""A program in a container with this process's signals: who gets them, and what is left behind."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commands.operate import attach as attached
from commands.operate.attach import StoppedError, attach_to, run_in_all, say_silent, stopped_by_signals
from model.errors import HostError
from model.stage import Host
from remote.engine.engine_session import EngineSession
from remote.engine.exec_session import ExecRequest
from tasks.operate.containers import ServiceContainer, ServiceContainers

HOSTS = [
    Host(f"hive{n}", f"p-hive{n}.example", f"10.0.0.{n}", is_hive=True, is_repository=False) for n in range(2)
]
CONTAINERS = [
    ServiceContainer("web", host, f"{n}" * 64, f"web.{n + 1}", "running", "Up", 1.0, "page")
    for n, host in enumerate(HOSTS)
]


class Session(EngineSession):
    """A program that does what a test says, and has process 4711."""

    def __init__(self, program: Callable[[Callable[[int, bytes], None]], int]) -> None:
        super().__init__("hive0", Path("none"), terminal=False, stdin=False)
        self.program = program

    def run(self, output: Callable[[int, bytes], None]) -> int:
        """Run it."""
        return self.program(output)

    def begin(self) -> socket.socket:
        """Not used."""
        raise NotImplementedError

    def exit_status(self) -> int:
        """Not used."""
        raise NotImplementedError

    def pid(self) -> int:
        """Return its process."""
        return 4711

    def size_path(self, columns: int, lines: int) -> str:
        """Not used."""
        raise NotImplementedError


class Hosts:
    """A run's hosts, which note the scripts that they run."""

    def __init__(self) -> None:
        self.connections = self
        self.secrets: Any = SimpleNamespace(redact=lambda text: text)
        self.scripts: list[str] = []
        self.came = threading.Event()

    def to(self, host: Host) -> "Hosts":
        """Return the connection to a host."""
        del host
        return self

    def script(self, text: str, **_options: object) -> str:
        """Note a script."""
        self.scripts.append(text)
        self.came.set()
        return ""


def test_a_signal_goes_to_the_program() -> None:
    """As the engine has no call for that, its host sends it, to the whole group; the program decides how it ends."""
    run: Any = Hosts()

    def program(_output: object) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        assert run.came.wait(120)
        return 3

    assert attach_to(run, CONTAINERS[0], Session(program), terminal=False) == 3
    assert run.scripts == ["kill -s TERM -- -4711 2>/dev/null || kill -s TERM 4711"]


def test_a_second_one_ends_this_process() -> None:
    """A program that does not end by Ctrl-C holds nobody: the second one leaves it alone."""
    run: Any = Hosts()

    def program(_output: object) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("it was waited for")

    assert attach_to(run, CONTAINERS[0], Session(program), terminal=False) == 130


def test_nobody_reads_any_more() -> None:
    """The program is told so as a local one is, and goes; `| head` ends with the status of SIGPIPE."""
    run: Any = Hosts()

    def program(_output: object) -> int:
        raise BrokenPipeError

    assert attach_to(run, CONTAINERS[0], Session(program), terminal=False) == 141
    assert run.scripts == ["kill -s PIPE -- -4711 2>/dev/null || kill -s PIPE 4711"]


def test_the_handlers_of_before_are_back() -> None:
    """Ctrl-C means afterwards what it meant before."""
    run: Any = Hosts()
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    attach_to(run, CONTAINERS[0], Session(lambda _output: 0), terminal=False)

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_this_process_is_told_to_end() -> None:
    """That is an error which nothing takes for a failure, so that what was begun is taken back."""
    with pytest.raises(StoppedError) as stopped, stopped_by_signals():
        os.kill(os.getpid(), signal.SIGHUP)

    assert stopped.value.status == 129
    assert not isinstance(stopped.value, Exception)


def test_in_all(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Each line of output stands behind its task, also one without an end; the worst status counts."""

    def program(output: Callable[[int, bytes], None]) -> int:
        output(1, b"one\ntw")
        output(1, b"o\nthree")
        output(2, b"odd\n")
        return 2

    def session(_run: object, container: ServiceContainer, _request: object) -> Session:
        if container is CONTAINERS[1]:
            raise HostError("hive1: its Docker Engine does not answer")
        return Session(program)

    monkeypatch.setattr(attached, "session", session)
    run: Any = Hosts()

    assert run_in_all(run, CONTAINERS, ExecRequest(["x"])) == 255
    out, err = capfd.readouterr()
    assert out == "web.1 | one\nweb.1 | two\nweb.1 | three\n"
    assert sorted(err.splitlines()) == ["web.1 | odd", "web.2 | hive1: its Docker Engine does not answer"]


def test_hosts_that_are_silent_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Where all tasks are meant, there may be one more on such a host; one that is paused is left out as well."""
    run: Any = Hosts()

    assert not say_silent(run, ServiceContainers((), ()))
    assert say_silent(run, ServiceContainers((CONTAINERS[0],), ("hive1: no answer within 8 s",)))
    assert say_silent(run, ServiceContainers((replace(CONTAINERS[1], state="paused", is_saved=True),), ()))
    assert capsys.readouterr().err.splitlines() == [
        "hive1: no answer within 8 s; nothing was done there",
        f"{CONTAINERS[1].words} is paused while its files are saved, and goes on then; nothing was done there",
    ]


def test_ctrl_c_goes_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program gets it, and none is left."""
    ended = threading.Barrier(3, timeout=120)
    run: Any = Hosts()

    def program(_output: object) -> int:
        ended.wait()
        assert run.came.wait(120)
        return 130

    def interrupt() -> None:
        ended.wait()
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(attached, "session", lambda *_: Session(program))
    threading.Thread(target=interrupt).start()

    assert run_in_all(run, CONTAINERS, ExecRequest(["x"])) == 130
    assert run.scripts[0] == "kill -s INT -- -4711 2>/dev/null || kill -s INT 4711"
