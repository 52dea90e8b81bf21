"""A command of doit, typed on a site that is made: no process of its own."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.doit_cmd import reset_vars, set_var


def typed(
    command: type[DoitCmdBase], loader: Any, words: Sequence[str], values: Mapping[str, str]
) -> tuple[int, str]:
    """Run a command, and return its exit status and its output.

    Args:
        command: The command.
        loader: Its loader, which has the run.
        words: The words behind its name.
        values: The words `name=value`.

    """
    reset_vars()
    for name, value in values.items():
        set_var(name, value)
    asked = command(task_loader=loader, bin_name="doit")
    asked.outstream = out = io.StringIO()
    params = {option["name"]: option["default"] for option in command.cmd_options}
    try:
        return asked.execute(params, words), out.getvalue()
    finally:
        reset_vars()
