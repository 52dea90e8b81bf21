"""`doit list`: print the phases in order, each with its status. Opens no connection and imports no SDK."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doit.cmd_base import DoitCmdBase, check_tasks_exist

from commands.shared.console import BOLD, DIM, GREEN, RED, YELLOW, clean, fitted, is_coloured, paint, width_of
from commands.shared.current_run import site_run
from commands.shared.lock_owner import holder
from commands.shared.task_selection import with_flags
from model.checks.warnings import warnings
from tasks.explain.recorded_status import FOLLOWS, RecordedStatus, statuses
from tasks.explain.status import FAILED, NEVER, STALE, UP_TO_DATE
from tasks.hosts import let_in_keys, moving
from tasks.hosts.let_in_keys import LetInKey
from tasks.run.context import Run
from tasks.services import pinned_revisions

_COLOURS = {UP_TO_DATE: GREEN, STALE: YELLOW, NEVER: DIM, FAILED: RED, FOLLOWS: DIM}
_ORDER = (STALE, FAILED, NEVER, FOLLOWS)
"""The order in which a phase's line counts them."""


class ListCommand(DoitCmdBase):
    """Print the phases with their status."""

    name = "list"
    doc_purpose = "show the phases in order with their status; --all shows each resource"
    doc_usage = "[TASK ...]"
    doc_description = """\
Compares each resource's inputs with those that it was last made from; opens no connection and does not compare with \
the live state (a run does). Of runs at work it knows those of this checkout; doit plan and doit unlock ask the hosts.

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
        """Print the list."""
        pos_args, flags = with_flags(pos_args, "--all", "--json", "-q", "--quiet", "-s", "--status")
        subtasks, as_json = subtasks or "--all" in flags, as_json or "--json" in flags
        quiet = quiet or bool(flags & {"-q", "--quiet"})
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
        known = statuses(run, tasks, self.dep_manager)
        report = ListReport(run, {name: [known[sub.name] for sub in subs] for name, subs in phases.items()})
        if as_json:
            self.outstream.write(json.dumps(report.data(pos_args), indent=1, ensure_ascii=False) + "\n")
        else:
            docs = {name: str(tasks[name].doc or "") for name in phases}
            coloured = is_coloured(self.outstream)
            width = width_of(self.outstream)
            lines = report.lines(pos_args, docs, every=subtasks, coloured=coloured, width=width)
            self.outstream.write("".join(f"{line}\n" for line in lines))
        return 0


@dataclass(frozen=True)
class ListReport:
    """The text and the JSON of `doit list`.

    Args:
        run: The run, for the stage and its lock.
        phases: Phase to its resources.

    """

    run: Run
    phases: Mapping[str, Sequence[RecordedStatus]]

    def data(self, selected: Sequence[str]) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        stage = self.run.stage
        return {
            "site": stage.site_name,
            "stage": stage.name,
            "provider": stage.provider,
            "at_work": holder(self.run.state),
            "outside_cidr": moving.outside_cidr(self.run),
            "pinned": pinned_revisions.pinned(self.run.state),
            "warnings": list(warnings(stage, self.run.directory)),
            "ssh_keys": [
                {
                    "name": each.key.name,
                    "fingerprint": each.key.fingerprint,
                    "since": each.key.since,
                    "hosts": list(each.hosts),
                    "own": each.is_own,
                    "operator": each.key.who if each.key.is_operators else "",
                }
                for each in self._keys
            ],
            "phases": [
                {
                    "name": name,
                    "status": summary(resources),
                    "resources": [
                        {
                            "task": resource.task,
                            "host": resource.host,
                            "doc": resource.doc,
                            "status": resource.status,
                            "reasons": list(resource.reasons),
                        }
                        for resource in self._selected_of(resources, name, selected)
                    ],
                }
                for name, resources in self._selected_phases(selected).items()
            ],
        }

    def lines(
        self,
        selected: Sequence[str],
        docs: Mapping[str, str],
        *,
        every: bool,
        coloured: bool = False,
        width: int = sys.maxsize,
    ) -> list[str]:
        """Return the lines of the text."""
        stage = self.run.stage
        lines = [f"{paint(stage.site_name, BOLD, on=coloured)}, stage {stage.name} ({stage.provider})"]
        owner = holder(self.run.state)
        if owner:
            lines.append(paint(f"a run is at work: {owner}", YELLOW, on=coloured))
        phases = self._selected_phases(selected)
        texts = {name: summary(resources) for name, resources in phases.items()}
        named = set(selected) - set(self.phases)
        column = max((len(text) for text in texts.values()), default=0)
        names = max((len(name) for name in phases), default=0)
        for name, resources in phases.items():
            front = f"{name:<{names}}  {_coloured(texts[name], resources, column, on=coloured)}"
            doc = fitted(docs.get(name, ""), width - names - column - 4)
            lines.append(f"{front}  {paint(doc, DIM, on=coloured)}".rstrip())
            if every or named:
                shown = self._selected_of(resources, name, selected)
                lines += _resource_lines(shown, named, coloured=coloured, width=width)
        lines += [
            paint(line, YELLOW, on=coloured)
            for line in pinned_revisions.lines(pinned_revisions.pinned(self.run.state))
        ]
        lines += [paint(line, YELLOW, on=coloured) for line in warnings(stage, self.run.directory)]
        if moved := moving.outside_cidr(self.run):
            lines.append(paint(moved, YELLOW, on=coloured))
        if not selected:
            lines += let_in_keys.lines(self._keys, every=every)
        if not selected and all(
            resource.status == NEVER for resources in self.phases.values() for resource in resources
        ):
            lines.append("nothing is built yet, as far as state/ knows: `doit` builds the stage")
        return lines

    @property
    def _keys(self) -> list[LetInKey]:
        """The ssh keys that the hosts let in, as far as state/ knows."""
        return let_in_keys.keys_of(self.run, let_in_keys.recorded(self.run))

    def _selected_phases(self, selected: Sequence[str]) -> dict[str, Sequence[RecordedStatus]]:
        """Return the selected phases and those of selected resources; all phases if nothing is selected."""
        wanted = {name.partition(":")[0] for name in selected}
        return {name: resources for name, resources in self.phases.items() if not selected or name in wanted}

    @staticmethod
    def _selected_of(
        resources: Sequence[RecordedStatus], phase: str, selected: Sequence[str]
    ) -> list[RecordedStatus]:
        """Return the selected resources of a phase."""
        return [
            resource
            for resource in resources
            if not selected or phase in selected or resource.task in selected
        ]


def summary(resources: Sequence[RecordedStatus]) -> str:
    """Return a phase's status: how many of its resources have which status."""
    counts = {status: sum(resource.status == status for resource in resources) for status in _ORDER}
    parts = [f"{count} {status}" for status, count in counts.items() if count]
    if not resources:
        return "nothing to make"
    if not parts:
        return f"up to date ({len(resources)})"
    if counts[NEVER] == len(resources):
        return f"{NEVER} ({len(resources)})"
    number, _, rest = parts[0].partition(" ")
    return ", ".join([f"{number} of {len(resources)} {rest}", *parts[1:]])


