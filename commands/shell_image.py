"""`doit shell_image:NAME`: a shell in a failed build, at the point of failure.

What a failed role left is kept as an image on the repository host until the image is built well. The shell runs in a
container of that image: it can be opened many times, and what is done in it changes nothing.
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
from remote.ssh import commands as argv
from tasks.build_images import failed_build
from tasks.run.context import Run

PREFIX = "shell_image:"
_ENTER = (
    "if [ -d /.skep/role ]; then set -a; . /.skep/env; set +a; cd /.skep/role; "
    "echo 'the role is here, its variables are set; ./setup.sh is what failed' >&2; "
    "else echo 'all is as the role left it when a task of its failed' >&2; fi; "
    "if command -v bash >/dev/null; then exec bash; else exec sh; fi"
)


class ShellImage(DoitCmdBase):
    """Open a shell in a failed build."""

    name = "shell_image"
    doc_purpose = "open a shell in an image's failed build, at the point of failure"
    doc_usage = "IMAGE"
    doc_description = """\
Also as `doit shell_image:IMAGE`. The role that failed is in /.skep/role, its variables are set, its secrets are gone; \
a role of Ansible is not there. \
What you do there is forgotten when the shell ends; the next good build of the image removes what was kept."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Open it. No tasks are loaded: none is needed."""
        self.loader.setup(params)
        if len(args) != 1:
            raise InvalidCommand("shell_image takes the name of one image")
        return shell(site_run(self.loader), args[0])


def shell(run: Run, name: str) -> int:
    """Open a shell in what is kept of an image's failed build, and return its exit status.

    Raises:
        InvalidCommand: There is no such image, or nothing is kept of it.

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
        raise InvalidCommand(f"nothing is kept of image {name}: its last build did not fail in a role")
    terminal = sys.stdin.isatty()
    words = argv.ssh_command(
        run.connections.files.config,
        run.connections.files.control(repository.short),
        repository.short,
        command(kept, terminal=terminal),
        terminal=terminal,
    )
    # The shell has this process's terminal, which `remote.mother.process` gives to nobody.
    return subprocess.call(words)


def command(image: str, *, terminal: bool) -> str:
    """Return what opens the shell on the repository host."""
    options = "-it" if terminal else "-i"
    return (
        f"exec sudo -n docker run --rm {options} --network host --user 0:0 --entrypoint /bin/sh "
        f"{quote(image)} -c {quote(_ENTER)}"
    )
