"""A service that a backup has stopped."""

from contextlib import nullcontext
from typing import Any

import pytest

from model.errors import ServiceError
from model.labels import BACKUP_STOP_LABEL
from model.moments import engine_moment
from model.swarm.backup_stop import (
    as_before_backup,
    is_left_stopped,
    is_stopped_for_backup,
    refuse_stopped_for_backup,
)

STOPPED = "2026-11-29T01:00:00.123456789Z"


def service(replicas: int = 0, number: str = "3") -> dict[str, Any]:
    """Return a service as the swarm has it."""
    labels = {BACKUP_STOP_LABEL: number} if number else {}
    return {"UpdatedAt": STOPPED, "Spec": {"Mode": {"Replicated": {"Replicas": replicas}}, "Labels": labels}}


@pytest.mark.parametrize(
    ("found", "is_stopped"),
    [
        (service(), True),
        (service(replicas=1), False),
        (service(number=""), False),
        (service(number="many"), False),
        ({"Spec": {"Mode": {"Global": {}}, "Labels": {BACKUP_STOP_LABEL: "3"}}}, False),
    ],
    ids=["stopped", "started since", "by somebody", "no number", "global"],
)
def test_one_that_was_started_since_is_not_stopped(*, found: dict[str, Any], is_stopped: bool) -> None:
    """Only a service with no task, and the number of tasks that it had, is; it then counts as it was before."""
    spec = found["Spec"]
    assert is_stopped_for_backup(spec) is is_stopped
    assert as_before_backup(spec)["Mode"] == ({"Replicated": {"Replicas": 3}} if is_stopped else spec["Mode"])


@pytest.mark.parametrize(
    ("found", "now", "is_left"),
    [
        (service(), "2026-11-29T06:59:59Z", False),
        (service(), "2026-11-29T07:00:01Z", True),
        (service(replicas=1), "2026-11-29T07:00:01Z", False),
        ({**service(), "UpdatedAt": ""}, "2026-11-29T07:00:01Z", False),
    ],
    ids=["at work", "six hours", "started since", "no time"],
)
def test_after_six_hours_it_was_left_so(found: dict[str, Any], now: str, *, is_left: bool) -> None:
    """A backup that was lost with its hive starts nothing again."""
    assert is_left_stopped(found, engine_moment(now) or 0.0) is is_left


@pytest.mark.parametrize(
    ("found", "now", "is_refused"),
    [
        (service(), "2026-11-29T06:59:59Z", True),
        (service(), "2026-11-29T07:00:01Z", False),
        (service(replicas=1), "2026-11-29T01:00:01Z", False),
        (service(number=""), "2026-11-29T01:00:01Z", False),
    ],
    ids=["at work", "six hours", "started since", "by somebody"],
)
def test_its_tasks_are_not_started_while_it_is_saved(
    found: dict[str, Any], now: str, *, is_refused: bool
) -> None:
    """They would write to files that are being read; one that was left stopped may be started."""
    with (
        pytest.raises(ServiceError, match=r"^service db: .*it goes on by itself")
        if is_refused
        else nullcontext()
    ):
        refuse_stopped_for_backup("db", found, engine_moment(now) or 0.0)
