"""Networks that are replaced under their services: these come out of it, and back as they were."""

from typing import Any

import pytest

from remote.swarm.overlay_networks import NOWHERE, connected, disconnected

LABELS = {"skep.site": "example", "skep.key": "k", "own": "1"}


def spec(mode: dict[str, Any]) -> dict[str, Any]:
    """Return the specification of a service in networks `front` and `back`."""
    return {
        "Name": "web",
        "Labels": dict(LABELS),
        "Mode": mode,
        "TaskTemplate": {
            "ContainerSpec": {"Image": "web"},
            "Placement": {"Constraints": ["node.role==manager"], "Platforms": [{"OS": "linux"}]},
            "Networks": [{"Target": "f1", "Aliases": ["www"]}, {"Target": "b1"}],
        },
    }


@pytest.mark.parametrize("mode", [{"Replicated": {"Replicas": 3}}, {"Global": {}}])
def test_a_service_is_put_back_as_it_was(mode: dict[str, Any]) -> None:
    """Number of tasks, constraints and aliases are those of before, the network is the new one; the key stays away."""
    out, labels = disconnected(spec(mode), "front", "f1")

    assert out["TaskTemplate"]["Networks"] == [{"Target": "b1"}]
    assert out["Mode"] == ({"Replicated": {"Replicas": 0}} if "Replicated" in mode else mode)
    assert NOWHERE in out["TaskTemplate"]["Placement"]["Constraints"]
    assert "skep.key" not in labels

    back, labels = connected({**out, "Labels": labels}, "front", "f2")

    assert labels == {"skep.site": "example", "own": "1"}
    assert back["Mode"] == mode
    assert back["TaskTemplate"] == {
        **spec(mode)["TaskTemplate"],
        "Networks": [{"Target": "f2", "Aliases": ["www"]}, {"Target": "b1"}],
    }


@pytest.mark.parametrize("order", [("front", "back"), ("back", "front")])
def test_a_run_that_was_killed_is_taken_up(order: tuple[str, str]) -> None:
    """Taken out of two networks, a service runs as before only when it is back in both, whichever comes first."""
    mode = {"Replicated": {"Replicas": 3}}
    now, labels = disconnected(spec(mode), "front", "f1")
    now, labels = disconnected({**now, "Labels": labels}, "back", "b1")
    new = {"front": "f2", "back": "b2"}

    half, labels = connected({**now, "Labels": labels}, order[0], new[order[0]])

    assert half["Mode"] == {"Replicated": {"Replicas": 0}}
    assert NOWHERE in half["TaskTemplate"]["Placement"]["Constraints"]

    whole, labels = connected({**half, "Labels": labels}, order[1], new[order[1]])

    assert whole["Mode"] == mode
    assert whole["TaskTemplate"]["Placement"] == spec(mode)["TaskTemplate"]["Placement"]
    assert sorted(each["Target"] for each in whole["TaskTemplate"]["Networks"]) == ["b2", "f2"]
    assert labels == {"skep.site": "example", "own": "1"}
