"""The tasks of one service with their errors, and what is wrong with it."""

import re
import sys
from typing import Any

import pytest

from commands.operate import task_lines as lines_of
from commands.operate.task_lines import service_problems, service_verdict, task_lines
from tasks.operate.service_status import ServiceStatus
from tasks.operate.service_tasks import ServiceTask
from tasks.operate.site_reading import SiteReading, SwarmReading

WEB = ServiceStatus("web", "replicated", 1, 1, None, {}, None, 1, "page", problems=("is odd",))


def test_a_swarm_of_which_nothing_is_known_is_wrong() -> None:
    """Also for one service, whose containers may run: the exit status is not that of a service that is well."""
    lost = SiteReading({}, {}, "no manager of the swarm answers")

    assert service_problems(WEB, lost) == ("no manager of the swarm answers", "is odd")
    assert service_problems(WEB, SiteReading({}, {}, SwarmReading())) == ("is odd",)
    assert service_verdict(WEB, service_problems(WEB, lost), coloured=False) == [
        "! no manager of the swarm answers",
        "! is odd",
    ]
    assert service_verdict(WEB, (), coloured=False) == ["all is well"]


def task(state: str, container: str, error: str = "") -> ServiceTask:
    """Return a task."""
    return ServiceTask(
        id="t",
        name="web.1",
        state=state,
        is_wanted=state == "running",
        since=None,
        host="hive0",
        container=container,
        status="",
        error=error,
    )


@pytest.mark.parametrize("coloured", [False, True])
def test_an_error_is_whole(monkeypatch: pytest.MonkeyPatch, *, coloured: bool) -> None:
    """It stands behind its task, or below it where a terminal has too little room; it is why one looks."""
    why = 'starting container failed: OCI runtime create failed: exec: "serve": executable file not found\nin $PATH'
    tasks = [
        task("running", "0" * 12),
        task("failed", "1" * 12, "task: non-zero exit (1)"),
        task("failed", "", why),
    ]
    monkeypatch.setattr(lines_of, "service_tasks", lambda *_: tasks)
    anything: Any = None

    lines, _ = task_lines(anything, anything, "web", coloured=coloured, width=72)
    assert [re.sub(r"\x1b\[\d*m", "", line) for line in lines] == [
        "TASK   STATE    SINCE  HOST   CONTAINER     ERROR",
        "web.1  running  -      hive0  000000000000",
        "web.1  failed   -      hive0  111111111111  task: non-zero exit (1)",
        "web.1  failed   -      hive0  -",
        '    starting container failed: OCI runtime create failed: exec: "serve":',
        "    executable file not found in $PATH",
    ]
    assert (
        len(task_lines(anything, anything, "web", coloured=coloured, width=sys.maxsize)[0]) == len(tasks) + 1
    )
