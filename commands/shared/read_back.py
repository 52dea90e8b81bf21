"""Read a stage back into a checkout without state/: the records of all that is as wanted, and nothing is changed.

A run does that by the way, as it makes sure of each resource. A plan in a fresh clone, as in CI, would know of nothing
on the hosts otherwise.
"""

import sys
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from model.errors import SkepError
from model.keys.digest import Inputs, key_of
from model.keys.record import HostRecord, Record
from tasks.run.context import Run
from tasks.step import Step, Work

_AT_A_TIME = 16
NO_HOSTS = "in a fresh clone doit plan finds those that there are"
"""The way out where a command asks hosts, and knows none."""


def fill_in(run: Run, tasks: Mapping[str, Any], dep_manager: Any) -> None:
    """Have a checkout without state/ know what is there, unless a run is at work here, which finds that out itself."""
    if any(run.state.host_record(host) is not None for host in run.stage.hosts):
        return
    try:
        run.state.lock(" ".join(["doit", *sys.argv[1:]]))
    except SkepError:
        return
    try:
        found = read_back(run, tasks, dep_manager)
    finally:
        run.state.unlock()
    if found:
        sys.stderr.write(f"state/ knew no host: {found} resources are read back\n")


def read_back(run: Run, tasks: Mapping[str, Any], dep_manager: Any) -> int:
    """Write the records and traces of the resources that are there as wanted, and return how many there are.

    Those come first that others are made from. What is not as wanted, or can't be asked, is left out, and so is what is
    made from it.

    Args:
        run: The run; it holds the stage.
        tasks: doit's tasks by name.
        dep_manager: doit's view of its database.

    """
    steps = {name: task for name, task in tasks.items() if task.actions}
    waiting = {name: {dep for dep in task.task_dep if dep in steps} for name, task in steps.items()}
    done: set[str] = set()
    count = 0
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        while ready := [name for name, before in waiting.items() if before <= done]:
            found = list(pool.map(lambda name: _recalled(run, steps[name].meta["step"]), ready))
            for name, recalled in zip(ready, found, strict=True):
                del waiting[name]
                done.add(name)
                if recalled is not None:
                    _keep(run, steps[name], recalled, dep_manager)
                    count += 1
            if any(recalled is not None and isinstance(recalled[0], HostRecord) for recalled in found):
                run.observer.look_anew()
    return count


def _recalled(run: Run, step: Step) -> tuple[Record, Inputs] | None:
    """Return the record of a resource and the inputs that it has; None if it is not as wanted, or nobody can tell."""
    if not _are_there(run, step.needs):
        return None
    try:
        inputs = step.inputs_now()
        work = Work(step.task, inputs, key_of(inputs), lambda _line: None)
        record = step.recall(work)
    except (KeyError, SkepError):
        return None
    return None if record is None else (record, work.inputs)


def _are_there(run: Run, tasks: Collection[str]) -> bool:
    """Return whether tasks have a record."""
    return all(run.state.record_path(task).exists() for task in tasks)


def _keep(run: Run, task: Any, recalled: tuple[Record, Inputs], dep_manager: Any) -> None:
    """Write a record and its trace, as a run does after a task that ended well."""
    record, inputs = recalled
    run.state.write(task.name, record)
    task.values = {"inputs": inputs}
    dep_manager.save_success(task)
