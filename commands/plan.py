"""`doit plan`: observe the stage and print the changes that a run would make, and why. Changes nothing."""

import json
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from doit.cmd_base import DoitCmdBase

from commands.shared.console import BOLD, DIM, GREEN, RED, YELLOW, clean, is_coloured, is_live, paint
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from commands.shared.lock_owner import holder, holder_elsewhere
from commands.shared.plan_markdown import PlanText, markdown, trouble
from commands.shared.read_back import fill_in
from commands.shared.task_selection import all_before, resolve, with_flags
from model.checks.warnings import warnings
from model.errors import SkepError
from providers.base import Resource
from tasks.backup.shown_key import key_lines, key_shown
from tasks.cleanup.orphans import items as left_over
from tasks.explain import costs
from tasks.explain.package_age import package_ages, package_data, package_lines
from tasks.explain.plan import ERROR, LEFT, MAY_CHANGE, NOTHING, REMOVE, UNKNOWN, Item, Planner
from tasks.explain.status import StatusTable
from tasks.names import infra_task
from tasks.run.context import Run
from tasks.services import pinned_revisions
from tasks.step import ADOPT, BLOCKED, CHANGE, CREATE, REPLACE, is_made_anew

NOTHING_TO_DO, TROUBLE, CHANGES = 0, 1, 2
"""The exit status. doit's own is 3 where there can be no plan, as for an unknown task or a broken site.toml."""
ALIKE = 4
"""From so many resources of a phase on, those with the same action and reasons share a line."""
NAMED = 6
"""Resources that such a line names."""


@dataclass(frozen=True)
class ActionStyle:
    """How an action is printed.

    Args:
        sign: The sign before the name.
        words: The words after the number in the summary.
        colour: The colour (see `commands/shared/console.py`).

    """

    sign: str
    words: str
    colour: str


STYLES = {
    CREATE: ActionStyle("+", "to create", GREEN),
    CHANGE: ActionStyle("~", "to change", YELLOW),
    REPLACE: ActionStyle("±", "to replace", RED),
    REMOVE: ActionStyle("-", "to remove", RED),
    MAY_CHANGE: ActionStyle("?", "may change", DIM),
    ADOPT: ActionStyle("=", "to adopt", DIM),
    UNKNOWN: ActionStyle("·", "not known yet", DIM),
    BLOCKED: ActionStyle("!", "will be refused", RED),
    ERROR: ActionStyle("!", "can't be determined", RED),
    LEFT: ActionStyle(" ", "left over", DIM),
}
"""Action to its style, in the order of the summary."""


