"""A run of doit after a command that has left something to do."""

import sys

from remote.mother import process
from tasks.run.context import Run


def run_again(run: Run, program: str) -> int:
    """Run doit on the same stage, in this terminal, and return its exit status."""
    sys.stdout.write(f"{program} stage={run.stage.name}\n")
    sys.stdout.flush()
    return process.run_in_front([sys.executable, "-m", "doit", f"stage={run.stage.name}"], cwd=run.directory)
