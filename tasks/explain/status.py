"""Each resource's status, input by input, and its cause. Opens no connection; `drift` alone asks the live state.

`tasks/doit_task.py` answers doit's one question, whether to run. This answers a person's: which input, its old value,
and where the new one comes from.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from model.errors import SkepError
from model.keys.digest import Difference, Inputs, differences, key_of
from tasks.observe.drift import Unknown
from tasks.run.context import Run
from tasks.run.state import noting_reads
from tasks.step import Step, is_made_anew

UP_TO_DATE, STALE, NEVER, FAILED = "up to date", "stale", "never run", "failed"
BECAUSE = " because: "
"""How a task's log begins, after the time (see `tasks/doit_task.py`)."""
_TELLING = 8
"""Letters from which on a value is surely found in a record because it comes from there."""


@dataclass(frozen=True)
class ResourceStatus:
    """One resource's status, seen alone.

    Args:
        step: Its step.
        status: One of the words above.
        inputs: The inputs now; empty where `missing` or `problems` say why they are not known.
        last: The inputs of its last good run; None if it has none.
        changes: The differences between the two.
        missing: The task, mostly, whose record its inputs are read from and that has none yet.
        problems: The mistakes that a person has to fix before the inputs can be read.
        notes: doit's own reasons beside the inputs: its record is gone, or one that it needs was rewritten.
        reads: The tasks whose records it is made from.
        made: When it was last made; None if it never was.

    """

    step: Step
    status: str
    inputs: Inputs
    last: Inputs | None
    changes: tuple[Difference, ...] = ()
    missing: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset()
    made: float | None = None

    @property
    def task(self) -> str:
        """Its task's name."""
        return self.step.task

    def reasons(self) -> list[str]:
        """Return why it is not up to date, in words, beside that it failed or never ran."""
        reasons = [
            *self.problems,
            *(change.sentence(place(self.step, change.name)) for change in self.changes),
        ]
        if self.missing:
            reasons.append(f"{self.missing} is not there yet")
        return [*reasons, *self.notes]


