"""The nodes of a swarm: labelled, waited for, drained, and removed in order."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from docker import DockerClient
from docker.errors import APIError, NotFound

from model.errors import HostError
from model.json_types import Json
from model.labels import CORDONED_LABEL, is_skeps, labels_of
from model.log import Log
from model.stage import Host
from model.swarm.host_node import is_of
from remote.engine.client import engine_errors
from remote.mother.wait import wait_for

JOIN_TIMEOUT = 90
READY_PATIENCE = 20
DRAIN_TIMEOUT = 120
UPDATE_TIMEOUT = 90
"""Seconds for which a change of a node is tried again: a leader that is demoted can take half a minute to give way."""
_NO_VOTE = "can't find manager in raft memberlist"
"""Part of an engine's answer to the demotion of a manager that is no member of the raft."""


def check_expendable(
    beside: str,
    client: DockerClient,
    host: Host,
    back: Iterable[str],
    node_id: str = "",
    *,
    stays: bool = False,
    silent: Collection[str] = (),
) -> None:
    """Raise unless the swarm keeps its majority without a hive, and others that were away are back.

    Of two managers neither can be missed by that, so that one which comes back may go.

    Args:
        beside: Another hive.
        client: Its engine, which is a manager.
        host: The hive.
        back: The full names of the hives that have to be back.
        node_id: The hive's node, where that is known.
        stays: Whether it comes back as the same node, so that it has its vote meanwhile, and does not give it.
        silent: The full names of hives that do not answer, which the swarm may not know yet.

    Raises:
        HostError: It can't do without it now.

    """
    with engine_errors(beside, "listing the swarm's nodes"):
        # A node that never finished joining is listed as a manager too, and has no vote.
        managers = [
            node
            for node in client.api.nodes()
            if node["Spec"]["Role"] == "manager" and node.get("ManagerStatus")
        ]
    ready = {
        (node.get("Description") or {}).get("Hostname")
        for node in managers
        if node["Status"]["State"] == "ready"
        and (node.get("ManagerStatus") or {}).get("Reachability") == "reachable"
    } - {*silent}
    if missing := sorted(set(back) - ready):
        raise HostError(f"{', '.join(missing)} is not back in the swarm yet")
    others, left = [node for node in managers if not is_of(node, host, node_id)], len(ready - {host.name})
    # Counted as they are when it has left in order: the others alone.
    if left <= len(others) // 2:
        raise HostError(f"of its {len(others)} other managers {left} are ready, which is not a majority")
    if stays and len(others) > 1 and left <= len(managers) // 2:
        raise HostError(
            f"of its {len(managers)} managers {left} are ready without it, which is not a majority"
        )


def has_node(beside: str, client: DockerClient, host: Host, node_id: str = "") -> bool:
    """Return whether the swarm has a node of a host, whose id may be known.

    Raises:
        HostError: The swarm can't be asked.

    """
    with engine_errors(beside, "listing the swarm's nodes"):
        return any(is_of(node, host, node_id) for node in client.api.nodes())


def remove_node(beside: str, client: DockerClient, host: Host, log: Log, node_id: str = "") -> None:
    """Remove a hive's node from the swarm in order: its tasks end first, then it loses its vote, then the node goes.

    Args:
        beside: Another hive.
        client: Its engine, which is a manager.
        host: The hive.
        log: Takes a line for the log.
        node_id: The hive's node, where that is known.

    Raises:
        HostError: The swarm refuses.

    """
    with engine_errors(beside, f"removing {host.short} from the swarm"):
        for node in client.api.nodes():
            if not is_of(node, host, node_id):
                continue
            log(f"draining {host.short}, and removing its node {node['ID']} from the swarm")
            with contextlib.suppress(NotFound):  # somebody else was first
                _update(client, node["ID"], lambda spec: {**spec, "Availability": "drain"})
                _wait_for_tasks_to_end(client, node["ID"])
                _demote_and_remove(client, node["ID"])


