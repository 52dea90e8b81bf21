"""`doit list`: the phases in order, each with its status. No connection is opened and no SDK is imported."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from doit.cmd_base import DoitCmdBase, check_tasks_exist

from commands.shared.console import BOLD, DIM, GREEN, RED, YELLOW, clean, fitted, is_coloured, paint, width_of
from commands.shared.current_run import site_run
from commands.shared.lock_owner import holder
from model.errors import SkepError
from tasks.run.context import Run
from tasks.services import pinned_revisions

UP_TO_DATE, STALE, NEVER, FAILED, FOLLOWS = "up to date", "stale", "never run", "failed", "may follow"
_COLOURS = {UP_TO_DATE: GREEN, STALE: YELLOW, NEVER: DIM, FAILED: RED, FOLLOWS: DIM}
_ORDER = (STALE, FAILED, NEVER, FOLLOWS)
"""In which order a phase's line counts them."""


@dataclass(frozen=True)
class Status:
    """How one resource stands.

    Args:
        task: Its task's name.
        host: Where it is made; empty where it belongs to no one host.
        doc: What it is.
        status: One of the words above.
        reasons: Why, if it is not up to date.

    """

    task: str
    host: str
    doc: str
    status: str
    reasons: tuple[str, ...] = ()


class List(DoitCmdBase):
    """Show the phases with their status."""

    doc_purpose = "show the phases in order with their status; --all shows each resource"
    doc_usage = "[TASK ...]"
    doc_description = """\
Compares each resource's inputs with those that it was last made from; what really runs is not looked at, so that no \
connection is opened (a run does look).

up to date: it was made from what is asked for now
stale: an input changed; the reason says which
never run: it was not made yet, as far as state/ knows
failed: its last run failed
may follow: nothing of its own changed, but something that it needs is one of the above; it runs only if that comes \
out differently from before"""

    cmd_options = (
        {
            "name": "subtasks",
            "short": "",
            "long": "all",
            "type": bool,
            "default": False,
            "help": "show each resource with its status and the first reason",
        },
        {
            "name": "as_json",
            "short": "",
            "long": "json",
            "type": bool,
            "default": False,
            "help": "print all that is known, as JSON",
        },
        {
            "name": "quiet",
            "short": "q",
            "long": "quiet",
            "type": bool,
            "default": False,
            "help": "print the names alone (as shells want them for completion)",
        },
        {
            "name": "status",
            "short": "s",
            "long": "status",
            "type": bool,
            "default": False,
            "help": "accepted since doit's own list has it; the status is always shown",
        },
    )

    def _execute(
        self,
        subtasks: bool = False,  # noqa: FBT001, FBT002 - doit hands its options over by these names
        as_json: bool = False,  # noqa: FBT001, FBT002
        quiet: bool = False,  # noqa: FBT001, FBT002
        pos_args: Sequence[str] = (),
    ) -> int:
        """Print what was asked for."""
        run = site_run(self.loader, asks=False)
        tasks = {task.name: task for task in self.task_list}
        check_tasks_exist(tasks, pos_args)
        phases = {
            name: [sub for sub in self.task_list if sub.subtask_of == name]
            for name, task in tasks.items()
            if task.has_subtask
        }
        if quiet:
            names = pos_args or (list(tasks) if subtasks else list(phases))
            self.outstream.write("".join(f"{name}\n" for name in names))
            return 0
        found = statuses(run, tasks, self.dep_manager)
        view = ListView(run, {name: [found[sub.name] for sub in subs] for name, subs in phases.items()})
        if as_json:
            self.outstream.write(json.dumps(view.data(pos_args), indent=1, ensure_ascii=False) + "\n")
        else:
            docs = {name: str(tasks[name].doc or "") for name in phases}
            coloured = is_coloured(self.outstream)
            width = width_of(self.outstream)
            lines = view.lines(pos_args, docs, every=subtasks, coloured=coloured, width=width)
            self.outstream.write("".join(f"{line}\n" for line in lines))
        return 0


# -- how things stand --------------------------------------------------------------------------------------------------


