"""A run of doit after a command that has left something to do."""

import os
import shlex
import sys
from collections.abc import Sequence

from remote.mother import process
from tasks.run.context import Run


def run_again(run: Run, program: str, tasks: Sequence[str] = ()) -> int:
    """Run doit on the same stage, in this terminal, and return its exit status.

    Args:
        run: The run, which has let the stage go.
        program: How doit was called.
        tasks: The tasks to run; all if there are none.

    """
    words = [*tasks, f"stage={run.stage.name}"]
    sys.stdout.write(f"{shlex.join([program, *words])}\n")
    sys.stdout.flush()
    return process.run_in_front(
        [sys.executable, "-m", "doit", *words],
        cwd=run.directory,
        # Its secrets too, which no other program that is started here inherits: it takes them out again.
        env={**os.environ, **run.secrets.taken},
    )
