"""`doit why TASK`: print the inputs that differ from the last good run, old and new, back to the root cause."""

from collections.abc import Iterator, Sequence

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import BOLD, DIM, GREEN, RED, YELLOW, clean, is_coloured, paint
from commands.shared.current_run import site_run
from commands.shared.lock_owner import holder
from commands.shared.task_selection import all_before, resolve, with_flags
from model.errors import SkepError
from model.keys.digest import Difference, Inputs, abbreviated
from tasks.explain.root_causes import RootCause, is_settled, root_causes
from tasks.explain.status import FAILED, NEVER, STALE, UP_TO_DATE, ResourceStatus, StatusTable, ago, place
from tasks.names import service_task
from tasks.observe.drift import Unknown
from tasks.run.context import Run
from tasks.services import pinned_revisions

LOG_END = 15
MOST = 5
"""Root causes that a resource's overview lists; each has its inputs below."""
LONGEST = 48
"""Characters of a value that are printed."""
FOLLOWS, DRIFTED = "may follow", "changed"
_COLOURS = {UP_TO_DATE: GREEN, STALE: YELLOW, NEVER: YELLOW, FAILED: RED, FOLLOWS: YELLOW, DRIFTED: YELLOW}


class WhyCommand(DoitCmdBase):
    """Explain why a resource is stale."""

    name = "why"
    doc_purpose = (
        "explain why a resource is stale: the input that changed, its old and new value, and the root cause"
    )
    doc_usage = "TASK ... [--live]"
    doc_description = """\
TASK is a task (build_images:powerdns), a phase (a line for each of its resources that is not up to date), or the \
short name of a resource (powerdns; if several resources have it, the one that is made from the others).

Inputs are compared with those of the last successful run, even if a run failed since. Secrets are never shown, only \
that they changed. No connection is opened, unless --live asks for the live state as well."""

    cmd_options = (
        {
            "name": "live",
            "short": "",
            "long": "live",
            "type": bool,
            "default": False,
            "help": "compare with the live state as well, as a run does",
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
            raise InvalidCommand("name a task, a phase or a resource; `doit list --all` shows them")
        before = all_before({name: table.before(name) for name in table.names})
        phases = [name for name, task in tasks.items() if task.has_subtask]
        asked = [(word, resolve(word, before, phases)) for word in pos_args]
        run.observer.enabled = live
        report = WhyReport(run, table, live=live, coloured=is_coloured(self.outstream))
        owner = holder(run.state)
        lines = [f"a run is at work, and may change this: {owner}", ""] if owner else []
        try:
            for i, (word, names) in enumerate(asked):
                lines += [""] if i else []
                lines += (
                    report.phase(word, names)
                    if word in phases or len(names) != 1
                    else report.resource(names[0])
                )
            self.outstream.write("".join(f"{run.secrets.redact(line)}".rstrip() + "\n" for line in lines))
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        finally:
            if live:
                run.observer.close()
                run.connections.close()
        return 1 if report.has_unknown else 0


class WhyReport:
    """The text of `doit why`.

    Args:
        run: The run, for paths.
        table: The statuses of all resources.
        live: Whether to compare with the live state.
        coloured: Whether to use colours.

    """

    def __init__(self, run: Run, table: StatusTable, *, live: bool, coloured: bool) -> None:
        self._run, self._table, self._live, self._coloured = run, table, live, coloured
        self.has_unknown = False
        """Whether the live state of a resource could not be determined."""

    # -- a phase -------------------------------------------------------------------------------------------------------

    def phase(self, word: str, names: Sequence[str]) -> list[str]:
        """Return a line for each resource of a phase that is not up to date: its first root cause."""
        lines, settled = [], 0
        for name in names:
            status, causes = self._status(name)
            if status == UP_TO_DATE:
                settled += 1
                continue
            more = f" (+{len(causes) - 1} more)" if len(causes) > 1 else ""
            text = f"{causes[0]}{more}" if causes else name.partition(":")[2]
            lines.append(f"  {self._paint(f'{status:<10}', status)}  {clean(text)}")
        pinned = [f"  {line}" for name in names for line in self._pinned(name)]
        if not names:
            return [f"{word}: nothing to make"]
        if not lines:
            text = f"{word}: all {settled} are up to date" if settled > 1 else f"{word}: up to date"
            return [text, *pinned]
        return [f"{word}: {settled} of {len(names)} up to date", *lines, *pinned]

    def _status(self, name: str) -> tuple[str, list[RootCause]]:
        """Return a resource's status and its root causes."""
        resource = self._table[name]
        drift = self._drift(resource)
        causes = root_causes(self._table, name, drift)
        if resource.status == UP_TO_DATE and drift:
            return DRIFTED, causes
        settled = resource.status != UP_TO_DATE or is_settled(self._table, name)
        return resource.status if settled else FOLLOWS, causes

    def _drift(self, resource: ResourceStatus) -> str | None:
        """Return how the real thing differs from a resource whose inputs have not changed; None if it does not."""
        if not self._live or not resource.inputs or resource.changes:
            return None
        drift = self._table.drift(resource.task)
        self.has_unknown = self.has_unknown or isinstance(drift, Unknown)
        return drift

    # -- one resource --------------------------------------------------------------------------------------------------

    def resource(self, name: str) -> list[str]:
        """Return all lines of one resource."""
        resource = self._table[name]
        status, causes = self._status(name)
        head = {
            UP_TO_DATE: f"{name} is up to date",
            STALE: f"{name} is stale",
            NEVER: f"{name} was never run, as far as state/ knows",
            FAILED: f"{name} failed in its last run, and will run again",
            FOLLOWS: f"{name} may follow: a resource that it is made from is going to change",
            DRIFTED: f"{name} is stale: the real thing was changed",
        }[status]
        lines = [paint(head, BOLD, on=self._coloured), *(f"  {line}" for line in self._pinned(name))]
        if status == UP_TO_DATE:
            return [*lines, *self._settled(resource)]
        chains = [f"  {cause}" for cause in causes[:MOST]]
        if status == NEVER and not (self._live and causes[1:]):
            chains = []
        more = len(causes) - MOST
        lines += [self._paint(clean(line), status) for line in chains]
        lines += [f"  … and {more} more, below"] if more > 0 else []
        if resource.status == FAILED:
            lines += self._failure(resource)
        if resource.status == NEVER:
            lines += self._never(resource)
        tasks = dict.fromkeys(task for cause in causes for task in cause.tasks)
        for task in tasks:
            lines += self._inputs(self._table[task])
        return lines

    def _pinned(self, name: str) -> list[str]:
        """Return the line that a service is pinned to a revision; none for anything else."""
        run = self._run
        pinned = (
            pinned_revisions.observed(run.stage, run.live_state.swarm)
            if self._live and not run.live_state.swarm.error
            else pinned_revisions.pinned(run.state)
        )
        return pinned_revisions.lines(
            {n: revision for n, revision in pinned.items() if service_task(n) == name}
        )

    def _settled(self, resource: ResourceStatus) -> Iterator[str]:
        """Yield since when a resource is up to date, and its inputs in short."""
        if resource.made is not None:
            yield f"  since {ago(resource.made)}"
        if resource.last:
            yield f"  made from: {summary(resource.last)}"
        if not self._live:
            yield self._dim("  (the real thing was not checked; --live does)")
        elif resource.step.is_observed:
            yield "  and the real thing is as it was made"

    def _never(self, resource: ResourceStatus) -> Iterator[str]:
        """Yield the inputs of a resource that was never made, or which of them are missing."""
        if resource.missing:
            maker = self._table.unmade(resource.task)
            by = f", which {maker} makes" if maker and maker != resource.missing else ""
            yield (
                f"  it needs {resource.missing}{by}, which is not there yet"
                if not by
                else (f"  it needs {resource.missing}{by}")
            )
        for problem in resource.problems:
            yield f"  {clean(problem)}"
        if resource.inputs:
            yield f"  it would be made from: {summary(resource.inputs)}"
        yield self._dim("  if it exists already, doit finds it by its label and writes its record")

    def _failure(self, resource: ResourceStatus) -> Iterator[str]:
        """Yield the end of the last run's log."""
        end = self._table.log_end(resource.task, LOG_END)
        if not end:
            yield "  it could not be run, so there is no log"
            return
        path = self._run.state.log_path(resource.task)
        when = self._table.log_time(resource.task)
        at = f" ({ago(when)})" if when is not None else ""
        yield f"  the end of its log, {path.relative_to(self._run.directory)}{at}:"
        for line in end:
            yield f"    {clean(line)}"

    def _inputs(self, resource: ResourceStatus) -> Iterator[str]:
        """Yield the inputs of a resource that changed, old and new, and those that are going to change."""
        rows = [(place(resource.step, change.name), *old_and_new(change)) for change in resource.changes]
        for dep in self._table.follows(resource.task):
            fed = [name for name in self._table.fed_by(resource, dep) if resource.last is not None]
            rows += [
                (place(resource.step, name), shown_value(resource.inputs[name]), f"known once {dep} is done")
                for name in fed
                if name not in {change.name for change in resource.changes}
            ]
        if not rows:
            return
        made = f", last made {ago(resource.made)}" if resource.made is not None else ""
        yield ""
        yield f"  {resource.task}{made}"
        width = min(60, max(len(name) for name, _, _ in rows))
        for name, old, new in rows:
            yield f"    {clean(name):<{width}}  {clean(old)} {self._dim('→')} {clean(new)}"

    def _paint(self, text: str, status: str) -> str:
        """Return a text in the colour of a status."""
        return paint(text, _COLOURS[status], on=self._coloured)

    def _dim(self, text: str) -> str:
        """Return a text in the style of secondary text."""
        return paint(text, DIM, on=self._coloured)


# -- inputs in words ---------------------------------------------------------------------------------------------------


def old_and_new(change: Difference) -> tuple[str, str]:
    """Return an input's old and new value for printing; of a secret, only that it changed."""
    if any((value or "").startswith("hmac:") for value in (change.old, change.new)):
        return "(secret)", "(changed)" if change.new is not None else "(none)"
    return shown_value(change.old), shown_value(change.new)


def shown_value(value: str | None) -> str:
    """Return an input's value for printing."""
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
    """Return a resource's inputs in one line: each kind with its value, or with the number of its values."""
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
    parts = []
    for kind, values in groups.items():
        if kind.startswith("role "):
            files = sum(value != "file directory" for value in values)
            parts.append(f"{kind} ({files} file{'s' if files != 1 else ''})")
        elif len(values) > 1:
            parts.append(f"{kind} ({len(values)} values)")
        elif values[0] not in {"{}", "[]"}:
            parts.append(f"{kind} {shown_value(values[0])}")
    return "; ".join(parts)
