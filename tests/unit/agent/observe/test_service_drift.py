"""Services that are not as skep deployed them; and that runs and `doit status` say the same of the same listings."""

import copy
from typing import Any

import pytest

from agent.observe import service_drift
from agent.observe.exposition import Exposition
from agent.observe.observe_config import ObserveConfig, ObservedService
from agent.observe.service_drift import drift_figures, is_changed
from model.labels import (
    BACKUP_STOP_LABEL,
    DISCONNECTED_LABEL,
    MOVING_LABEL,
    PINNED_LABEL,
    SPEC_LABEL,
    SPREAD_LABEL,
)
from model.swarm.scaled import scale_labels
from remote.swarm.spec import is_changed_by_others, spec_digest

SPEC: dict[str, Any] = {
    "Name": "web",
    "TaskTemplate": {
        "ContainerSpec": {"Image": "web", "Env": ["GREETING=grüezi \u2028 \U0001f41d", 'A="b\\c"']}
    },
    "Mode": {"Replicated": {"Replicas": 2}},
    "UpdateConfig": {"MaxFailureRatio": 0.1, "Delay": 10_000_000_000},
    "Networks": None,
}


def seen(**labels: str) -> dict[str, Any]:
    """Return a specification that was seen to run, with further labels."""
    return {**copy.deepcopy(SPEC), "Labels": {SPEC_LABEL: spec_digest(SPEC), **labels}}


def scaled(spec: dict[str, Any], replicas: int = 5) -> dict[str, Any]:
    """Return it with another number of tasks, and labels as they were."""
    return {**spec, "Mode": {"Replicated": {"Replicas": replicas}}}


def scaled_by_skep(**labels: str) -> dict[str, Any]:
    """Return it as `doit scale` leaves it."""
    return {**scaled(SPEC), "Labels": {SPEC_LABEL: spec_digest(scaled(SPEC)), **labels}}


CASES = [
    (seen(), False),
    (seen(of="somebody else"), False),
    (scaled(seen()), True),
    ({**seen(), "TaskTemplate": {"ContainerSpec": {"Image": "another"}}}, True),
    ({**SPEC, "Labels": {}}, False),
    ({**SPEC, "Labels": None}, False),
    (scaled_by_skep(**scale_labels(5, until=1.0)), False),
    (scaled(scaled_by_skep(**scale_labels(5, keep=True)), 6), True),
    (seen(**{PINNED_LABEL: "3"}), False),
    (scaled(seen(**{MOVING_LABEL: "data hive1"}), 0), False),
    (scaled(seen(**{f"{DISCONNECTED_LABEL}front": "{}"})), False),
    (scaled(seen(**{BACKUP_STOP_LABEL: "2"}), 0), False),
    (scaled(seen(**{BACKUP_STOP_LABEL: "3"}), 0), True),
    (scaled(seen(**{BACKUP_STOP_LABEL: "2"}), 1), True),
    (scaled(seen(**{SPREAD_LABEL: "2"}), 3), False),
    (scaled(seen(**{SPREAD_LABEL: "4"}), 5), True),
    (scaled(seen(**{SPREAD_LABEL: "2"}), 1), True),
]


@pytest.mark.parametrize(("spec", "is_drift"), CASES, ids=range(len(CASES)))
@pytest.mark.parametrize("module", service_drift._HASHES)
def test_changed_by_others(
    monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], module: str, *, is_drift: bool
) -> None:
    """By what it has with the label of what it had; not what skep does, from a deployment to a backup or a rebalance.

    What somebody changed before a backup stopped the service, or while it did, stays a change.
    """
    monkeypatch.setattr(service_drift, "_HASHES", (module, "hashlib"))
    service_drift._sha256.cache_clear()
    assert is_changed(spec) == is_drift
    assert is_changed_by_others(spec) == is_drift


def test_figures() -> None:
    """A service that is gone is none as skep deployed it; jobs, and services of others, have no figure."""
    config = ObserveConfig(
        services={
            "web": ObservedService("web", 2),
            "gone": ObservedService("gone", 1),
            "job": ObservedService("job", None),
        }
    )
    figures = Exposition()
    other = {**scaled(seen()), "Name": "other"}
    drift_figures([{"Spec": seen()}, {"Spec": other}], config, figures)
    assert [line for line in figures.text().splitlines() if not line.startswith("#")] == [
        'skep_service_drift{service="gone"} 1',
        'skep_service_drift{service="web"} 0',
    ]
