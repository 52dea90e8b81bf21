"""`doit plan`: what a run would do to the whole stage and why, found out live, and changing nothing."""

import json
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from doit.cmd_base import DoitCmdBase

from commands.shared.console import BOLD, DIM, GREEN, RED, YELLOW, clean, is_coloured, is_live, paint
from commands.shared.current_run import site_run
from commands.shared.lock_owner import holder
from commands.shared.task_selection import all_before, resolve, with_flags
from model.errors import SkepError
from tasks.cleanup.orphans import items as left_over
from tasks.explain.plan import ERROR, LEFT, MAY_CHANGE, NOTHING, REMOVE, UNKNOWN, Item, Planner
from tasks.explain.status import StatusTable
from tasks.names import infra_task
from tasks.run.context import Run
from tasks.services import pinned_revisions
from tasks.step import ADOPT, BLOCKED, CHANGE, CREATE, REPLACE, is_made_anew

NOTHING_TO_DO, TROUBLE, CHANGES = 0, 1, 2
"""The exit status. doit's own is 3 for what can't be asked at all, as an unknown task or a broken site.toml."""
ALIKE = 4
"""Resources of a phase with the same fate from which on one line tells it of all of them."""
NAMED = 6
_INTERRUPTED = 130


@dataclass(frozen=True)
class ActionStyle:
    """How an action is shown.

    Args:
        sign: Before the name.
        words: In the summary, after a number.
        colour: One of the screen's.

    """

    sign: str
    words: str
    colour: str


LOOKS = {
    CREATE: ActionStyle("+", "to create", GREEN),
    CHANGE: ActionStyle("~", "to change", YELLOW),
    REPLACE: ActionStyle("±", "to replace", RED),
    REMOVE: ActionStyle("-", "to remove", RED),
    MAY_CHANGE: ActionStyle("?", "may change", DIM),
    ADOPT: ActionStyle("=", "to adopt", DIM),
    UNKNOWN: ActionStyle("·", "not known here", DIM),
    BLOCKED: ActionStyle("!", "will be refused", RED),
    ERROR: ActionStyle("!", "can't be told", RED),
    LEFT: ActionStyle(" ", "left", DIM),
}
"""Action to its look, in the order of the summary."""


class Plan(DoitCmdBase):
    """Say what a run would do."""

    doc_purpose = (
        "say what a run would do and why, live; changes nothing; exit status 2 if there is something to do"
    )
    doc_usage = "[TASK ...] [--json] [--all]"
    doc_description = """\
Looks at the real things as a run does, but takes no lock, makes nothing and writes nothing. With tasks, phases or \
short names (powerdns): what a run of those would do, with all that they need.

+ create   ~ change in place   ± replace: removed and made anew   - no longer in site.toml (`doit prune`)
? may change: only if what it is made from comes out differently
= adopt: it is there as wanted, and only not recorded here   · not known before what it is on is read back
! a run will refuse it, or it can't be told

Exit status: 0 nothing to do; 2 there is; 1 something is refused, or a host can't be asked; 3 the plan can't be made."""

    cmd_options = (
        {
            "name": "as_json",
            "short": "",
            "long": "json",
            "type": bool,
            "default": False,
            "help": "print the plan as JSON (docs/why-and-plan.md has the schema)",
        },
        {
            "name": "every",
            "short": "",
            "long": "all",
            "type": bool,
            "default": False,
            "help": "a line for each resource, even where many have the same fate",
        },
    )

    def _execute(
        self,
        as_json: bool = False,  # noqa: FBT001, FBT002 - doit hands its options over by these names
        every: bool = False,  # noqa: FBT001, FBT002
        pos_args: Sequence[str] = (),
    ) -> int:
        """Print the plan."""
        pos_args, flags = with_flags(pos_args, "--json", "--all")
        as_json, every = as_json or "--json" in flags, every or "--all" in flags
        run = site_run(self.loader)
        tasks = {task.name: task for task in self.task_list}
        table = StatusTable(run, tasks, self.dep_manager)
        before = all_before({name: table.before(name) for name in table.names})
        phases = [name for name, task in tasks.items() if task.has_subtask]
        asked = [name for word in pos_args for name in resolve(word, before, phases)]
        wanted = {name for one in asked for name in (one, *before[one])} if pos_args else set(before)
        wanted_phases = {word for word in pos_args if word in phases} if pos_args else set(phases)
        try:
            _ = run.live_state  # it looks while inputs are read
            plan = made_plan(run, table, [name for name in table.names if name in wanted], wanted_phases)
        except SkepError as error:
            sys.stderr.write(f"the plan can't be made: {run.secrets.redact(str(error))}\n")
            return TROUBLE
        except KeyboardInterrupt:
            return _INTERRUPTED
        finally:
            run.live_state.close()
            run.connections.close()
        if as_json:
            text = json.dumps(plan.data(), indent=1, ensure_ascii=False)
        else:
            width = shutil.get_terminal_size().columns if is_live(self.outstream) else None
            text = "\n".join(plan.lines(every=every, width=width, coloured=is_coloured(self.outstream)))
        self.outstream.write(run.secrets.redact(text) + "\n")
        return plan.status