def statuses(run: Run, tasks: Mapping[str, Any], dep_manager: Any) -> dict[str, Status]:
    """Return how each resource stands, as far as can be known without a look at it."""
    own = {name: _own_status(run, task, tasks, dep_manager) for name, task in tasks.items() if task.actions}
    moving: dict[str, str | None] = {}

    def moves(name: str) -> str | None:
        """Return what may change this one: itself, or the first below it that is not up to date.

        What only comes before it counts as well: an input may be read from it, as the swarm's id is.
        """
        if name not in moving:
            moving[name] = None  # ends a cycle; doit itself refuses one
            if name in own and own[name].status != UP_TO_DATE:
                moving[name] = name
            else:
                moving[name] = next((cause for dep in tasks[name].task_dep if (cause := moves(dep))), None)
        return moving[name]

    return {name: _seen_with(status, own.get(moves(name) or "")) for name, status in own.items()}


def _seen_with(status: Status, cause: Status | None) -> Status:
    """Return how a resource stands, given what it needs and is not up to date."""
    if status.status != UP_TO_DATE or cause is None:
        return status
    reason = f"{cause.task} {'was' if cause.status == NEVER else 'is'} {cause.status}"
    return replace(status, status=FOLLOWS, reasons=(reason,))


def _own_status(run: Run, task: Any, tasks: Mapping[str, Any], dep_manager: Any) -> Status:
    """Return how a resource stands, seen alone: what doit would find of it, and what skep kept of its last runs."""
    entry = dep_manager.backend.entry(task.name)
    host, doc = str(task.meta["host"]), str(task.doc or "")
    try:
        found = dep_manager.get_status(task, tasks, get_log=True)
        fresh = found.status == "up-to-date"
        reasons = run.progress.reasons.get(task.name) or _doits_reasons(found, run)
    except SkepError as error:
        # An input can't be had, as when a secret's environment variable is not set: a run would stop here, too.
        fresh, reasons = False, [run.secrets.redact(line) for line in str(error).splitlines()]
    if entry.get("failed"):
        log = run.state.log_path(task.name)
        why = (
            f"its last run failed ({log.relative_to(run.directory)})"
            if log.exists()
            else "it could not be run"
        )
        changes = [] if "good" not in entry else _changes(task, entry["good"])
        return Status(task.name, host, doc, FAILED, (why, *changes))
    if fresh:
        return Status(task.name, host, doc, UP_TO_DATE)
    if "good" not in entry:
        return Status(task.name, host, doc, NEVER)
    return Status(task.name, host, doc, STALE, tuple(reasons) or ("an input changed",))


def _doits_reasons(found: Any, run: Run) -> list[str]:
    """Return why doit finds a task stale whose inputs are what they were."""
    if found.reasons.get("missing_target"):
        return ["its record is gone"]
    changed = found.reasons.get("changed_file_dep") or []
    return [
        f"the record {Path(path).relative_to(run.state.root).with_suffix('')} changed" for path in changed
    ]


def _changes(task: Any, good: Mapping[str, Any]) -> list[str]:
    """Return what changed since a failed task last ran well."""
    try:
        reasons, _ = task.meta["check"].reasons(good.get("_values_:") or {})
    except SkepError:
        return []
    return list(reasons)


