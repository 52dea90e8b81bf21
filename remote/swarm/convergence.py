"""Waiting until a service runs as specified, or until it is clear why it does not."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import inf

from model.errors import ServiceError
from model.json_types import Json
from model.labels import SPEC_LABEL
from model.log import Log
from remote.engine.client import engine_errors
from remote.mother.wait import Pace, wait_for
from remote.swarm import endings, jobs
from remote.swarm.allocation import unallocated
from remote.swarm.poller import SwarmPoller
from remote.swarm.services import begin_update_again, set_labels
from remote.swarm.spec import spec_digest

LogTail = Callable[[str, str], tuple[str, list[str]]]
"""Given a node's and a container's id, returns the node's host and the container's last words: the outcome of its last
health check if that failed, then log lines, each after a `|`."""

ROUND = 0.2
"""Seconds between two snapshots."""
AGE_FACTOR, SHORT_AGE_FACTOR, MAX_AGE = 40, 10, 2.0
"""How old a snapshot may be: as a multiple of the seconds that it took (the second one where the next snapshot may be
the last), and in seconds."""
GIVE_UP_AFTER = 3
"""Tasks that may fail before waiting longer makes no sense."""
_PENDING_PATIENCE = 30.0
_DEAD_END_PATIENCE = 15.0
"""Seconds after which an update counts as one that waits for a task that never runs."""
_CHECK_PAUSE = 5.0
"""Seconds between two questions for the health checks of tasks that start."""
_ALONE_PATIENCE = 3.0
"""Seconds in which the swarm has made the next task, if it makes one."""
_UNDER_WAY = {"updating", "rollback_started"}
_OUTCOMES = {
    "rollback_completed": "was undone",
    "rollback_paused": "could not be undone, since the specification before fails, too",
}
"""State of an update that failed to its outcome, for messages."""
_LOST = {"failed", "rejected", "orphaned"}


class NotRunningError(ServiceError):
    """The service does not run as specified, though the swarm answers; the message says why."""


class _HopelessError(NotRunningError):
    """Waiting longer makes no sense; the message is whole."""


@dataclass(frozen=True)
class ConvergencePolicy:
    """How a service is waited for.

    Args:
        timeout: Seconds until it is given up.
        stable: Seconds that every task must have been running, and well, before the service counts as converged.
        idle: Entered while there is nothing to do but to wait.
        marks: Whether it is marked then as seen to run. One that is so for a moment only, or that somebody else
            changed, must not look as if it were as a run left it.

    """

    timeout: float
    stable: float
    idle: Callable[[], AbstractContextManager[None]] = nullcontext
    marks: bool = True


def wait_until_converged(
    poller: SwarmPoller, name: str, policy: ConvergencePolicy, log_tail: LogTail, log: Log, *,
    changed: bool, labels: Callable[[Json], Mapping[str, str]] = lambda _service: {},
) -> None:  # fmt: skip
    """Wait until all tasks of a service run as specified, and have for a moment, then mark it as seen to run.

    Args:
        poller: Lists the swarm's services and tasks, shared by all who wait.
        name: The service.
        policy: How long, and how.
        log_tail: Returns a container's last words.
        log: Takes a line for the log.
        changed: Whether this run made or changed it; if not, the outcome of an older update means nothing.
        labels: Given the service as it then is, returns further labels for it.

    Raises:
        NotRunningError: Tasks fail again and again, an update was rolled back, or the time is over. The message has a
            task's own error and its last log lines.
        ServiceError: The swarm does not answer.

    """
    watch = _Watch(poller, name, policy.stable, log_tail, log, changed=changed)
    try:
        with policy.idle():
            wait_for(
                watch.converged,
                f"service {name} to run",
                policy.timeout,
                kind=NotRunningError,
                reason=watch.why_not,
                pace=Pace(longest=ROUND),
            )
    except _HopelessError:
        raise
    except NotRunningError as error:
        raise NotRunningError(f"{error}{_report(watch.tasks, log_tail)}") from error
    except ServiceError as error:
        raise ServiceError(f"{error}{_report(watch.tasks, log_tail)}") from error
    if not policy.marks or jobs.is_job(watch.service):
        return
    digest = spec_digest(watch.service["Spec"])
    set_labels(poller.client, name, {**labels(watch.service), SPEC_LABEL: digest}, watch.service)


class _Watch:
    """Observes a service from snapshot to snapshot, to know for how long its tasks have been running."""

    def __init__(
        self, poller: SwarmPoller, name: str, stable: float, log_tail: LogTail, log: Log, *, changed: bool
    ) -> None:
        self._poller, self._name, self._stable, self._log_tail, self._log = (
            poller,
            name,
            stable,
            log_tail,
            log,
        )
        # An older snapshot may be of the service as it was before this run changed it.
        self._began = time.monotonic()
        self._changed = changed
        self._logged = ""
        # By this process's own clock: the hosts' may differ.
        self._since: dict[str, float] = {}
        # Tasks that had failed before the first snapshot do not count.
        self._lost_before: frozenset[str] | None = None
        # The same of tasks that had ended, well or not.
        self._ended_before: frozenset[str] | None = None
        self._alone_since = inf
        self._starting_since, self._asked_at = inf, -inf
        self._due = inf
        """When all tasks that there are will have run for long enough, by the same clock."""
        self._pending: dict[str, float] = {}
        self._new: dict[str, float] = {}
        self._dead_ends: dict[str, float] = {}
        self._report_of_rollback = ""
        self._away = ""
        self.tasks: list[Json] = []
        self.service: Json = {}
        """The service in the last snapshot."""

    def why_not(self) -> str:
        """Return why it does not run yet, as far as that can be told: the hosts that don't answer the swarm."""
        return self._away or self._logged

    def converged(self) -> bool:
        """Return whether every task runs as specified, and has for a moment."""
        with engine_errors(self._poller.host, f"looking at the tasks of service {self._name}", ServiceError):
            # Where listing takes long, as while fifty services start, to list again at once would only hold that up.
            factor = SHORT_AGE_FACTOR if time.monotonic() >= self._due else AGE_FACTOR
            age = max(ROUND, min(factor * self._poller.cost, MAX_AGE))
            snapshot = self._poller.since(max(self._began, time.monotonic() - age), self._log)
        service = snapshot.services.get(self._name)
        if service is None:
            raise _HopelessError(f"service {self._name}: was removed by somebody else")
        self.service = service
        self._away = "; ".join(snapshot.away)
        self.tasks = list(snapshot.tasks.get(service["ID"], ()))
        status = service["ServiceStatus"]
        self._give_up_if_hopeless(service)
        if jobs.is_job(service):
            return self._job_is_done(service)
        self._give_up_if_check_cant_run(service)
        running = [t for t in self.tasks if t["DesiredState"] == "running" and endings.is_current(t, service)]
        for task in running:
            if task["Status"]["State"] == "running":
                self._since.setdefault(task["ID"], snapshot.ended)
        # Not by the clock: between two snapshots a task may have ended.
        settled = [t for t in running if snapshot.ended - self._since.get(t["ID"], inf) >= self._stable]
        since = [self._since.get(task["ID"], inf) for task in running]
        self._due = max(since, default=inf) + self._stable
        away = f"; {self._away}" if self._away else ""
        self._log_once(f"{len(settled)} of {status['DesiredTasks']} tasks run{away}")
        updating = (service.get("UpdateStatus") or {}).get("State") in _UNDER_WAY
        if updating:
            self._leave_dead_end(service)
        # Of a global service the engine counts tasks that are there already: none, while it is quite new.
        wanted = max(status["DesiredTasks"], 1 if "Global" in service["Spec"]["Mode"] else 0)
        return not updating and len(settled) == len(running) and len(settled) >= wanted

    def _leave_dead_end(self, service: Json) -> None:
        """Begin an update anew that waits for a task which the swarm itself has given up.

        A task that is told to stop before a host got it keeps its state for ever, since no host reports it; and
        the update waits until it runs (swarmkit, `manager/orchestrator/update/updater.go`). Seen where a host went away
        during an update of a global service with a port of its host.
        """
        now, begun = time.monotonic(), str(service["UpdateStatus"].get("StartedAt", ""))
        dead = [
            task["ID"]
            for task in self.tasks
            if task["DesiredState"] in {"shutdown", "remove"}
            and task["Status"]["State"] in {"new", "pending"}
            and str(task.get("CreatedAt", "")) >= begun
        ]
        # Those of one look may be about to be stopped.
        self._dead_ends = {task: self._dead_ends.get(task, now) for task in dead}
        if not dead or now - min(self._dead_ends.values()) < _DEAD_END_PATIENCE:
            return
        self._log("its update waits for a task that the swarm has given up: beginning the update again")
        with engine_errors(
            self._poller.host, f"service {self._name}: beginning its update again", ServiceError
        ):
            begin_update_again(self._poller.client, service)
        self._dead_ends = {}
        self._began = time.monotonic()

    def _job_is_done(self, service: Json) -> bool:
        """Return whether the tasks of a job's last run have ended well."""
        done, wanted = jobs.progress(service, self.tasks)
        self._log_once(f"{done} of {wanted} tasks are done{f'; {self._away}' if self._away else ''}")
        return done >= wanted

    def _log_once(self, state: str) -> None:
        """Log a state unless it is the one that was logged last."""
        if state != self._logged:
            self._log(state)
            self._logged = state

    def _give_up_if_check_cant_run(self, service: Json) -> None:
        """Raise when the health check of a task that starts can't be run: it will not become healthy.

        Only its engine knows, which is asked now and then while tasks start.
        """
        now = time.monotonic()
        starting = [
            task
            for task in self.tasks
            if task["Status"]["State"] == "starting" and endings.is_current(task, service)
        ]
        self._starting_since = min(self._starting_since, now) if starting else inf
        if now - max(self._starting_since, self._asked_at) < _CHECK_PAUSE:
            return
        self._asked_at = now
        report = _report(starting[:1], self._log_tail)
        if endings.CHECK_CANT_RUN in report:
            raise _HopelessError(f"service {self._name}: {endings.CHECK_CANT_RUN}{report}")

    def _give_up_if_tasks_end(self, service: Json) -> None:
        """Raise when tasks end by themselves, or have ended and the swarm starts no others."""
        if self._ended_before is None:
            # A service that was just made had none.
            is_new = self._changed and not service.get("PreviousSpec")
            before = () if is_new else endings.ended(service, self.tasks, ())
            self._ended_before = frozenset(task["ID"] for task in before)
        # Those of an unchanged service ended as it is now, too.
        ended = endings.ended(service, self.tasks, self._ended_before if self._changed else ())
        alone = bool(ended) and endings.is_left_alone(service, self.tasks)
        now = time.monotonic()
        self._alone_since = min(self._alone_since, now) if alone else inf
        by_themselves = endings.by_themselves(
            [task for task in ended if task["ID"] not in self._ended_before]
        )
        why = ""
        if len(by_themselves) >= GIVE_UP_AFTER and not jobs.is_job(service):
            why = endings.why_they_end(len(by_themselves))
        elif now - self._alone_since >= _ALONE_PATIENCE:
            why = endings.why_no_other(service, max(ended, key=_moment))
        if why:
            raise _HopelessError(f"service {self._name}: {why}{_report(ended, self._log_tail)}")

    def _give_up_if_hopeless(self, service: Json) -> None:
        """Raise when waiting longer makes no sense."""
        update = service.get("UpdateStatus") or {}
        state = update.get("State", "")
        # The swarm forgets an update's status when the next one begins; so this one is of this run's, if it made one.
        if state == "rollback_started":
            # Its end is waited for: whoever reads that the update failed then finds the service as it was.
            self._report_of_rollback = self._report_of_rollback or _report(self.tasks, self._log_tail)
            return
        if self._changed and (state.startswith("rollback") or state == "paused"):
            outcome = _OUTCOMES.get(state, "was stopped")
            raise _HopelessError(
                f"service {self._name}: the update failed and {outcome} "
                f"({update.get('Message', 'no reason given')})"
                f"{self._report_of_rollback or _report(self.tasks, self._log_tail)}"
            )
        if state != "updating":
            self._give_up_if_tasks_end(service)
        lost = [task for task in self.tasks if task["Status"]["State"] in _LOST]
        if self._lost_before is None:
            self._lost_before = frozenset(task["ID"] for task in lost)
        lost = [task for task in lost if task["ID"] not in self._lost_before]
        # While an update is under way, the swarm itself counts its failures, and undoes it.
        if len(lost) >= GIVE_UP_AFTER and state != "updating":
            raise _HopelessError(
                f"service {self._name}: {len(lost)} tasks failed one after another{_report(lost, self._log_tail)}"
            )
        waiting = [task for task in self.tasks if _unfinished(task) and task["Status"]["State"] == "pending"]
        waiting = [task for task in waiting if task["Status"].get("Err")]
        now = time.monotonic()
        for task in waiting:
            self._pending.setdefault(task["ID"], now)
        # A new task may have to wait until the old one has stopped and let its port go.
        container = service["Spec"]["TaskTemplate"].get("ContainerSpec") or {}
        patience = _PENDING_PATIENCE + container.get("StopGracePeriod", 0) / 1e9
        stuck = [task for task in waiting if now - self._pending[task["ID"]] > patience]
        if stuck:
            raise _HopelessError(f"service {self._name}: no host can take it{_report(stuck, self._log_tail)}")
        self._give_up_if_not_allocated(service)

    def _give_up_if_not_allocated(self, service: Json) -> None:
        """Raise when tasks stay `new`: the swarm gives them no addresses, so that no host ever gets them."""
        now = time.monotonic()
        new = [task for task in self.tasks if _unfinished(task) and task["Status"]["State"] == "new"]
        for task in new:
            self._new.setdefault(task["ID"], now)
        stuck = [task for task in new if now - self._new[task["ID"]] > _PENDING_PATIENCE]
        if not stuck:
            return
        networks = [joined["Target"] for joined in service["Spec"]["TaskTemplate"].get("Networks") or ()]
        with engine_errors(self._poller.host, "looking at networks", ServiceError):
            without, others = unallocated(self._poller.client, networks)
        why = (
            f"the swarm has given network {', '.join(without)} no addresses: change its subnet (doit build_networks "
            "makes it anew)"
            if without
            else f"the swarm gives them no addresses: no more are left in network {' or '.join(others)}, or in ingress"
            if others
            else "the swarm does not allocate them"
        )
        raise _HopelessError(
            f"service {self._name}: {len(stuck)} tasks are new and on no host for {_PENDING_PATIENCE:.0f} s: {why}"
        )


def _report(tasks: Sequence[Json], log_tail: LogTail) -> str:
    """Return the latest failed task's own error and its last log lines, for the end of a message."""
    failed = [t for t in tasks if t["Status"]["State"] in _LOST and t["Status"].get("Err")]
    complete = endings.by_themselves(tasks)
    troubled = failed or [t for t in tasks if t["Status"].get("Err")] or complete
    troubled = troubled or [t for t in tasks if _unfinished(t)]
    if not troubled:
        return ""
    last = max(troubled, key=_moment)
    status = last["Status"]
    node, container = last.get("NodeID", ""), (status.get("ContainerStatus") or {}).get("ContainerID", "")
    message = status.get("Err") or status.get("Message")
    host, tail = log_tail(node, container) if node else ("no host", [])
    lines = [
        f"task {last['ID'][:12]} on {host}: {status['State']}: {message}",
        *tail,
    ]
    return "".join(f"\n    {line}" for line in lines)


def _moment(task: Json) -> str:
    """Return when a task came into its state."""
    return str(task["Status"].get("Timestamp", ""))


def _unfinished(task: Json) -> bool:
    """Return whether a task should run and does not."""
    return bool(task["DesiredState"] == "running" and task["Status"]["State"] != "running")
