"""A node of the swarm, from an engine's listing to the form in which constraints see it. Pure."""

from collections.abc import Mapping
from typing import Any

from model.labels import GIVEN_LABEL, labels_of
from model.swarm.scheduling import Node


def scheduling_node(node: Mapping[str, Any], name: str, given: Mapping[str, str] | None) -> Node:
    """Return a node as constraints see it.

    Args:
        node: The node.
        name: Its name.
        given: The labels that site.toml gives it; None for a node of others. Those that it gave before go.

    """
    labels = labels_of(node)
    former = set() if given is None else {*labels.get(GIVEN_LABEL, "").split(",")} - given.keys()
    description = node.get("Description") or {}
    engine = description.get("Engine") or {}
    platform, resources = description.get("Platform") or {}, description.get("Resources") or {}
    return Node(
        name,
        {
            "node.id": node["ID"],
            "node.hostname": description.get("Hostname", ""),
            "node.role": node["Spec"]["Role"],
            "node.ip": node["Status"].get("Addr", ""),
            "node.platform.os": platform.get("OS", ""),
            "node.platform.arch": platform.get("Architecture", ""),
        },
        {label: value for label, value in labels.items() if label not in former},
        engine.get("Labels") or {},
        resources.get("NanoCPUs", 0) / 1e9,
        resources.get("MemoryBytes", 0),
        engine.get("EngineVersion", ""),
    )