class StatusTable:
    """The status of all resources of a stage, each computed when it is first asked for.

    Args:
        run: The run.
        tasks: doit's tasks by name.
        dep_manager: doit's view of its database.

    """

    def __init__(self, run: Run, tasks: Mapping[str, Any], dep_manager: Any) -> None:
        self._run, self._tasks, self._dep_manager = run, tasks, dep_manager
        self._known: dict[str, ResourceStatus] = {}
        self._moves: dict[str, bool] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every resource's task, in the order of the phases."""
        return tuple(name for name, task in self._tasks.items() if task.actions)

    def __getitem__(self, name: str) -> ResourceStatus:
        """Return a resource's status."""
        if name not in self._known:
            self._known[name] = self._status_of(self._tasks[name])
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._tasks and bool(self._tasks[name].actions)

    def before(self, name: str) -> tuple[str, ...]:
        """Return the tasks that must be done before this one, whether it is made from them or not."""
        return tuple(dep for dep in self._tasks[name].task_dep if dep in self)

    def _status_of(self, task: Any) -> ResourceStatus:
        """Compute a resource's status."""
        step: Step = task.meta["step"]
        entry = self._dep_manager.backend.entry(task.name)
        failed, last = bool(entry.get("failed")), _last_inputs(entry)
        inputs: Inputs = {}
        missing = ""
        problems: tuple[str, ...] = ()
        notes: tuple[str, ...] = ()
        with noting_reads() as reads:
            try:
                inputs = step.inputs_now()
            except KeyError as error:
                missing = str(error.args[0])
            except SkepError as error:
                problems = tuple(self._run.secrets.redact(str(error)).splitlines())
        changes = tuple(differences(last, inputs)) if last is not None and inputs else ()
        if inputs and not changes and not failed and last is not None:
            # A record that changed says nothing more where an input that is read from it did.
            notes = tuple(filter(None, (step.void(), *self._doits_reasons(task))))
        stale = changes or missing or problems or notes
        word = FAILED if failed else NEVER if last is None else STALE if stale else UP_TO_DATE
        made = entry.get("made") if last is not None else None
        depends = frozenset({*reads, *step.needs}) - {step.task}
        return ResourceStatus(step, word, inputs, last, changes, missing, problems, notes, depends, made)

    def _doits_reasons(self, task: Any) -> Iterator[str]:
        """Yield doit's own reasons to run a task whose inputs are unchanged."""
        found = self._dep_manager.get_status(task, self._tasks, get_log=True).reasons
        if found.get("missing_target"):
            yield "its record is gone"
        for path in [*(found.get("changed_file_dep") or ()), *(found.get("missing_file_dep") or ())]:
            where = Path(path).relative_to(self._run.state.root).with_suffix("")
            yield f"the record of {str(where).replace('/', ':', 1)} was rewritten"
        if found.get("added_file_dep") or found.get("removed_file_dep"):
            yield "it depends on other resources than before"

    # -- effects on others ----------------------------------------------------------------------------------------

    def follows(self, name: str) -> tuple[str, ...]:
        """Return those that a resource is made from and that will be replaced before it."""
        return tuple(dep for dep in sorted(self[name].reads) if dep in self and self.is_moving(dep))

    def is_moving(self, name: str) -> bool:
        """Return whether the next run may leave another record of a resource than there is now.

        What is changed in place keeps its record: a service with a new environment is the same service.
        """
        if name not in self._moves:
            self._moves[name] = False  # ends a cycle; doit itself refuses one
            status = self[name]
            if status.last is None or not self._run.state.record_path(name).exists():
                self._moves[name] = True
            elif status.status != UP_TO_DATE:
                changed = {change.name for change in status.changes}
                self._moves[name] = is_made_anew(status.step.effect(changed))
            else:
                fed = {i for dep in self.follows(name) for i in self.fed_by(status, dep)}
                self._moves[name] = bool(self.follows(name)) and is_made_anew(status.step.effect(fed))
        return self._moves[name]

    def fed_by(self, status: ResourceStatus, dep: str) -> list[str]:
        """Return the inputs of a resource whose present value comes from the record of another."""
        return [name for name, value in status.inputs.items() if self._is_from(value, dep)]

    def source(self, status: ResourceStatus, value: str | None) -> str | None:
        """Return the task from whose record a value comes, or None where it is a definition's or a file's."""
        if value is None:
            return None
        return next((dep for dep in sorted(status.reads) if dep in self and self._is_from(value, dep)), None)

    def _is_from(self, value: str, dep: str) -> bool:
        """Return whether a value is in the record of a task."""
        text = value.strip('"')
        return len(text) >= _TELLING and text in self._records(dep)

    def _records(self, name: str) -> str:
        """Return a task's record as text; nothing where there is none."""
        try:
            return self._run.state.record_path(name).read_text(encoding="utf-8")
        except OSError:
            return ""

    def unmade(self, name: str) -> str | None:
        """Return the task that makes the thing that a resource is missing; None if none of its own does."""
        status = self[name]
        if status.missing in self:
            return status.missing
        # Not a record is missing (but a generated secret, the vault): the task that makes it comes before.
        before = sorted(self.before(name), key=lambda dep: dep not in status.step.needs)
        return next((dep for dep in before if self[dep].status != UP_TO_DATE), None)

    # -- the past ------------------------------------------------------------------------------------------------------

    def was_because(self, name: str) -> tuple[float, str] | None:
        """Return when and why a task last ran, out of its log; None where that is not kept."""
        path = self._run.state.log_path(name)
        made = _time_of(path)
        try:
            with path.open(encoding="utf-8", errors="replace") as log:
                first = log.readline().rstrip("\n")
        except OSError:
            return None
        _, found, reason = first.partition(BECAUSE)
        return (made or 0.0, reason) if found else None

    def log_end(self, name: str, lines: int) -> Sequence[str]:
        """Return the last lines of the log of a task's last run."""
        try:
            text = self._run.state.log_path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ()
        return text.splitlines()[-lines:]

    def log_time(self, name: str) -> float | None:
        """Return when a task last wrote a line."""
        return _time_of(self._run.state.log_path(name))

    # -- the present ---------------------------------------------------------------------------------------------------

    def drift(self, name: str) -> str | None:
        """Return why the live state is not as it would be made now; None if it is."""
        status = self[name]
        try:
            return status.step.real(key_of(status.inputs))
        except KeyError as missing:
            return f"{missing.args[0]} is not there yet"
        except SkepError as error:
            return Unknown(str(error))


# -- names for people --------------------------------------------------------------------------------------------------


def place(step: Step, name: str) -> str:
    """Return an input's name as the person who wrote it knows it: a path, or the keys in site.toml."""
    for begins, written in step.paths.items():
        if name.startswith(begins):
            return written + name[len(begins) :]
    return name


def _last_inputs(entry: Mapping[str, Any]) -> Inputs | None:
    """Return the inputs of a task's last good run; None if it has none."""
    values = entry.get("good", {}).get("_values_:") or {}
    inputs: Inputs | None = values.get("inputs")
    return inputs


def _time_of(path: Path) -> float | None:
    """Return when a file was written."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def ago(then: float) -> str:
    """Return a time for people: when, and how long that is ago."""
    passed = max(0.0, time.time() - then)
    steps = ((86400, "d"), (3600, "h"), (60, "min"))
    rough = next(
        (f"{passed // size:.0f} {unit}" for size, unit in steps if passed >= size), f"{passed:.0f} s"
    )
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(then))}, {rough} ago"
