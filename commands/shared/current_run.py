"""The run that dodo.py made, for doit's commands."""

import shlex
from collections.abc import Collection, Sequence
from typing import Any

from doit.exceptions import InvalidDodoFile

from tasks.run.context import Run


def site_run(loader: Any, *, asks: bool = True) -> Run:
    """Return the run that dodo.py holds.

    Args:
        loader: doit's loader.
        asks: Whether the commands of `[secrets]` may be run.

    Raises:
        InvalidDodoFile: The dodo.py is not skep's.

    """
    run = loader.namespace.get("RUN")
    if not isinstance(run, Run):
        msg = "this dodo.py is not skep's; start doit in the site's directory, or name skep's with DOIT_FILE"
        raise InvalidDodoFile(msg)
    run.secrets.may_run_commands = asks
    return run


def confirming(
    run: Run, program: str, command: str, volumes: Collection[str], arguments: Sequence[str] = ()
) -> str:
    """Return the command line that confirms what `doit destroy`, `doit prune` or `doit rebalance` would do.

    Args:
        run: The run.
        program: How doit was called.
        command: The command's name.
        volumes: The volumes to remove as well.
        arguments: The command's arguments.

    """
    words = [program, command, *arguments, f"confirm={run.stage.site_name}"]
    if len(run.stage.site.stages) > 1:
        words.append(f"stage={run.stage.name}")
    if volumes:
        words.append(f"volumes={','.join(sorted(volumes))}")
    return shlex.join(words)