def set_aside(beside: str, client: DockerClient, host: Host, log: Log, node_id: str = "") -> None:
    """Drain a hive that is taken down, or leaves: services that may run elsewhere do so before it goes.

    `ensure_node_labels` makes it active again. One that a person drained or paused stays so: the tasks on a paused one
    go on, and are not waited for.

    Args:
        beside: Another hive.
        client: Its engine, which is a manager.
        host: The hive.
        log: Takes a line for the log.
        node_id: The hive's node, where that is known.

    Raises:
        HostError: The swarm refuses.

    """
    with engine_errors(beside, f"draining {host.short}"):
        for node in client.api.nodes():
            if not is_of(node, host, node_id) or node["Status"]["State"] != "ready":
                continue
            availability = node["Spec"].get("Availability", "active")
            if availability == "active":
                log(f"{host.short} is drained: its tasks move to other hives, as far as they may")
                _set_aside(client, node["ID"])
            elif availability != "drain":
                log(f"{host.short} was set to {availability} by somebody: its tasks stay, and end with it")
                continue
            _wait_for_tasks_to_end(client, node["ID"])


def is_set_aside(beside: str, client: DockerClient, host: Host, node_id: str = "") -> bool:
    """Return whether skep drained a hive, as a run did that was killed.

    Args:
        beside: Another hive.
        client: Its engine, which is a manager.
        host: The hive.
        node_id: Its node, where that is known.

    Raises:
        HostError: The swarm can't be asked.

    """
    with engine_errors(beside, "listing the swarm's nodes"):
        return any(
            CORDONED_LABEL in labels_of(node["Spec"])
            for node in client.api.nodes()
            if is_of(node, host, node_id)
        )


def _set_aside(client: DockerClient, node: str) -> None:
    """Drain a node, and note on it that skep did."""
    _update(
        client,
        node,
        lambda spec: {
            **spec,
            "Availability": "drain",
            "Labels": {**labels_of(spec), CORDONED_LABEL: "true"},
        },
    )


def _update(
    client: DockerClient, node: str, changed: Callable[[Json], Json], *, passes: str | None = None
) -> None:
    """Change a node's specification.

    It is tried again if the swarm changed the node between reading and writing, and while it elects another leader.

    Raises:
        NotFound: There is no such node.

    """
    gone: list[NotFound] = []

    def updated() -> bool:
        try:
            found = client.api.inspect_node(node)
        except NotFound as error:
            gone.append(error)
            return True
        spec = changed(found["Spec"])
        if spec != found["Spec"]:
            try:
                client.api.update_node(node, found["Version"]["Index"], spec)
            except APIError as error:
                if passes is None or passes not in str(error.explanation):
                    raise
        return True

    # The engine's words are "update out of sequence".
    wait_for(updated, f"node {node} to be changed", UPDATE_TIMEOUT, retry=APIError)
    for error in gone:
        raise error


def check_back(beside: str, client: DockerClient, host: Host) -> None:
    """Raise unless a hive is a manager that is ready and that the others reach.

    Args:
        beside: A hive.
        client: Its engine, which is a manager.
        host: The hive that was away.

    Raises:
        HostError: It is not back; the message says how the swarm sees it.

    """
    with engine_errors(beside, "listing the swarm's nodes"):
        found = [node for node in client.api.nodes() if is_of(node, host)]
    if not found:
        raise HostError(f"the swarm has no node of {host.short}")
    states = [
        (node["Status"]["State"], (node.get("ManagerStatus") or {}).get("Reachability") or "no manager")
        for node in found
    ]
    if ("ready", "reachable") not in states:
        raise HostError(f"the swarm sees {host.short} as {states[0][0]}, {states[0][1]}")


def _wait_for_tasks_to_end(client: DockerClient, node: str) -> None:
    """Wait until the tasks on a drained node have ended, or it is down, which none would tell; but not for ever."""

    def ended() -> bool:
        return not _tasks_on(client, node) or client.api.inspect_node(node)["Status"]["State"] != "ready"

    with contextlib.suppress(HostError):
        wait_for(ended, "its tasks to end", DRAIN_TIMEOUT)


def _demote_and_remove(client: DockerClient, node: str) -> None:
    """Remove a node, a manager after it has lost its vote. One that somebody else removed is gone.

    A swarm that was made anew out of one manager's data still lists the others, which have no vote to lose.
    """
    with contextlib.suppress(NotFound):
        _update(client, node, lambda spec: {**spec, "Role": "worker"}, passes=_NO_VOTE)
        _remove(client, node)


def _tasks_on(client: DockerClient, node: str) -> list[str]:
    """Return the tasks that still run on a node."""
    return [
        task["ID"]
        for task in client.api.tasks(filters={"node": node})
        if task["Status"]["State"] in {"starting", "running"}
    ]


