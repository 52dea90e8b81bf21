"""The lines of `doit status SERVICE`: its tasks, the newest of each slot first, and their last errors."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from commands.operate.status_lines import Cell, span, table
from commands.shared.console import DIM, GREEN, RED, YELLOW, clean, paint
from model.stage import Stage
from tasks.operate.service_status import ServiceStatus
from tasks.operate.service_tasks import ServiceTask, service_tasks
from tasks.operate.site_reading import SiteReading

_COLOURS = {"running": GREEN, "failed": RED, "rejected": RED, "unknown": YELLOW}


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
    lines = table(
        ("TASK", "STATE", "SINCE", "HOST", "CONTAINER", "ERROR"),
        [_row(task) for task in tasks],
        coloured=coloured,
        width=width,
    )
    return lines or [f"{service} has no tasks"], {"tasks": [vars(task) for task in tasks]}


def _row(task: ServiceTask) -> list[Cell]:
    """Return a task's row."""
    style = "" if task.is_wanted else DIM
    return [
        (task.name, style),
        (task.state, _COLOURS.get(task.state, style) if task.is_wanted else style),
        ("-" if task.since is None else span(time.time() - task.since), style),
        (task.host or "-", style),
        (task.container or "-", style),
        (task.error, RED if task.is_wanted else style),
    ]


def service_problems(service: ServiceStatus, reading: SiteReading) -> tuple[str, ...]:
    """Return what is wrong with a service; that nothing is known of the swarm is wrong as well."""
    swarm = (reading.swarm,) if isinstance(reading.swarm, str) else ()
    return (*swarm, *service.problems)


def service_verdict(service: ServiceStatus, problems: Sequence[str], *, coloured: bool) -> list[str]:
    """Return the lines below a service's tasks: notes, and what is wrong."""
    lines = [paint(clean(note), DIM, on=coloured) for note in service.notes]
    return lines + [paint(f"! {clean(problem)}", RED, on=coloured) for problem in problems]
