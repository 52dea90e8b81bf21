"""The run that dodo.py made, for doit's commands."""

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