class PlanCommand(DoitCmdBase):
    """Print the changes that a run would make."""

    name = "plan"
    doc_purpose = (
        "show what a run would do to the live stage, and why; changes nothing; exit status 2 if it would act"
    )
    doc_usage = "[TASK ...] [--json | --markdown] [--all]"
    doc_description = """\
Observes the stage as a run does, but takes no lock and changes nothing. With tasks, phases or short names (powerdns): \
the plan for those and all that they need.

+ create   ~ change in place   ± replace (remove, then create)   - no longer in site.toml (`doit prune` removes it)
? may change: only if a resource that it is made from comes out differently
= adopt: it exists as wanted, only its record in state/ is missing
· not known yet: its host has to be started or read back first
! a run will refuse it, or its state can't be determined

Exit status: 0 nothing to do; 2 something to do; 1 something is refused or a host does not answer; 3 no plan."""

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
            "name": "as_markdown",
            "short": "",
            "long": "markdown",
            "type": bool,
            "default": False,
            "help": "print the plan as Markdown, for a comment on a pull or merge request (docs/ci.md)",
        },
        {
            "name": "every",
            "short": "",
            "long": "all",
            "type": bool,
            "default": False,
            "help": "print a line for each resource, even where many have the same action",
        },
    )

    def _execute(
        self,
        as_json: bool = False,  # noqa: FBT001, FBT002 - doit hands its options over by these names
        as_markdown: bool = False,  # noqa: FBT001, FBT002
        every: bool = False,  # noqa: FBT001, FBT002
        pos_args: Sequence[str] = (),
    ) -> int:
        """Print the plan."""
        pos_args, flags = with_flags(pos_args, "--json", "--markdown", "--all")
        as_json, every = as_json or "--json" in flags, every or "--all" in flags
        as_markdown = as_markdown or "--markdown" in flags
        run = site_run(self.loader)
        tasks = {task.name: task for task in self.task_list}
        fill_in(run, tasks, self.dep_manager)
        table = StatusTable(run, tasks, self.dep_manager)
        before = all_before({name: table.before(name) for name in table.names})
        phases = [name for name, task in tasks.items() if task.has_subtask]
        asked = [name for word in pos_args for name in resolve(word, before, phases)]
        wanted = {name for task in asked for name in (task, *before[task])} if pos_args else set(before)
        wanted_phases = {word for word in pos_args if word in phases} if pos_args else set(phases)
        try:
            _ = run.live_state  # hosts are observed while inputs are read
            plan = plan_report(run, table, [name for name in table.names if name in wanted], wanted_phases)
            shown = key_shown(run, asks=not run.live_state.is_down(run.stage.repository))
            plan = replace(plan, elsewhere=holder_elsewhere(run), key_shown=shown)
        except SkepError as error:
            problem = run.secrets.redact(str(error))
            sys.stderr.write(f"the plan can't be made: {problem}\n")
            if as_markdown:
                self.outstream.write(trouble(run.stage.site_name, run.stage.name, problem))
            return TROUBLE
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            run.observer.close()
            run.connections.close()
        if as_json:
            text = json.dumps(plan.data(), indent=1, ensure_ascii=False)
        elif as_markdown:
            text = markdown(plan.text(run.secrets.redact, every=every))
        else:
            width = shutil.get_terminal_size().columns if is_live(self.outstream) else None
            text = "\n".join(plan.lines(every=every, width=width, coloured=is_coloured(self.outstream)))
        self.outstream.write(run.secrets.redact(text) + "\n")
        return plan.status


def plan_report(run: Run, table: StatusTable, names: Sequence[str], phases: Collection[str]) -> "PlanReport":
    """Return the plan for some tasks, and for the orphans of some phases."""
    planner = Planner(table)
    items = [planner[name] for name in names]
    left = [item for item in left_over(run) if item.task.partition(":")[0] in phases]
    order = {name: i for i, name in enumerate(dict.fromkeys(n.partition(":")[0] for n in table.names))}
    items += left
    items.sort(key=lambda item: order.get(item.task.partition(":")[0], len(order)))
    return PlanReport(run, tuple(items))


