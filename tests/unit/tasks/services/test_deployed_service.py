"""Deploying a service: what is kept of it once it is seen to run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from model.labels import REVISION_LABEL
from remote.swarm.endings import CHECK_CANT_RUN
from tasks import deploy_services
from tasks.run.connections import Connections
from tasks.services.deployed_service import failed_check
from tests import made as rig
from tests.made import Made

CALLERS = 7
Labels = Callable[[Mapping[str, Any]], Mapping[str, str]]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made."""
    site = rig.new(tmp_path)
    site.make()
    return site


@pytest.mark.parametrize("changed", [True, False])
def test_what_a_killed_run_deployed_is_kept_by_the_next(
    made: Made, monkeypatch: pytest.MonkeyPatch, *, changed: bool
) -> None:
    """A service is kept when it is first seen to run, whichever run changed it; one that is kept is left alone."""
    run = made.run()
    asked: list[Labels] = []
    kept: list[Any] = []

    def wait(*_: Any, labels: Labels, **_options: Any) -> None:
        asked.append(labels)

    def keep(_keeper: object, found: Any, _secret: object) -> int:
        kept.append(found)
        return 7

    client = Mock()
    monkeypatch.setattr(run.connections, "manager", lambda: (None, client))
    monkeypatch.setattr(Connections, "swarm_poller", None)
    monkeypatch.setattr("tasks.services.deployed_service.preflight", lambda *_: None)
    monkeypatch.setattr("remote.swarm.services.ensure_service", lambda *_: ("id", changed))
    monkeypatch.setattr("remote.swarm.convergence.wait_until_converged", wait)
    monkeypatch.setattr("remote.swarm.revisions.RevisionStore.keep", keep)
    step = next(s for s in deploy_services.steps(run) if s.name == "web")
    step.ensure(SimpleNamespace(task=step.task, key="k", log=lambda _line: None))  # type: ignore[arg-type]
    [labels] = asked

    without: dict[str, Any] = {"Spec": {"Labels": {"skep.key": "k"}}}
    assert labels(without) == {REVISION_LABEL: "7"}
    assert labels({"Spec": {"Labels": {REVISION_LABEL: "3"}}}) == {}
    assert kept == [without]


@pytest.mark.parametrize(
    ("log", "lines"),
    [
        ([], []),
        ([{"ExitCode": 1, "Output": "x"}, {"ExitCode": 0, "Output": "fine"}], []),
        (
            [
                {"ExitCode": 0, "Output": ""},
                {"ExitCode": 22, "Output": "  % Total\n\ncurl: (22) error: 500\n"},
            ],
            ["its health check failed with exit status 22:", "|   % Total", "| curl: (22) error: 500"],
        ),
        ([{"ExitCode": 7, "Output": ""}], ["its health check failed with exit status 7"]),
        (
            [{"ExitCode": -1, "Output": "Health check exceeded timeout (1s)"}],
            ["its health check could not be done:", "| Health check exceeded timeout (1s)"],
        ),
    ],
)
def test_the_last_outcome_of_a_health_check_is_told(log: list[dict[str, Any]], lines: list[str]) -> None:
    """A check that failed last is told with its output; one that went well last is not why a task ended."""
    assert failed_check({"State": {"Health": {"Log": log}}}) == lines


@pytest.mark.parametrize(
    ("status", "output", "streak", "retries", "cant_run"),
    [
        (-1, 'exec: "curl": executable file not found in $PATH: unknown', 2, 0, True),
        (-1, 'exec: "curl": executable file not found in $PATH: unknown', 0, 0, False),
        (-1, 'exec: "curl": executable file not found in $PATH: unknown', 1, 1, True),
        (127, "sh: 1: curl: not found", 2, 3, True),
        (127, "sh: 1: curl: not found", 1, 3, False),
        (126, "sh: 1: /check: Permission denied", 8, 10, False),
        (126, "sh: 1: /check: Permission denied", 9, 10, True),
        (1, "connection refused", 3, 3, False),
        (-1, "Health check exceeded timeout (1s)", 2, 3, False),
    ],
)
def test_a_check_that_can_not_be_run_is_told_apart(
    status: int, output: str, streak: int, retries: int, *, cant_run: bool
) -> None:
    """Its program is not there. It may still come, within `start_period` and until the last of the `retries`."""
    health = {"FailingStreak": streak, "Log": [{"ExitCode": status, "Output": output}]}
    container = {"State": {"Health": health}, "Config": {"Healthcheck": {"Retries": retries}}}

    assert failed_check(container)[0].startswith(CHECK_CANT_RUN) is cant_run


def test_a_container_without_a_check_has_no_outcome() -> None:
    """The engine has no `Health` then, or none yet."""
    assert failed_check({"State": {"Status": "running"}}) == []
    assert failed_check({"State": {"Health": None}}) == []
