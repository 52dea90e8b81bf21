"""Removing orphans, in an order in which nothing that is still used goes. Used by `doit prune` alone.

Every removal finds first and tolerates that nothing is there, so that a prune that was killed is simply run again.
"""

from collections.abc import Sequence
from itertools import groupby

from model.log import Log
from tasks.hosts.node_labels import prune_labels
from tasks.phase import Orphan
from tasks.run.context import Run


def prune(run: Run, going: Sequence[Orphan], log: Log) -> list[str]:
    """Remove orphans, kind by kind; return the problems.

    Args:
        run: The run, which holds the stage.
        going: The orphans that go, in the order in which they can.
        log: Tells the person.

    """
    tasks = {orphan.task for orphan in going}
    problems: list[str] = []
    for _, orphans in groupby(going, key=type):
        alike = list(orphans)
        problems += alike[0].remove_all(run, alike, tasks, log)
    return problems + prune_labels(run, log)
