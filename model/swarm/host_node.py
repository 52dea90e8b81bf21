"""The node that a hive is in the swarm. Pure."""

from collections.abc import Iterable

from model.json_types import Json
from model.stage import Host


def is_of(node: Json, host: Host, node_id: str = "") -> bool:
    """Return whether a node is a host's, by its id if that is known; one that never came up has an address only."""
    if node_id:
        return bool(node["ID"] == node_id)
    addresses = (node.get("ManagerStatus") or {}).get("Addr", ""), (node.get("Status") or {}).get("Addr", "")
    name = (node.get("Description") or {}).get("Hostname")
    known = {address.partition(":")[0] for address in addresses if address}
    return name == host.name or host.address in known


def node_of(nodes: Iterable[Json], host: Host) -> Json:
    """Return a hive's node as the swarm lists it, of several one that is ready; an empty one if it has none."""
    found = [node for node in nodes if is_of(node, host)]
    ready = [node for node in found if (node.get("Status") or {}).get("State") == "ready"]
    return next(iter(ready or found), {})
