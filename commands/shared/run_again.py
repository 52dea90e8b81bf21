"""A run of doit after a command that has left something to do."""

import os
import shlex
import sys
from collections.abc import Sequence

from remote.mother import process
from tasks.run.context import Run

RESTORING = "SKEP_RESTORING"
"""The environment variable by which a run knows that it is a part of `doit restore site`."""


def run_again(run: Run, program: str, tasks: Sequence[str] = (), *, is_restoring: bool = False) -> int:
    """Run doit on the same stage, in this terminal, and return its exit status.

    Args:
        run: The run, which has let the stage go.
        program: How doit was called.
        tasks: The tasks to run, or a command with its words; all tasks if there are none.
        is_restoring: Whether it is a part of `doit restore site`; others are refused as long as that is under way.

    """
    words = [*tasks, f"stage={run.stage.name}"]
    # One that was itself started so knows no name of its own.
    shown = "doit" if program == "-m" else program
    sys.stdout.write(f"{shlex.join([shown, *words])}\n")
    sys.stdout.flush()
    return process.run_in_front(
        [sys.executable, "-m", "doit", *words],
        cwd=run.directory,
        # Its secrets too, which no other program that is started here inherits: it takes them out again.
        env={**os.environ, **run.secrets.taken, **({RESTORING: run.stage.name} if is_restoring else {})},
    )