@dataclass(frozen=True)
class PlanReport:
    """The text and the JSON of `doit plan`.

    Args:
        run: The run, for the stage and its lock.
        items: Every resource of the plan in the order of the phases, orphans among them.
        elsewhere: Another machine's run that holds the stage, as a text; empty if none does, or nobody asked.
        key_shown: When and by whom the key of the backups was printed; empty if nobody did, None if there is none.

    """

    run: Run
    items: Sequence[Item]
    elsewhere: str = ""
    key_shown: Mapping[str, str] | None = None

    @property
    def owner(self) -> str | None:
        """The run that holds the stage, as a text; None if none does."""
        return holder(self.run.state) or self.elsewhere or None

    def count(self) -> dict[str, int]:
        """Return the number of resources for each action that occurs."""
        counts = {action: sum(item.action == action for item in self.items) for action in STYLES}
        return {action: count for action, count in counts.items() if count}

    @property
    def status(self) -> int:
        """The exit status; orphans and missing records count as nothing to do."""
        actions = self.count().keys()
        if actions & {BLOCKED, ERROR}:
            return TROUBLE
        return CHANGES if actions - {LEFT, ADOPT} else NOTHING_TO_DO

    def data(self) -> dict[str, Any]:
        """Return the plan for `--json`; its schema is stable, see docs/why-and-plan.md."""
        stage = self.run.stage
        return {
            "site": stage.site_name,
            "stage": stage.name,
            "provider": stage.provider,
            "at_work": self.owner,
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
                    for action in STYLES
                },
            },
            "takes": self.takes(),
            "pinned": pinned_revisions.observed(self.run.stage, self.run.live_state.swarm),
            "packages": package_data(package_ages(self.run)),
            "warnings": list(warnings(self.run.stage, self.run.directory)),
            "key_shown": dict(self.key_shown) if self.key_shown else None,
        }

    def text(self, redact: Callable[[str], str], *, every: bool = False) -> PlanText:
        """Return the texts for `--markdown`.

        Args:
            redact: Takes secrets out of a text.
            every: Whether each resource has a line of its own.

        """
        stage = self.run.stage
        to_do = [item for item in self.items if item.action != NOTHING]
        phases = {phase: list(_rows(items, every=every)) for phase, items in _by_phase(to_do)}
        owner = self.owner
        pinned = pinned_revisions.lines(pinned_revisions.observed(stage, self.run.live_state.swarm))
        remarks = [
            *([f"a run is at work, and may change this: {owner}"] if owner else []),
            *pinned,
            *warnings(stage, self.run.directory),
            *key_lines(self.key_shown),
            *self._costs(),
        ]
        return PlanText(
            stage.site_name,
            stage.name,
            redact(self._summary()),
            {phase: [redact(row.plain) for row in rows] for phase, rows in phases.items()},
            [line for remark in remarks for line in redact(remark).splitlines()],
            is_refused=self.status == TROUBLE,
        )

    def lines(self, *, every: bool = False, width: int | None = None, coloured: bool = False) -> list[str]:
        """Return the lines of the text."""
        stage = self.run.stage
        lines = [f"{paint(stage.site_name, BOLD, on=coloured)}, stage {stage.name} ({stage.provider})"]
        owner = self.owner
        if owner:
            lines.append(paint(f"a run is at work, and may change this: {owner}", YELLOW, on=coloured))
        to_do = [item for item in self.items if item.action != NOTHING]
        phases = {phase: list(_rows(items, every=every)) for phase, items in _by_phase(to_do)}
        names = min(40, max((len(row.name) for rows in phases.values() for row in rows), default=0))
        hosts = max((len(row.host) for rows in phases.values() for row in rows), default=0)
        for phase, rows in phases.items():
            lines.append(phase)
            lines += [row.line(names, hosts, width, coloured=coloured) for row in rows]
        lines += [
            paint(line, YELLOW, on=coloured)
            for line in pinned_revisions.lines(
                pinned_revisions.observed(self.run.stage, self.run.live_state.swarm)
            )
        ]
        remarks = (*warnings(stage, self.run.directory), *key_lines(self.key_shown))
        lines += [paint(line, YELLOW, on=coloured) for line in remarks]
        lines += [paint(line, DIM, on=coloured) for line in self._costs()]
        lines += [paint(line, DIM, on=coloured) for line in package_lines(package_ages(self.run))]
        return [*lines, paint(self._summary(), BOLD, on=coloured)]

    def _costs(self) -> Iterator[str]:
        """Yield what of the stage costs money while it exists, where something of that is to be made."""
        if self._made():
            every = costs.costs_of(self.run.provider.resources())
            yield from costs.lines(self.run.stage, every, costs.HEAD)

    def takes(self) -> dict[str, int]:
        """Return the hosts, disks and addresses that the provider is to make, with their numbers."""
        totals: dict[str, int] = {}
        for resource in self._made():
            for unit, number in resource.quota_usage.items():
                totals[unit] = totals.get(unit, 0) + number
        return totals

    def _made(self) -> list[Resource]:
        """Return the provider's resources that are to be made."""
        new = {item.task for item in self.items if is_made_anew(item.action)}
        return [one for one in self.run.provider.resources() if infra_task(one.name) in new]

    def _summary(self) -> str:
        """Return the last line."""
        same = sum(item.action == NOTHING for item in self.items)
        counts = self.count()
        if not counts.keys() - {LEFT}:
            left = f"; {counts[LEFT]} left over" if counts else ""
            pins = len(pinned_revisions.observed(self.run.stage, self.run.live_state.swarm))
            if pins:
                return f"nothing to do: {same} resources are up to date{pinned_revisions.among(pins)}{left}"
            return (
                f"nothing to do: all {same} resources are as site.toml says{left}"
                if same != 1
                else (f"nothing to do: it is as site.toml says{left}")
            )
        parts = [f"{count} {STYLES[action].words}" for action, count in counts.items()]
        head = ", ".join([*parts, f"{same} up to date"])
        least = {unit for one in self._made() for unit in one.least}
        amounts = (costs.in_words(number, unit, least) for unit, number in self.takes().items())
        if takes := ", ".join(amounts):
            head += f"; provider {self.run.stage.provider} makes {takes}"
        if not counts.keys() - {LEFT, ADOPT}:
            return f"nothing to change: {head}"
        return head


