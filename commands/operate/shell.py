"""`doit shell SERVICE`: a shell in a running container of a service."""

import sys
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.operate.attach import BROKEN, attach, terminal_environment
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from model.errors import ServiceError, SkepError
from remote.engine.container_archive import ContainerFiles
from remote.engine.exec_session import ExecRequest
from remote.engine.terminal import is_terminal
from tasks.operate.containers import (
    ALL,
    ENOUGH,
    ServiceContainer,
    chosen,
    find_containers,
    known_service,
)
from tasks.run.context import Run

# The image's own: bash, else ash, else whatever sh is.
_SHELL = "for shell in bash ash; do command -v $shell >/dev/null 2>&1 && exec $shell; done; exec sh"
_NO_SUCH_PROGRAM = (126, 127)
_BINARIES = ("/bin", "/usr/bin", "/usr/local/bin", "/busybox")


class ShellCommand(DoitCmdBase):
    """Open a shell in a service's container."""

    name = "shell"
    doc_purpose = "open a shell in a running container of a service"
    doc_usage = "SERVICE [task=NUMBER|HOST] [user=USER] [dir=DIRECTORY]"
    doc_description = (
        "bash, where the image has it, else ash, else sh. See `doit help exec` for which container it is."
    )

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Open the shell. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        task = get_var("task")
        if len(args) != 1 or task == ALL:
            raise InvalidCommand(f"type: {self.bin_name} shell SERVICE [task=NUMBER]")
        try:
            service = known_service(run.stage, args[0])
            [container] = chosen(
                find_containers(run, service, enough=None if task else ENOUGH), service, task
            )
            sys.stderr.write(f"{container.words}\n")
            sys.stderr.flush()
            terminal = is_terminal()
            request = ExecRequest(
                ["sh", "-c", _SHELL],
                terminal=terminal,
                user=get_var("user") or "",
                workdir=get_var("dir") or "",
                environment=terminal_environment() if terminal else (),
            )
            status = attach(run, container, request)
            if status in _NO_SUCH_PROGRAM and not _has_shell(run, container):
                raise ServiceError(
                    f"{container.words}: its image has no shell (`doit exec {service} -- PROGRAM` runs one of its "
                    f"programs, `doit cp {service}:/PATH .` fetches files)"
                )
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return BROKEN
        except KeyboardInterrupt:
            return INTERRUPTED
        return status


def _has_shell(run: Run, container: ServiceContainer) -> bool:
    """Return whether a container has a shell in one of the usual places."""
    connection = run.connections.to(container.host)
    files = ContainerFiles(container.words, connection.docker_socket, container.id)
    return any(files.stat(f"{directory}/sh") for directory in _BINARIES)
