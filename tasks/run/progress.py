"""How far one run has come."""

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from remote.mother.task_times import TaskTimes
from tasks.run.log import TaskLog


@dataclass
class Progress:
    """The progress of a run's tasks.

    Args:
        reasons: Task to why it is stale, filled as doit asks.
        logs: Task at work to its log.
        times: Task that ran, or is at work, to its times.
        chosen: The tasks of the run, with all that they need; None as long as nobody chose.
        failed: The tasks that failed.
        changed: The resources that this run changed, and did not only find as they should be.
        counts: The number of resources by outcome, at its end.
        revisions: Service to the revision that this run gave it.
        redeployed: The services that this run deployed, so that they are as site.toml says.
        replaced: The hosts that this run replaced or stopped, since they could not be changed as they ran; each with
            the number of tasks of each service that ran in the swarm before, if that is known.
        not_waited_for: The services that did not run as specified before a host was taken down.
        moved: The services that had tasks on hosts which this run took down, so that these may be on any other.
        moves: Whether this run moves all hosts to other addresses at once, or finishes that.
        deployed: Whether this run changed a service.
        pushed: Whether this run pushed an image.
        later: The lines for the end of the run: what is left to the next one, and warnings.
        started: When it began, by the clock of `time.monotonic`.

    """

    reasons: dict[str, list[str]] = field(default_factory=dict)
    logs: dict[str, TaskLog] = field(default_factory=dict)
    times: dict[str, TaskTimes] = field(default_factory=dict)
    chosen: Collection[str] | None = None
    failed: set[str] = field(default_factory=set)
    changed: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)
    redeployed: set[str] = field(default_factory=set)
    replaced: dict[str, dict[str, int] | None] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    moves: bool = False
    not_waited_for: set[str] = field(default_factory=set)
    deployed: bool = False
    pushed: bool = False
    later: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def facts(self) -> dict[str, Any]:
        """Return what the stage's history keeps of the run, by the names that a line of it has."""
        return {
            "changed": tuple(dict.fromkeys(self.changed)),
            "failed": tuple(sorted(self.failed)),
            "counts": dict(self.counts),
            "revisions": dict(self.revisions),
        }
