"""A command in a service's container with this process's terminal, input, output and signals."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from functools import partial
from types import FrameType

from commands.shared.console import clean
from model.errors import SkepError
from remote.engine.engine_session import EngineSession
from remote.engine.exec_session import ExecRequest, ExecSession
from remote.engine.terminal import ERRORS, OUTPUT, own_terminal, write
from remote.mother.questions import begin
from tasks.operate.containers import ServiceContainer, ServiceContainers
from tasks.run.context import Run
from tasks.run.open import DASHES

BROKEN = 255
"""The exit status where the connection failed, not the command; as with ssh."""
SIGNALLED = 128
"""The exit status of who was ended by a signal is higher by its number."""
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_TURN = 0.2
"""Seconds within which a signal is seen."""
_PATIENCE = 5.0
"""Seconds for telling a host to signal a command."""


class StoppedError(BaseException):
    """This process was told to end. No `Exception`: nothing on the way is to take it for a failure.

    Args:
        number: The signal.

    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = SIGNALLED + number


def words_behind_dashes() -> list[str]:
    """Return the words behind `--`, as they were typed: doit takes those with `=` for its own."""
    return sys.argv[sys.argv.index(DASHES) + 1 :] if DASHES in sys.argv else []


def words_before_dashes(args: Sequence[str]) -> list[str]:
    """Return the words of a command's own before `--`."""
    words = list(args)
    if DASHES in words:
        return words[: words.index(DASHES)]
    return [] if words_behind_dashes() else words


def terminal_environment() -> list[str]:
    """Return the environment that a command with this process's terminal gets, as ssh passes it."""
    return [f"TERM={os.environ.get('TERM') or 'xterm'}"]


def session(run: Run, container: ServiceContainer, request: ExecRequest) -> ExecSession:
    """Return a command in a container, not started yet.

    Raises:
        SkepError: Its host or its engine does not answer, or refuses.

    """
    connection = run.connections.to(container.host)
    connection.open()
    return ExecSession(container.words, connection.docker_socket, container.id, request)


def attach(run: Run, container: ServiceContainer, request: ExecRequest) -> int:
    """Run a command in a container with this process's input, output and signals, and return its exit status.

    Raises:
        SkepError: It can't be started, or the connection broke.

    """
    return attach_to(run, container, session(run, container, request), terminal=request.terminal)


def attach_to(run: Run, container: ServiceContainer, command: EngineSession, *, terminal: bool) -> int:
    """Let a program run to its end with this process's input, output and signals, and return its exit status.

    Raises:
        SkepError: It can't be started, or the connection broke.

    """
    sessions = {command: container}
    try:
        if terminal:
            # Its keys are the program's, Ctrl-C too; a signal means that this process, or its window, is to go.
            with stopped_by_signals(), own_terminal(command.resize):
                return command.run(write)
        with _signals_for(run, sessions):
            return command.run(write)
    except StoppedError as stopped:
        if terminal:
            _send(run, sessions, signal.SIGHUP)
        return stopped.status
    except BrokenPipeError:
        _send(run, sessions, signal.SIGPIPE)
        return SIGNALLED + signal.SIGPIPE


def run_in_all(run: Run, containers: Sequence[ServiceContainer], request: ExecRequest) -> int:
    """Run a command in containers at the same time, each line of output behind its task; return the worst status."""
    guard = threading.Lock()
    width = max(len(container.task) for container in containers)
    sessions: dict[EngineSession, ServiceContainer] = {}

    def one(container: ServiceContainer) -> int:
        pending = {OUTPUT: b"", ERRORS: b""}

        def take(descriptor: int, data: bytes) -> None:
            *lines, pending[descriptor] = (pending[descriptor] + data).split(b"\n")
            for line in lines:
                say(descriptor, line)

        def say(descriptor: int, line: bytes) -> None:
            with guard:
                write(descriptor, f"{container.task:<{width}} | ".encode() + line + b"\n")

        started: dict[EngineSession, ServiceContainer] = {}
        try:
            command = session(run, container, request)
            started[command] = sessions[command] = container
            status = command.run(take)
            for descriptor, rest in pending.items():
                if rest:
                    say(descriptor, rest)
        except SkepError as error:
            say(ERRORS, clean(run.secrets.redact(str(error))).encode())
            return BROKEN
        except BrokenPipeError:
            _send(run, started, signal.SIGPIPE)
            return SIGNALLED + signal.SIGPIPE
        return status

    try:
        with _signals_for(run, sessions):
            running = [begin(partial(one, each)) for each in containers]
            # By turns: Python would see a signal that comes just before it waits only when it has waited.
            while wait(running, _TURN).not_done:
                pass
            return max(each.result() for each in running)
    except StoppedError as stopped:
        return stopped.status


def say_silent(run: Run, found: ServiceContainers) -> bool:
    """Say where nothing was done, where all containers are meant, and return whether that is so anywhere.

    That is on hosts that did not answer, and in containers that are paused.
    """
    lines = [*found.silent, *(each.why_not_entered for each in found.paused)]
    for line in lines:
        sys.stderr.write(f"{clean(run.secrets.redact(line))}; nothing was done there\n")
    return bool(lines)


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise StoppedError within where this process is told to end, so that nothing stays behind.

    Raises:
        StoppedError: It was.

    """

    def stop(number: int, _frame: object) -> None:
        raise StoppedError(number)

    with _handled(stop):
        yield


@contextlib.contextmanager
def _signals_for(run: Run, sessions: Mapping[EngineSession, ServiceContainer]) -> Iterator[None]:
    """Send this process's signals to commands: the engine's API has no way to, their hosts have.

    Raises:
        StoppedError: A signal came again, as the commands don't end by it.

    """
    seen: set[int] = set()

    def forward(number: int, _frame: object) -> None:
        if number in seen:
            raise StoppedError(number)
        seen.add(number)
        threading.Thread(target=_send, args=(run, dict(sessions), number), daemon=True).start()

    with _handled(forward):
        yield


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have a handler take the signals that end a process."""
    before = {number: signal.signal(number, handler) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _send(run: Run, sessions: Mapping[EngineSession, ServiceContainer], number: int) -> None:
    """Send a signal to the processes of commands; one that has ended needs none."""
    name = signal.Signals(number).name.removeprefix("SIG")
    for command, container in sessions.items():
        with contextlib.suppress(SkepError):
            if pid := command.pid():
                # Its group, where it has one of its own: a shell's commands are to have it too.
                run.connections.to(container.host).script(
                    f"kill -s {name} -- -{pid} 2>/dev/null || kill -s {name} {pid}",
                    timeout=_PATIENCE,
                    label="sending a signal",
                )
