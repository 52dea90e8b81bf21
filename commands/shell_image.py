"""`doit shell_image:NAME`: open a shell in a failed build, at the point of failure.

The file system of a failed role is kept as an image on the repository host until a build succeeds. The shell runs in a
container of that image: it can be opened many times, and changes made in it are lost. So are the image's secrets, which
are put into the container, as they are into one that builds.
"""

import sys
from collections.abc import Sequence
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.current_run import site_run
from model.errors import SkepError
from model.reasons import reason_of
from model.secrets.secret import Secret
from remote.images.role_archive import secrets_archive
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
set, the image's secrets are in /.skep/secrets. Changes are lost when the shell ends; the next successful build \
removes the state."""

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
        if kept is None:
            raise InvalidCommand(f"image {name} has no failed build: its last build did not fail in a role")
        from remote.engine.attached import run_attached
        from remote.engine.client import engine_errors

        secrets = _secrets(run, name)
        with engine_errors(repository.short, f"opening a shell in {kept}"):
            return run_attached(
                run.connections.engine(repository),
                kept,
                ["/bin/sh", "-c", _ENTER],
                secrets_archive(secrets) if secrets else b"",
                terminal=sys.stdin.isatty(),
            )
    except SkepError as error:
        raise InvalidCommand(run.secrets.redact(str(error))) from error
    finally:
        run.connections.close()


def _secrets(run: Run, name: str) -> dict[str, Secret]:
    """Return the secrets that an image's roles see; of one that can't be read a line is printed."""
    found = {}
    for secret in run.stage.images[name].secrets:
        try:
            found[secret] = run.secrets.read(secret)
        except (SkepError, KeyError) as error:
            sys.stderr.write(f"secret {secret} is not in the shell: {run.secrets.redact(reason_of(error))}\n")
    return found
