"""Each resource's status by what state/ has of it: no connection is opened.

It knows what a resource is made from; `tasks/explain/status.py` also tells which input of it would change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.errors import SkepError
from tasks.explain.status import FAILED, NEVER, STALE, UP_TO_DATE
from tasks.run.context import Run
from tasks.run.state import State, noting_reads

FOLLOWS = "may follow"
"""Of a resource that is up to date itself, where something before it is not."""


@dataclass(frozen=True)
class RecordedStatus:
    """A resource's status.

    Args:
        task: Its task.
        host: The host that it is made on; empty if it belongs to no single host.
        doc: Its description.
        status: One of the statuses of `tasks/explain/status.py`, or `FOLLOWS`.
        reasons: Why it is not up to date.
        made_from: The tasks whose records it is made from.

    """

    task: str
    host: str
    doc: str
    status: str
    reasons: tuple[str, ...] = ()
    made_from: frozenset[str] = frozenset()


def statuses(run: Run, tasks: Mapping[str, Any], dep_manager: Any) -> dict[str, RecordedStatus]:
    """Return each resource's status."""
    own: dict[str, RecordedStatus] = {}
    reads: dict[str, set[str]] = {}
    for name, task in tasks.items():
        if task.actions:
            with noting_reads() as noted:
                own[name] = _own_status(run, task, tasks, dep_manager)
            reads[name] = ({*noted, *task.meta["step"].needs} & tasks.keys()) - {name}
    moving: dict[str, str | None] = {}

    def moves(name: str) -> str | None:
        """Return the first task that is not up to date, of this one and all that it is made from, near or far.

        Tasks that must only be done before it do not count: a service that `depends_on` another stays as it is.
        """
        if name not in moving:
            moving[name] = None  # ends a cycle; doit itself refuses one
            if own[name].status != UP_TO_DATE:
                moving[name] = name
            else:
                moving[name] = next((cause for dep in sorted(reads[name]) if (cause := moves(dep))), None)
        return moving[name]

    return {
        name: replace(_with_cause(status, own.get(moves(name) or "")), made_from=frozenset(reads[name]))
        for name, status in own.items()
    }


def _with_cause(status: RecordedStatus, cause: RecordedStatus | None) -> RecordedStatus:
    """Return a resource's status, given the first before it that is not up to date."""
    if status.status != UP_TO_DATE or cause is None:
        return status
    reason = f"{cause.task} {'was' if cause.status == NEVER else 'is'} {cause.status}"
    return replace(status, status=FOLLOWS, reasons=(reason,))


def _own_status(run: Run, task: Any, tasks: Mapping[str, Any], dep_manager: Any) -> RecordedStatus:
    """Return a resource's status by itself, by doit's judgement and what state/ has of its last runs."""
    entry = dep_manager.backend.entry(task.name)
    host, doc = str(task.meta["host"]), str(task.doc or "")
    try:
        judged = dep_manager.get_status(task, tasks, get_log=True)
        fresh = judged.status == "up-to-date"
        reasons = run.progress.reasons.get(task.name) or _doits_reasons(judged, run.state)
    except SkepError as error:
        # An input is not available, as when a secret's environment variable is not set: a run would stop here, too.
        fresh, reasons = False, [run.secrets.redact(line) for line in str(error).splitlines()]
    if entry.get("failed"):
        log = run.state.log_path(task.name)
        failure = (
            f"its last run failed ({log.relative_to(run.directory)})"
            if log.exists()
            else "it could not be run"
        )
        changes = [] if "good" not in entry else _changes(task, entry["good"])
        return RecordedStatus(task.name, host, doc, FAILED, (failure, *changes))
    if fresh:
        return RecordedStatus(task.name, host, doc, UP_TO_DATE)
    if "good" not in entry:
        return RecordedStatus(task.name, host, doc, NEVER)
    return RecordedStatus(task.name, host, doc, STALE, tuple(reasons) or ("an input changed",))


def _doits_reasons(judged: Any, state: State) -> list[str]:
    """Return why doit would run a task whose inputs have not changed."""
    if judged.reasons.get("missing_target"):
        return ["its record is gone"]
    changed = judged.reasons.get("changed_file_dep") or []
    return [f"the record {Path(path).relative_to(state.root).with_suffix('')} changed" for path in changed]


def _changes(task: Any, good: Mapping[str, Any]) -> list[str]:
    """Return the changes since a failed task last ran well."""
    try:
        reasons, _ = task.meta["check"].reasons(good.get("_values_:") or {})
    except SkepError:
        return []
    return list(reasons)