def is_ready(host: str, client: DockerClient, node: str) -> bool:
    """Return whether a manager sees a node as ready."""
    with engine_errors(host, "listing the swarm's nodes"):
        return bool(client.api.inspect_node(node)["Status"]["State"] == "ready")


def wait_until_ready(
    host: str, client: DockerClient, node: str, restart: Callable[[], None], log: Log
) -> None:
    """Wait until the swarm sees a node as ready.

    A node that comes back within its heartbeat's time can stay `down` although its agent is connected (seen with
    Engine 20.10); a restart of its engine registers it anew.

    Args:
        host: The node's host.
        client: A manager's engine, which need not be this host's.
        node: The node's id.
        restart: Restarts the host's engine.
        log: Takes a line for the log.

    Raises:
        HostError: It does not become ready.

    """
    with contextlib.suppress(HostError):
        wait_for(lambda: is_ready(host, client, node), f"{host} to be ready", READY_PATIENCE)
        return
    log(f"the swarm still sees {host} as down: restarting its engine")
    restart()
    wait_for(
        lambda: is_ready(host, client, node),
        f"the swarm to see {host} as ready",
        JOIN_TIMEOUT,
        retry=HostError,
    )


def ensure_node_labels(
    host: str,
    client: DockerClient,
    node: str,
    labels: Mapping[str, str],
    log: Log,
    keep: Callable[[str], bool] = lambda _label: False,
) -> bool:
    """Give a node these labels. Those that are not skep's stay, and those of skep's that `keep` names.

    Labels that site.toml gave it are skep's: it has their names in a label.

    A node that skep drained is made active again. Returns whether it was.
    """
    active_again = False

    def labelled(spec: Json) -> Json:
        nonlocal active_again
        kept = {
            name: value
            for name, value in labels_of(spec).items()
            if not is_skeps(name, labels_of(spec)) or keep(name)
        }
        wanted = {**kept, **labels}
        if wanted == labels_of(spec):
            return spec
        if labels:
            log(f"labels: {', '.join(f'{name}={value}' for name, value in sorted(labels.items()))}")
        if CORDONED_LABEL not in labels_of(spec):
            return {**spec, "Labels": wanted}
        active_again = True
        log(f"node {node} takes tasks again")
        return {**spec, "Labels": wanted, "Availability": "active"}  # the host is back

    with engine_errors(host, f"labelling node {node}"):
        _update(client, node, labelled)
    return active_again


def is_not_aside(label: str) -> bool:
    """Return whether a node's label is another one than that of a node which skep drained."""
    return label != CORDONED_LABEL


def remove_ghosts(host: Host, manager: DockerClient, log: Log) -> None:
    """Remove the nodes that a host was before it was replaced, so that they don't count for quorum.

    Nodes of joins that never ended go as well, which have neither a vote nor a name.

    Args:
        host: The host, which is in no swarm now.
        manager: A manager's engine.
        log: Takes a line for the log.

    """
    with engine_errors(host.short, "removing its former nodes from the swarm"):
        for node in manager.api.nodes():
            if _never_joined(node):
                log(f"removing node {node['ID']} from the swarm, which never finished joining")
            elif is_of(node, host):
                log(f"removing {host.name}'s former node {node['ID']} from the swarm")
            else:
                continue
            _demote_and_remove(manager, node["ID"])


def _never_joined(node: Json) -> bool:
    """Return whether a node is of a manager that gave up joining, as where the swarm had no leader meanwhile.

    One that is younger than a join may take can be another hive's, whose engine goes on after a killed run.
    """
    has_name = (node.get("Description") or {}).get("Hostname")
    if node["Spec"]["Role"] != "manager" or node.get("ManagerStatus") or has_name:
        return False
    # The engine writes nanoseconds.
    made = datetime.fromisoformat(f"{node['CreatedAt'][:19]}+00:00")
    return datetime.now(UTC) - made > timedelta(seconds=JOIN_TIMEOUT)


def _remove(client: DockerClient, node: str) -> None:
    """Remove a node; the swarm takes a moment to see it demoted."""

    def removed() -> bool:
        with contextlib.suppress(NotFound):
            client.api.remove_node(node, force=True)
        return True

    wait_for(removed, f"node {node} to be removed from the swarm", UPDATE_TIMEOUT, retry=APIError)
