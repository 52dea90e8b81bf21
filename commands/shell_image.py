"""`doit shell_image:NAME`: open a shell in a failed build, at the point of failure.

The file system of a failed role is kept as an image on the repository host until a build succeeds. The shell runs in a
container of that image: it can be opened many times, and changes made in it are lost.
"""

import subprocess
import sys
from collections.abc import Sequence
from shlex import quote
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.current_run import site_run
from model.errors import SkepError
from remote.ssh import commands as ssh_commands
from tasks.build_images import failed_build
from tasks.run.context import Run

PREFIX = "shell_image:"
_ENTER = (
    "if [ -d /.skep/role ]; then set -a; . /.skep/env; set +a; cd /.skep/role; "
    "echo 'the role is here, its variables are set; ./setup.sh is what failed' >&2; "
    "else echo 'all is as the role left it when a task of its failed' >&2; fi; "
    "if command -v bash >/dev/null; then exec bash; else exec sh; fi"
)


class ShellImageCommand(DoitCmdBase):
    """Open a shell in a failed build."""

    name = "shell_image"
    doc_purpose = "open a shell in a failed image build, at the point of failure"
    doc_usage = "IMAGE"
    doc_description = """\
Also as `doit shell_image:IMAGE`. The failed role is in /.skep/role (unless it is one of Ansible), its variables are \
set, its secrets are not there. Changes are lost when the shell ends; the next successful build removes the state."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Open the shell. Loads no tasks."""
        self.loader.setup(params)
        if len(args) != 1:
            raise InvalidCommand("shell_image takes the name of one image")
        return shell(site_run(self.loader), args[0])


def shell(run: Run, name: str) -> int:
    """Open a shell in an image's failed build, and return its exit status.

    Raises:
        InvalidCommand: There is no such image, or no failed build of it.

    """
    if name not in run.stage.images:
        images = ", ".join(run.stage.images)
        raise InvalidCommand(f"stage {run.stage.name} has no image {name}; there are {images}")
    repository = run.stage.repository
    try:
        kept = failed_build(run, name)
    except SkepError as error:
        raise InvalidCommand(str(error)) from error
    finally:
        run.connections.close()
    if kept is None:
        raise InvalidCommand(f"image {name} has no failed build: its last build did not fail in a role")
    terminal = sys.stdin.isatty()
    ssh = ssh_commands.ssh_command(
        run.connections.files.config,
        run.connections.files.control(repository.short),
        repository.short,
        command(kept, terminal=terminal),
        terminal=terminal,
    )
    # The shell has this process's terminal, which `remote.mother.process` gives to nobody.
    return subprocess.call(ssh)


def command(image: str, *, terminal: bool) -> str:
    """Return the command that opens the shell on the repository host."""
    options = "-it" if terminal else "-i"
    return (
        f"exec sudo -n docker run --rm {options} --network host --user 0:0 --entrypoint /bin/sh "
        f"{quote(image)} -c {quote(_ENTER)}"
    )
