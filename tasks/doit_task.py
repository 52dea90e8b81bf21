"""A step as a doit task: stale or not, and run with a log.

A task is stale if and only if an input changed, or the real thing is not as recorded. doit is told so by its own means:
the records that a resource is made from are `file_dep`, its own record is the target, and one `uptodate` callable
compares the inputs with those of the last good run (kept by doit as the task's values) and asks the live state.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doit.exceptions import TaskFailed

from model.errors import SkepError
from model.keys.digest import Inputs, changed, key_of
from remote.mother.task_times import TaskTimes
from tasks.run.context import Run
from tasks.run.log import TaskLog
from tasks.step import Step, Work


class UpToDate:
    """doit's `uptodate` for a step, with the reasons."""

    def __init__(self, run: Run, step: Step) -> None:
        """Keep the step; nothing is computed before doit asks."""
        self._run = run
        self.step = step

    def __call__(self, task: Any, values: Mapping[str, Any]) -> bool:
        """Return whether the task is up to date, and keep its inputs in case it runs and ends well."""
        reasons, task.skep_inputs = self.reasons(values)
        # Those that the action finds then, if they are not known yet.
        task.value_savers.append(lambda: {"inputs": task.skep_inputs})
        self._run.progress.reasons[self.step.task] = reasons
        return not reasons

    def reasons(self, values: Mapping[str, Any]) -> tuple[list[str], Inputs]:
        """Return why the task is stale (no reason if it is not), and its inputs as they are now."""
        try:
            inputs = self.step.inputs_now()
        except KeyError as missing:
            return [f"{missing.args[0]} is not there yet"], {}
        except SkepError as error:
            # The task runs, asks again, and fails with the whole message.
            return [str(error).partition("\n")[0]], {}
        last = values.get("inputs")
        failed = self._run.state.before_failure(self.step.task) if last is None else None
        if failed is not None:
            # doit forgets the inputs of a task that failed; skep does not.
            return ["its last run failed", *(changed(failed, inputs) if failed else ())], inputs
        if last is None:
            # The real thing may be there, as after state/ was deleted; `ensure` finds it by its label.
            return ["never run, or not recorded"], inputs
        reasons = changed(last, inputs)
        if not reasons and (void := self.step.void()):
            reasons = [void]
        if not reasons and self._run.observer.enabled:
            reasons = self._drift(inputs)
        return reasons, inputs

    def _drift(self, inputs: Inputs) -> list[str]:
        """Return why the real thing is not as recorded; one that can't be observed is not known to be."""
        try:
            drift = self.step.real(key_of(inputs))
        except SkepError as error:
            drift = str(error).partition("\n")[0]
        return [drift] if drift else []


def doit_task(run: Run, step: Step) -> dict[str, Any]:
    """Return a step as doit's dictionary of a task."""
    check = UpToDate(run, step)
    return {
        "basename": step.phase,
        "name": step.name,
        "doc": step.doc,
        "actions": [(_act, [run, step])],
        "uptodate": [check],
        "file_dep": [str(run.state.record_path(task)) for task in step.needs],
        "task_dep": [*step.after, *step.needs],
        "targets": [str(run.state.record_path(step.task))],
        # Python actions swap sys.stdout while they run; with threads they would end up with one another's.
        "io": {"capture": False},
        "meta": {"run": run, "host": step.host, "step": step, "check": check},
    }


def _act(run: Run, step: Step, task: Any) -> Any:
    """Run a step: its log begins with why, and a person's mistake fails it without a traceback."""
    try:
        log = run.progress.logs[step.task] = TaskLog(run.state.log_path(step.task), run.secrets.redact)
    except SkepError as error:
        return TaskFailed(str(error))
    times = run.progress.times[step.task] = TaskTimes(step.task)
    try:
        # Where the inputs are the same, it may be doit's own reason: a record that it is made from was rewritten.
        run.progress.reasons[step.task] = run.progress.reasons.get(step.task) or [
            f"{_record(path)} changed" for path in task.dep_changed
        ]
        for reason in run.progress.reasons[step.task] or ["asked for"]:
            log.write(f"because: {reason}")
        run.stage_lock.check()
        run.history.begin()
        inputs = task.skep_inputs = task.skep_inputs or step.inputs_now()
        with run.coordination.at_work(times):
            record = step.ensure(Work(step.task, inputs, key_of(inputs), log.write))
        run.state.write(step.task, record)
        if log.tells_of_change:
            run.progress.changed.append(step.task)
        log.write(f"done in {time.monotonic() - times.began:.1f} s")
    except SkepError as error:
        run.progress.failed.add(step.task)
        message = run.secrets.redact(str(error))
        _say_all(log, message)
        return TaskFailed(message)
    finally:
        del run.progress.logs[step.task]
        log.close()
    return True


def _record(path: str) -> str:
    """Return the name of the task whose record is at a path."""
    return f"{Path(path).parent.name}:{Path(path).stem}"


def _say_all(log: TaskLog, message: str) -> None:
    """Log a message of several lines."""
    for line in message.splitlines():
        log.write(line)
