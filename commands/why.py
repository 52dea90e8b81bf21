"""`doit why TASK`: which input differs from the last good run, old against new, back to the root."""

from collections.abc import Iterator, Sequence

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import BOLD, DIM, GREEN, RED, YELLOW, clean, is_coloured, paint
from commands.shared.current_run import site_run
from commands.shared.lock_owner import holder
from commands.shared.task_selection import all_before, resolve, with_flags
from model.keys.digest import Difference, Inputs, abbreviated
from tasks.explain.root_causes import RootCause, is_settled, root_causes
from tasks.explain.status import FAILED, NEVER, STALE, UP_TO_DATE, ResourceStatus, StatusTable, ago, place
from tasks.names import service_task
from tasks.observe.drift import Unknown
from tasks.run.context import Run
from tasks.services import pinned_revisions

LOG_END = 15
MOST = 5
"""Roots of one resource that are told in its overview; each has its inputs below."""
LONGEST = 48
"""Letters of a value that are shown."""
FOLLOWS, DRIFTED = "may follow", "changed"
_COLOURS = {UP_TO_DATE: GREEN, STALE: YELLOW, NEVER: YELLOW, FAILED: RED, FOLLOWS: YELLOW, DRIFTED: YELLOW}


class Why(DoitCmdBase):
    """Say why a resource is stale."""

    doc_purpose = (
        "say why a resource is stale: which input changed, from what to what, and what made it change"
    )
    doc_usage = "TASK ... [--live]"
    doc_description = """\
TASK is a task (build_images:powerdns), a phase (a line for each of its resources that is not up to date), or the \
short name of a resource (powerdns; where several have it, the last that is made from the others).

Inputs are compared with those of the last run that went well, even if one failed since. Secrets are never shown: only \
that they changed. No connection is opened, unless --live asks the real things as well, as a run does."""

    cmd_options = (
        {
            "name": "live",
            "short": "",
            "long": "live",
            "type": bool,
            "default": False,
            "help": "look at the real things as well",
        },
    )

    def _execute(
        self,
        live: bool = False,  # noqa: FBT001, FBT002 - doit hands its options over by these names
        pos_args: Sequence[str] = (),
    ) -> int:
        """Print the answer."""
        pos_args, flags = with_flags(pos_args, "--live")
        live = live or "--live" in flags
        run = site_run(self.loader, asks=False)
        tasks = {task.name: task for task in self.task_list}
        table = StatusTable(run, tasks, self.dep_manager)
        if not pos_args:
            raise InvalidCommand("why what? Name a task, a phase or a resource; `doit list --all` shows them")
        before = all_before({name: table.before(name) for name in table.names})
        phases = [name for name, task in tasks.items() if task.has_subtask]
        asked = [(word, resolve(word, before, phases)) for word in pos_args]
        run.observer.enabled = live
        telling = Telling(run, table, live=live, coloured=is_coloured(self.outstream))
        who = holder(run.state)
        lines = [f"a run is at work, and may change this: {who}", ""] if who else []
        try:
            for i, (word, names) in enumerate(asked):
                lines += [""] if i else []
                lines += (
                    telling.phase(word, names) if word in phases or len(names) != 1 else telling.one(names[0])
                )
            self.outstream.write("".join(f"{run.secrets.redact(line)}".rstrip() + "\n" for line in lines))
        finally:
            if live:
                run.live_state.close()
                run.connections.close()
        return 1 if telling.unasked else 0


