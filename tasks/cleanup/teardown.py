"""Taking a stage down, for `doit destroy`.

Every removal finds first and tolerates that nothing is there, so that a destroy that was killed is simply run again.
The state directory goes last: as long as anything is left, what is known of it is kept.
"""

import shutil
from collections.abc import Collection
from pathlib import Path

from model.log import Log
from tasks.cleanup.inventory import Inventory
from tasks.phases import PHASES
from tasks.run.context import Run
from tasks.run.state import State


def take_down(run: Run, there: Inventory, volumes: Collection[str], log: Log) -> list[str]:
    """Have each phase remove the things that it made, the last phase first; return the problems.

    Args:
        run: The run, which holds the stage.
        there: Its inventory.
        volumes: The volumes that a person named.
        log: Tells the person.

    """
    return [
        problem for phase in reversed(PHASES.values()) for problem in phase.destroy(run, there, volumes, log)
    ]


def forget(state: State, sockets: Path) -> None:
    """Remove the stage's files on this machine, with its sockets and secrets. The lock ends last."""
    shutil.rmtree(sockets, ignore_errors=True)
    lock = state.root / "lock"
    for path in state.root.iterdir():
        if path == lock:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    lock.unlink(missing_ok=True)
    state.unlock()
    for directory in (state.root, state.root.parent):
        try:
            directory.rmdir()
        except OSError:
            return  # another stage's, or a new run has begun in it
