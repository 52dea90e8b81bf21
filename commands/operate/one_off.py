"""`doit run SERVICE -- COMMAND`: a one-off task with all that a service has."""

import sys
from collections.abc import Sequence

from doit.exceptions import InvalidCommand

from commands.operate.attach import (
    BROKEN,
    StoppedError,
    attach_to,
    session,
    stopped_by_signals,
    terminal_environment,
)
from model.errors import ServiceError, SkepError
from remote.engine.container_session import ContainerSession
from remote.engine.exec_session import ExecRequest, ExecSession
from remote.engine.terminal import has_input, is_terminal
from tasks.operate.containers import ServiceContainer, known_service
from tasks.operate.one_off import HOLDER, NotStartedError, one_off_task
from tasks.run.context import Run


def run_one_off(run: Run, names: Sequence[str], command: Sequence[str]) -> int:
    """Run a command as a task of its own, and return its exit status.

    Raises:
        InvalidCommand: Not one service was named.

    """
    if len(names) != 1:
        raise InvalidCommand("type: doit run SERVICE -- COMMAND; phases and tasks take no command")
    try:
        service = known_service(run.stage, names[0])
        # The task has to go, whatever ends this process.
        with stopped_by_signals():
            return _run(run, service, command)
    except SkepError as error:
        _say(run.secrets.redact(str(error)))
        return BROKEN
    except StoppedError as stopped:
        return stopped.status
    finally:
        run.connections.close()


def _run(run: Run, service: str, command: Sequence[str]) -> int:
    """Run the command, and return its exit status.

    Raises:
        SkepError: It can't be run.
        StoppedError: This process was told to end.

    """
    terminal = is_terminal()
    environment = terminal_environment() if terminal else ()
    request = ExecRequest(command, terminal=terminal, environment=environment)
    # In a container that waits: of one's own program the engine gives no input, and output only as its log has it.
    try:
        with one_off_task(run, service, HOLDER, _say) as container:
            if (program := _begun(run, container, request)) is not None:
                _say(container.words)
                return attach_to(run, container, program, terminal=terminal)
    except NotStartedError as error:
        if HOLDER[0] not in str(error):
            raise
    note = ", and so the command gets no input" if not terminal and has_input() else ""
    _say(f"{service}: its image has no sh and sleep: the command is the container's own program{note}")
    with one_off_task(run, service, command, _say, environment) as container:
        _say(container.words)
        connection = run.connections.to(container.host)
        connection.open()
        own = ContainerSession(
            container.words, connection.docker_socket, container.id, terminal=terminal, stdin=terminal
        )
        return attach_to(run, container, own, terminal=terminal)


def _begun(run: Run, container: ServiceContainer, request: ExecRequest) -> ExecSession | None:
    """Return the command in a container; None if that does not run, as its image has no shell.

    Raises:
        HostError: The host or its engine does not answer.

    """
    try:
        return session(run, container, request)
    except ServiceError:
        return None


def _say(line: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