class Telling:
    """Puts how resources stand into lines.

    Args:
        run: The run, for paths.
        table: How they stand.
        live: Whether to ask the live look.
        coloured: Whether the screen takes colours.

    """

    def __init__(self, run: Run, table: StatusTable, *, live: bool, coloured: bool) -> None:
        self._run, self._standings, self._live, self._coloured = run, table, live, coloured
        self.unasked = False
        """Whether the live look could not be had of something."""

    # -- a phase -------------------------------------------------------------------------------------------------------

    def phase(self, word: str, names: Sequence[str]) -> list[str]:
        """Return a line for each resource that is not up to date: its first root."""
        lines, settled = [], 0
        for name in names:
            status, found = self._status(name)
            if status == UP_TO_DATE:
                settled += 1
                continue
            more = f" (+{len(found) - 1} more)" if len(found) > 1 else ""
            said = f"{found[0]}{more}" if found else name.partition(":")[2]
            lines.append(f"  {self._paint(f'{status:<10}', status)}  {clean(said)}")
        pinned = [f"  {line}" for name in names for line in self._pinned(name)]
        if not names:
            return [f"{word}: nothing to make"]
        if not lines:
            said = f"{word}: all {settled} are up to date" if settled > 1 else f"{word}: up to date"
            return [said, *pinned]
        return [f"{word}: {settled} of {len(names)} up to date", *lines, *pinned]

    def _status(self, name: str) -> tuple[str, list[RootCause]]:
        """Return how a resource stands in one word, and the roots of it."""
        standing = self._standings[name]
        drift = self._drift(standing)
        found = root_causes(self._standings, name, drift)
        if standing.status == UP_TO_DATE and drift:
            return DRIFTED, found
        settled = standing.status != UP_TO_DATE or is_settled(self._standings, name)
        return standing.status if settled else FOLLOWS, found

    def _drift(self, standing: ResourceStatus) -> str | None:
        """Return what the live look says of a resource whose inputs are as they were."""
        if not self._live or not standing.inputs or standing.changes:
            return None
        drift = self._standings.drift(standing.task)
        self.unasked = self.unasked or isinstance(drift, Unknown)
        return drift

    # -- one resource --------------------------------------------------------------------------------------------------

    def one(self, name: str) -> list[str]:
        """Return all that is known of one resource."""
        standing = self._standings[name]
        status, found = self._status(name)
        head = {
            UP_TO_DATE: f"{name} is up to date",
            STALE: f"{name} is stale",
            NEVER: f"{name} was never run, as far as state/ knows",
            FAILED: f"{name} failed when it was last run, and will be run again",
            FOLLOWS: f"{name} may follow: it is made from what will be made anew",
            DRIFTED: f"{name} is stale: the real thing is not as it was made",
        }[status]
        lines = [paint(head, BOLD, on=self._coloured), *(f"  {line}" for line in self._pinned(name))]
        if status == UP_TO_DATE:
            return [*lines, *self._settled(standing)]
        shown_chains = [f"  {chain}" for chain in found[:MOST]]
        if status == NEVER and not (self._live and found[1:]):
            shown_chains = []
        more = len(found) - MOST
        lines += [self._paint(clean(line), status) for line in shown_chains]
        lines += [f"  … and {more} more, below"] if more > 0 else []
        if standing.status == FAILED:
            lines += self._failure(standing)
        if standing.status == NEVER:
            lines += self._never(standing)
        tasks = dict.fromkeys(task for chain in found for task in chain.tasks)
        for task in tasks:
            lines += self._inputs(self._standings[task])
        return lines

    def _pinned(self, name: str) -> list[str]:
        """Return that a service was taken back to a revision and stays there; nothing of what is not pinned."""
        run = self._run
        found = (
            pinned_revisions.observed(run.stage, run.live_state.swarm)
            if self._live and not run.live_state.swarm.error
            else pinned_revisions.pinned(run.state)
        )
        return pinned_revisions.lines({n: g for n, g in found.items() if service_task(n) == name})

    def _settled(self, standing: ResourceStatus) -> Iterator[str]:
        """Yield since when a resource is up to date, and what it was made from in short."""
        if standing.made is not None:
            yield f"  since {ago(standing.made)}"
        if standing.last:
            yield f"  made from: {summary(standing.last)}"
        if not self._live:
            yield self._dim("  (what really runs was not looked at; --live does)")
        elif standing.step.is_observed:
            yield "  and so is the real thing"

    def _never(self, standing: ResourceStatus) -> Iterator[str]:
        """Yield what a resource would be made from."""
        if standing.missing:
            maker = self._standings.unmade(standing.task)
            by = f", which {maker} makes" if maker and maker != standing.missing else ""
            yield (
                f"  it needs {standing.missing}{by}, which is not there yet"
                if not by
                else (f"  it needs {standing.missing}{by}")
            )
        for problem in standing.problems:
            yield f"  {clean(problem)}"
        if standing.inputs:
            yield f"  it would be made from: {summary(standing.inputs)}"
        yield self._dim("  if it is there already, doit finds it by its label and writes its record")

    def _failure(self, standing: ResourceStatus) -> Iterator[str]:
        """Yield the end of the last run's log."""
        end = self._standings.log_end(standing.task, LOG_END)
        if not end:
            yield "  it could not be run; there is no log of it"
            return
        path = self._run.state.log_path(standing.task)
        when = self._standings.log_time(standing.task)
        at = f" ({ago(when)})" if when is not None else ""
        yield f"  the end of its log, {path.relative_to(self._run.directory)}{at}:"
        for line in end:
            yield f"    {clean(line)}"

    def _inputs(self, standing: ResourceStatus) -> Iterator[str]:
        """Yield the inputs of a resource that differ, old against new, and those that will."""
        rows = [(place(standing.step, change.name), *old_and_new(change)) for change in standing.changes]
        for dep in self._standings.follows(standing.task):
            fed = [name for name in self._standings.fed_by(standing, dep) if standing.last is not None]
            rows += [
                (place(standing.step, name), shown_value(standing.inputs[name]), f"known once {dep} is done")
                for name in fed
                if name not in {change.name for change in standing.changes}
            ]
        if not rows:
            return
        made = f", last made {ago(standing.made)}" if standing.made is not None else ""
        yield ""
        yield f"  {standing.task}{made}"
        width = min(60, max(len(name) for name, _, _ in rows))
        for name, old, new in rows:
            yield f"    {clean(name):<{width}}  {clean(old)} {self._dim('→')} {clean(new)}"

    def _paint(self, text: str, status: str) -> str:
        """Return a text in the colour of a status."""
        return paint(text, _COLOURS[status], on=self._coloured)

    def _dim(self, text: str) -> str:
        """Return a text that matters less."""
        return paint(text, DIM, on=self._coloured)


