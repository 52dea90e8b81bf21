"""A command in a service's container with this process's terminal, input, output and signals."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from commands.shared.console import clean
from model.errors import SkepError
from remote.engine.engine_session import EngineSession
from remote.engine.exec_session import ExecRequest, ExecSession
from remote.engine.terminal import ERRORS, OUTPUT, own_terminal, write
from tasks.operate.containers import ServiceContainer
from tasks.run.context import Run
from tasks.run.open import DASHES

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
BROKEN = 255
"""The exit status where the connection failed, not the command; as with ssh."""


def words_behind_dashes() -> list[str]:
    """Return the words behind `--`, as they were typed: doit takes those with `=` for its own."""
    return sys.argv[sys.argv.index(DASHES) + 1 :] if DASHES in sys.argv else []


def words_before_dashes(args: Sequence[str]) -> list[str]:
    """Return the words of a command's own before `--`."""
    words = list(args)
    if DASHES in words:
        return words[: words.index(DASHES)]
    return [] if words_behind_dashes() else words


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
    if terminal:
        with own_terminal(command.resize):
            return command.run(write)
    with _signals_for(run, container, command):
        return command.run(write)


def run_in_all(run: Run, containers: Sequence[ServiceContainer], request: ExecRequest) -> int:
    """Run a command in containers at the same time, each line of output behind its task; return the worst status."""
    guard = threading.Lock()
    width = max(len(container.task) for container in containers)

    def one(container: ServiceContainer) -> int:
        pending = {OUTPUT: b"", ERRORS: b""}

        def take(descriptor: int, data: bytes) -> None:
            *lines, pending[descriptor] = (pending[descriptor] + data).split(b"\n")
            for line in lines:
                say(descriptor, line)

        def say(descriptor: int, line: bytes) -> None:
            with guard:
                write(descriptor, f"{container.task:<{width}} | ".encode() + line + b"\n")

        try:
            status = session(run, container, request).run(take)
        except SkepError as error:
            say(ERRORS, clean(str(error)).encode())
            return BROKEN
        for descriptor, rest in pending.items():
            if rest:
                say(descriptor, rest)
        return status

    with ThreadPoolExecutor(max_workers=len(containers)) as pool:
        return max(pool.map(one, containers))


@contextlib.contextmanager
def _signals_for(run: Run, container: ServiceContainer, command: EngineSession) -> Iterator[None]:
    """Send this process's signals to the command: the engine's API has no way to, its host has."""

    def forward(number: int, _frame: object) -> None:
        threading.Thread(target=_kill, args=(run, container, command, number), daemon=True).start()

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kill(run: Run, container: ServiceContainer, command: EngineSession, number: int) -> None:
    """Send a signal to a command's process; one that has ended needs none."""
    with contextlib.suppress(SkepError):
        pid = command.pid()
        if pid:
            name = signal.Signals(number).name.removeprefix("SIG")
            # Its group, where it has one of its own: a shell's commands are to have it too.
            run.connections.to(container.host).script(
                f"kill -s {name} -- -{pid} 2>/dev/null || kill -s {name} {pid}", label="sending a signal"
            )