@dataclass(frozen=True)
class PlanRow:
    """One line of the plan.

    Args:
        action: The action.
        name: The resource, or how many there are.
        host: Its host, if it belongs to one.
        reason: Why.

    """

    action: str
    name: str
    host: str
    reason: str

    @property
    def plain(self) -> str:
        """The line without columns, its sign first."""
        where = f" ({self.host})" if self.host else ""
        return f"{STYLES[self.action].sign} {self.name}{where}: {self.reason}".rstrip(": ")

    def line(self, names: int, hosts: int, width: int | None, *, coloured: bool) -> str:
        """Return the line with these widths of its columns."""
        style = STYLES[self.action]
        front = f"  {style.sign} {self.name:<{names}}  " + (f"{self.host:<{hosts}}  " if hosts else "")
        reason = self.reason
        if width is not None and len(front) + len(reason) > width:
            reason = reason[: max(0, width - len(front) - 1)] + "…"
        return (paint(front, style.colour, on=coloured) + paint(reason, DIM, on=coloured)).rstrip()


def _rows(items: Iterable[Item], *, every: bool) -> Iterator[PlanRow]:
    """Yield the rows of a phase; many resources with the same action and reasons share one."""
    groups: dict[tuple[str, tuple[str, ...]], list[Item]] = {}
    for item in items:
        groups.setdefault((item.action, item.reasons), []).append(item)
    for (action, reasons), alike in groups.items():
        names = [item.task.partition(":")[2] for item in alike]
        if every or len(alike) < ALIKE:
            for item, name in zip(alike, names, strict=True):
                yield PlanRow(action, name, item.host, _reason(item))
            continue
        more = f" and {len(names) - NAMED} more (--all)" if len(names) > NAMED else ""
        after = alike[0].after if len({item.after for item in alike}) == 1 else ()
        reason = _reason(Item("", action, reasons, after))
        yield PlanRow(action, f"{len(alike)} resources", "", f"{reason}: {', '.join(names[:NAMED])}{more}")


def _reason(item: Item) -> str:
    """Return an item's reasons, and the tasks that it waits for unless the reasons name them."""
    text = "; ".join(clean(reason) for reason in item.reasons)
    waits = [task for task in item.after if task not in text]
    return f"{text} (after {', '.join(waits[:2])}{' …' if len(waits) > 2 else ''})" if waits else text  # noqa: PLR2004


def _by_phase(items: Sequence[Item]) -> Iterator[tuple[str, list[Item]]]:
    """Yield the items of each phase."""
    for phase, group in groupby(items, key=lambda item: item.task.partition(":")[0]):
        yield phase, list(group)