# -- how it is shown ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ListView:
    """What `doit list` shows.

    Args:
        run: The run, for the stage and its lock.
        phases: Phase to its resources.

    """

    run: Run
    phases: Mapping[str, Sequence[Status]]

    def data(self, asked: Sequence[str]) -> dict[str, Any]:
        """Return all that is known, for `--json`."""
        stage = self.run.stage
        return {
            "site": stage.site_name,
            "stage": stage.name,
            "provider": stage.provider,
            "at_work": holder(self.run.state),
            "pinned": pinned_revisions.pinned(self.run.state),
            "phases": [
                {
                    "name": name,
                    "status": summary(resources),
                    "resources": [
                        {
                            "task": one.task,
                            "host": one.host,
                            "doc": one.doc,
                            "status": one.status,
                            "reasons": list(one.reasons),
                        }
                        for one in self._asked_of(resources, name, asked)
                    ],
                }
                for name, resources in self._asked_phases(asked).items()
            ],
        }

    def lines(
        self,
        asked: Sequence[str],
        docs: Mapping[str, str],
        *,
        every: bool,
        coloured: bool = False,
        width: int = sys.maxsize,
    ) -> list[str]:
        """Return the lines for a person."""
        stage = self.run.stage
        lines = [f"{paint(stage.site_name, BOLD, on=coloured)}, stage {stage.name} ({stage.provider})"]
        who = holder(self.run.state)
        if who:
            lines.append(paint(f"a run is at work: {who}", YELLOW, on=coloured))
        phases = self._asked_phases(asked)
        texts = {name: summary(resources) for name, resources in phases.items()}
        named = set(asked) - set(self.phases)
        column = max((len(text) for text in texts.values()), default=0)
        names = max((len(name) for name in phases), default=0)
        for name, resources in phases.items():
            front = f"{name:<{names}}  {_coloured(texts[name], resources, column, on=coloured)}"
            doc = fitted(docs.get(name, ""), width - names - column - 4)
            lines.append(f"{front}  {paint(doc, DIM, on=coloured)}".rstrip())
            if every or named:
                shown = self._asked_of(resources, name, asked)
                lines += _resource_lines(shown, named, coloured=coloured, width=width)
        lines += [
            paint(line, YELLOW, on=coloured)
            for line in pinned_revisions.lines(pinned_revisions.pinned(self.run.state))
        ]
        if not asked and all(one.status == NEVER for resources in self.phases.values() for one in resources):
            lines.append("nothing is made yet, as far as state/ knows: `doit` builds the stage")
        return lines

    def _asked_phases(self, asked: Sequence[str]) -> dict[str, Sequence[Status]]:
        """Return the phases that were asked for, by themselves or by a resource of theirs; all if none was."""
        wanted = {name.partition(":")[0] for name in asked}
        return {name: resources for name, resources in self.phases.items() if not asked or name in wanted}

    @staticmethod
    def _asked_of(resources: Sequence[Status], phase: str, asked: Sequence[str]) -> list[Status]:
        """Return the resources of a phase that were asked for."""
        return [one for one in resources if not asked or phase in asked or one.task in asked]


def summary(resources: Sequence[Status]) -> str:
    """Return a phase's status: how many of how many are not up to date, in what way."""
    counts = {status: sum(one.status == status for one in resources) for status in _ORDER}
    parts = [f"{count} {status}" for status, count in counts.items() if count]
    if not resources:
        return "nothing to make"
    if not parts:
        return f"up to date ({len(resources)})"
    if counts[NEVER] == len(resources):
        return f"{NEVER} ({len(resources)})"
    number, _, rest = parts[0].partition(" ")
    return ", ".join([f"{number} of {len(resources)} {rest}", *parts[1:]])


def _coloured(text: str, resources: Iterable[Status], width: int, *, on: bool) -> str:
    """Return a phase's status in the colour of the worst of its resources."""
    found = {one.status for one in resources}
    worst = next((status for status in (FAILED, STALE, NEVER, FOLLOWS) if status in found), UP_TO_DATE)
    return paint(f"{text:<{width}}", _COLOURS[worst], on=on)


def _resource_lines(shown: Sequence[Status], named: set[str], *, coloured: bool, width: int) -> list[str]:
    """Return a line for each resource; all reasons for those that were named."""
    names = max((len(one.task.partition(":")[2]) for one in shown), default=0)
    lines = []
    for one in shown:
        more = len(one.reasons) - 1
        said = one.reasons[0] + (f" (+{more} more)" if more > 0 else "") if one.reasons else one.doc
        if one.task in named and more > 0:
            said = one.reasons[0]
        status = paint(f"{one.status:<10}", _COLOURS[one.status], on=coloured)
        name = one.task.partition(":")[2]
        # Whoever names a resource wants to read all of it.
        said = clean(said) if one.task in named else fitted(clean(said), width - names - 18)
        lines.append(f"    {name:<{names}}  {status}  {paint(said, DIM, on=coloured)}".rstrip())
        if one.task in named:
            lines += [f"    {'':<{names}}  {'':<10}  {clean(reason)}" for reason in one.reasons[1:]]
    return lines