def made_plan(run: Run, table: StatusTable, names: Sequence[str], phases: Collection[str]) -> "PlanView":
    """Return the plan for some tasks, and for what is left over in some phases."""
    planner = Planner(table)
    items = [planner[name] for name in names]
    left = [item for item in left_over(run) if item.task.partition(":")[0] in phases]
    order = {name: i for i, name in enumerate(dict.fromkeys(n.partition(":")[0] for n in table.names))}
    items += left
    items.sort(key=lambda item: order.get(item.task.partition(":")[0], len(order)))
    return PlanView(run, tuple(items))


@dataclass(frozen=True)
class PlanView:
    """What `doit plan` shows.

    Args:
        run: The run, for the stage and its lock.
        items: Every resource that was asked for, in the order of the phases, with what is left over.

    """

    run: Run
    items: Sequence[Item]

    def count(self) -> dict[str, int]:
        """Return how many resources there are for each action that there is."""
        found = {action: sum(item.action == action for item in self.items) for action in LOOKS}
        return {action: count for action, count in found.items() if count}

    @property
    def status(self) -> int:
        """The exit status. What is only left, or only has to be recorded, is nothing to do."""
        there = self.count().keys()
        if there & {BLOCKED, ERROR}:
            return TROUBLE
        return CHANGES if there - {LEFT, ADOPT} else NOTHING_TO_DO

    def data(self) -> dict[str, Any]:
        """Return the plan for `--json`; its schema is stable, see docs/why-and-plan.md."""
        stage = self.run.stage
        return {
            "site": stage.site_name,
            "stage": stage.name,
            "provider": stage.provider,
            "at_work": holder(self.run.state),
            "status": self.status,
            "resources": [
                {
                    "task": item.task,
                    "host": item.host,
                    "action": item.action.replace(" ", "_"),
                    "reasons": list(item.reasons),
                    "after": list(item.after),
                }
                for item in self.items
                if item.action != NOTHING
            ],
            "summary": {
                "up_to_date": sum(item.action == NOTHING for item in self.items),
                **{
                    action.replace(" ", "_"): sum(item.action == action for item in self.items)
                    for action in LOOKS
                },
            },
            "takes": self.takes(),
            "pinned": pinned_revisions.observed(self.run.stage, self.run.live_state.swarm),
        }

    def lines(self, *, every: bool = False, width: int | None = None, coloured: bool = False) -> list[str]:
        """Return the plan for a person."""
        stage = self.run.stage
        lines = [f"{paint(stage.site_name, BOLD, on=coloured)}, stage {stage.name} ({stage.provider})"]
        who = holder(self.run.state)
        if who:
            lines.append(paint(f"a run is at work, and may change this: {who}", YELLOW, on=coloured))
        shown = [item for item in self.items if item.action != NOTHING]
        rows = {phase: list(_rows(of, every=every)) for phase, of in _by_phase(shown)}
        names = min(40, max((len(row.name) for of in rows.values() for row in of), default=0))
        hosts = max((len(row.host) for of in rows.values() for row in of), default=0)
        for phase, of in rows.items():
            lines.append(phase)
            lines += [row.line(names, hosts, width, coloured=coloured) for row in of]
        lines += [
            paint(line, YELLOW, on=coloured)
            for line in pinned_revisions.lines(
                pinned_revisions.observed(self.run.stage, self.run.live_state.swarm)
            )
        ]
        return [*lines, paint(self._verdict(), BOLD, on=coloured)]

    def takes(self) -> dict[str, int]:
        """Return what the provider's things that are to be made take: hosts, disks, addresses."""
        new = {item.task for item in self.items if is_made_anew(item.action)}
        found: dict[str, int] = {}
        for resource in self.run.provider.resources():
            if infra_task(resource.name) in new:
                for what, number in resource.quota_usage.items():
                    found[what] = found.get(what, 0) + number
        return found

    def _verdict(self) -> str:
        """Return the last line."""
        same = sum(item.action == NOTHING for item in self.items)
        counts = self.count()
        if not counts.keys() - {LEFT}:
            left = f"; {counts[LEFT]} left over" if counts else ""
            return (
                f"nothing to do: all {same} resources are as site.toml says{left}"
                if same != 1
                else (f"nothing to do: it is as site.toml says{left}")
            )
        said = [f"{count} {LOOKS[action].words}" for action, count in counts.items()]
        head = ", ".join([*said, f"{same} up to date"])
        if takes := ", ".join(f"{number} {what}" for what, number in self.takes().items()):
            head += f"; provider {self.run.stage.provider} makes {takes}"
        if not counts.keys() - {LEFT, ADOPT}:
            return f"nothing to change: {head}"
        return head


