"""`doit exec SERVICE -- COMMAND`: run a command in a running container of a service, wherever that is."""

import sys
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.operate.attach import (
    BROKEN,
    attach,
    run_in_all,
    say_silent,
    terminal_environment,
    words_before_dashes,
    words_behind_dashes,
)
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from model.errors import SkepError
from remote.engine.exec_session import ExecRequest
from remote.engine.terminal import is_terminal
from tasks.operate.containers import ALL, ENOUGH, chosen, find_containers, known_service


class ExecCommand(DoitCmdBase):
    """Run a command in a service's container."""

    name = "exec"
    doc_purpose = "run a command in a running container of a service"
    doc_usage = "SERVICE [task=NUMBER|HOST|all] [user=USER] [dir=DIRECTORY] -- COMMAND [ARGUMENT ...]"
    doc_description = """\
Without task= a container that its health check calls healthy is taken, of the lowest task; which one is said on \
standard error. task= names another by its number or its host; task=all runs the command in all of them at once, each \
line of output behind its task.

Input, output, terminal, window size, Ctrl-C and signals are as with ssh, and so is the exit status: that of the \
command, or 255 where the connection failed. Without a terminal the command gets Ctrl-C as a signal; a second \
one leaves it to itself."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Run the command. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        command = words_behind_dashes()
        names = words_before_dashes(args)
        if not command or len(names) != 1:
            raise InvalidCommand(f"type: {self.bin_name} exec SERVICE [task=NUMBER|all] -- COMMAND")
        task = get_var("task")
        try:
            service = known_service(run.stage, names[0])
            found = find_containers(run, service, enough=None if task else ENOUGH)
            containers = chosen(found, service, task)
            terminal = is_terminal() and task != ALL
            request = ExecRequest(
                command,
                terminal=terminal,
                stdin=task != ALL,
                user=get_var("user") or "",
                workdir=get_var("dir") or "",
                environment=terminal_environment() if terminal else (),
            )
            if task == ALL:
                status = run_in_all(run, containers, request)
                return BROKEN if say_silent(run, found) else status
            [container] = containers
            sys.stderr.write(f"{container.words}\n")
            sys.stderr.flush()
            return attach(run, container, request)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return BROKEN
        except KeyboardInterrupt:
            return INTERRUPTED