def _coloured(text: str, resources: Iterable[RecordedStatus], width: int, *, on: bool) -> str:
    """Return a phase's status in the colour of the worst of its resources."""
    present = {resource.status for resource in resources}
    worst = next((status for status in (FAILED, STALE, NEVER, FOLLOWS) if status in present), UP_TO_DATE)
    return paint(f"{text:<{width}}", _COLOURS[worst], on=on)


def _resource_lines(
    resources: Sequence[RecordedStatus], named: set[str], *, coloured: bool, width: int
) -> list[str]:
    """Return a line for each resource; all reasons for those that were named."""
    names = max((len(resource.task.partition(":")[2]) for resource in resources), default=0)
    lines = []
    for resource in resources:
        reasons, more = resource.reasons, len(resource.reasons) - 1
        is_named = resource.task in named
        text = clean(reasons[0] if reasons else resource.doc)
        if more > 0 and not is_named:
            text += f" (+{more} more)"
        status = paint(f"{resource.status:<10}", _COLOURS[resource.status], on=coloured)
        name = resource.task.partition(":")[2]
        # Whoever names a resource wants to read all of it.
        text = text if is_named else fitted(text, width - names - 18)
        lines.append(f"    {name:<{names}}  {status}  {paint(text, DIM, on=coloured)}".rstrip())
        if is_named:
            lines += [f"    {'':<{names}}  {'':<10}  {clean(reason)}" for reason in reasons[1:]]
    return lines