@dataclass(frozen=True)
class Row:
    """One line of the plan.

    Args:
        action: What is done.
        name: To what.
        host: Where.
        said: Why.

    """

    action: str
    name: str
    host: str
    said: str

    def line(self, names: int, hosts: int, width: int | None, *, coloured: bool) -> str:
        """Return it with these widths."""
        look = LOOKS[self.action]
        front = f"  {look.sign} {self.name:<{names}}  " + (f"{self.host:<{hosts}}  " if hosts else "")
        said = self.said
        if width is not None and len(front) + len(said) > width:
            said = said[: max(0, width - len(front) - 1)] + "…"
        return (paint(front, look.colour, on=coloured) + paint(said, DIM, on=coloured)).rstrip()


def _rows(items: Iterable[Item], *, every: bool) -> Iterator[Row]:
    """Yield the lines of a phase; those that share action and reasons are one line where they are many."""
    groups: dict[tuple[str, tuple[str, ...]], list[Item]] = {}
    for item in items:
        groups.setdefault((item.action, item.reasons), []).append(item)
    for (action, reasons), alike in groups.items():
        names = [item.task.partition(":")[2] for item in alike]
        if every or len(alike) < ALIKE:
            for item, name in zip(alike, names, strict=True):
                yield Row(action, name, item.host, _said(item))
            continue
        more = f" and {len(names) - NAMED} more (--all)" if len(names) > NAMED else ""
        after = alike[0].after if len({item.after for item in alike}) == 1 else ()
        said = _said(Item("", action, reasons, after))
        yield Row(action, f"{len(alike)} resources", "", f"{said}: {', '.join(names[:NAMED])}{more}")


def _said(item: Item) -> str:
    """Return why, and for what it waits where the reasons don't say that."""
    said = "; ".join(clean(reason) for reason in item.reasons)
    waits = [task for task in item.after if task not in said]
    return f"{said} (after {', '.join(waits[:2])}{' …' if len(waits) > 2 else ''})" if waits else said  # noqa: PLR2004


def _by_phase(items: Sequence[Item]) -> Iterator[tuple[str, list[Item]]]:
    """Yield the items of each phase."""
    for phase, of in groupby(items, key=lambda item: item.task.partition(":")[0]):
        yield phase, list(of)
