"""`doit run SERVICE -- COMMAND`: a one-off task with all that a service has."""

import sys
from collections.abc import Sequence

from doit.exceptions import InvalidCommand

from commands.operate.attach import (
    BROKEN,
    StoppedError,
    attach,
    attach_to,
    stopped_by_signals,
    terminal_environment,
)
from model.errors import SkepError
from remote.engine.container_session import ContainerSession
from remote.engine.exec_session import ExecRequest
from remote.engine.terminal import has_input, is_terminal
from tasks.operate.containers import known_service
from tasks.operate.one_off import HOLDER, one_off_task
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
    # The swarm has no way to end a container's input: what is piped goes to a command inside of one that waits.
    is_piped = not terminal and has_input()
    environment = terminal_environment() if terminal else ()
    with one_off_task(run, service, HOLDER if is_piped else command, _say, environment) as container:
        _say(container.words)
        if is_piped:
            return attach(run, container, ExecRequest(command))
        connection = run.connections.to(container.host)
        connection.open()
        session = ContainerSession(
            container.words, connection.docker_socket, container.id, terminal=terminal, stdin=terminal
        )
        return attach_to(run, container, session, terminal=terminal)


def _say(line: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