# -- inputs in words ---------------------------------------------------------------------------------------------------


def old_and_new(change: Difference) -> tuple[str, str]:
    """Return an input's two values for a person; of a secret, only that it is another."""
    if any((value or "").startswith("hmac:") for value in (change.old, change.new)):
        return "(secret)", "(changed)" if change.new is not None else "(none)"
    return shown_value(change.old), shown_value(change.new)


def shown_value(value: str | None) -> str:
    """Return an input's value for a person."""
    if value is None:
        return "(none)"
    kind, _, rest = value.partition(" ")
    if kind == "file":
        mode, _, digest = rest.partition(" ")
        return f"{mode} {abbreviated(digest)}".rstrip()
    name, _, digest = value.partition(":")
    if name == "hmac":
        return "(secret)"
    if name == "sha256":
        return f"{name}:{abbreviated(digest)}"
    text = abbreviated(value.strip('"') or value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def summary(inputs: Inputs) -> str:
    """Return what a resource is made from in one line: each kind of input, with its value or how many there are."""
    groups: dict[str, list[str]] = {}
    for name, value in inputs.items():
        if name == "format":
            continue
        parts = name.split("/")
        if parts[0] == "roles" and len(parts) > 1:
            kind = f"role {parts[1]}"
        else:
            kind = name.partition(".")[0].partition("[")[0]
        groups.setdefault(kind, []).append(value)
    said = []
    for kind, values in groups.items():
        if kind.startswith("role "):
            files = sum(value != "file directory" for value in values)
            said.append(f"{kind} ({files} file{'s' if files != 1 else ''})")
        elif len(values) > 1:
            said.append(f"{kind} ({len(values)} values)")
        elif values[0] not in {"{}", "[]"}:
            said.append(f"{kind} {shown_value(values[0])}")
    return "; ".join(said)
