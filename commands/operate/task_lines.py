"""The lines of `doit status SERVICE`: its tasks, the newest of each slot first, and their last errors."""

import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from commands.operate.status_lines import GAP, Cell, span, table
from commands.shared.console import BOLD, DIM, GREEN, RED, YELLOW, clean, paint
from model.stage import Stage
from tasks.operate.service_status import ServiceStatus
from tasks.operate.service_tasks import ServiceTask, service_tasks
from tasks.operate.site_reading import SiteReading

_INDENT = "    "
_NARROWEST = 20
"""Letters of an error in a line at least."""
_COLOURS = {"running": GREEN, "failed": RED, "rejected": RED, "unknown": YELLOW, "paused": YELLOW}


def task_lines(
    stage: Stage, reading: SiteReading, service: str, *, coloured: bool, width: int
) -> tuple[list[str], Mapping[str, Any]]:
    """Return the lines of a service's tasks, and the same for a program.

    Args:
        stage: The stage.
        reading: The readings of its hosts and of the swarm.
        service: The service.
        coloured: Whether the lines have colours.
        width: The columns of a line.

    """
    tasks = service_tasks(stage, reading, service)
    head, rows = ("TASK", "STATE", "SINCE", "HOST", "CONTAINER"), [_row(task) for task in tasks]
    lines = table(head, rows, coloured=coloured, width=width, yields="CONTAINER")
    plain = table(head, rows, coloured=False, width=width, yields="CONTAINER")
    lines = list(_with_errors(tasks, lines, plain, coloured=coloured, width=width))
    return lines or [f"{service} has no tasks"], {"tasks": [vars(task) for task in tasks]}


def _with_errors(
    tasks: Sequence[ServiceTask], lines: Sequence[str], plain: Sequence[str], *, coloured: bool, width: int
) -> Iterator[str]:
    """Yield the lines of tasks with their errors behind them, or whole below them where there is no room.

    Args:
        tasks: The tasks.
        lines: A line for the head, and one for each task.
        plain: The same without colours.
        coloured: Whether errors have a colour.
        width: The columns of a line.

    """
    start = max(map(len, plain), default=0) + len(GAP)
    if lines:
        is_any = any(task.error for task in tasks)
        yield lines[0] + (" " * (start - len(plain[0])) + paint("ERROR", BOLD, on=coloured) if is_any else "")
    for task, line, shown in zip(tasks, lines[1:], plain[1:], strict=True):
        error, style = " ".join(clean(task.error).split()), RED if task.is_wanted else DIM
        if start + len(error) <= width:
            yield (line + " " * (start - len(shown)) + paint(error, style, on=coloured)).rstrip()
            continue
        yield line
        for part in textwrap.wrap(error, max(_NARROWEST, width - len(_INDENT))):
            yield _INDENT + paint(part, style, on=coloured)


def _row(task: ServiceTask) -> list[Cell]:
    """Return a task's row."""
    style = "" if task.is_wanted else DIM
    return [
        (task.name, style),
        (task.state, _COLOURS.get(task.state, style) if task.is_wanted else style),
        ("-" if task.since is None else span(time.time() - task.since), style),
        (task.host or "-", style),
        (task.container or "-", style),
    ]


def service_problems(service: ServiceStatus, reading: SiteReading) -> tuple[str, ...]:
    """Return what is wrong with a service; that nothing is known of the swarm is wrong as well."""
    swarm = (reading.swarm,) if isinstance(reading.swarm, str) else ()
    return (*swarm, *service.problems)


def service_verdict(service: ServiceStatus, problems: Sequence[str], *, coloured: bool) -> list[str]:
    """Return the lines below a service's tasks: notes, and what is wrong."""
    lines = [paint(clean(note), DIM, on=coloured) for note in service.notes]
    if not problems:
        return [*lines, paint("all is well", GREEN, on=coloured)]
    return lines + [paint(f"! {clean(problem)}", RED, on=coloured) for problem in problems]
