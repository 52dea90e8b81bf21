"""The swarm: one of its hives makes it, the others join, and each node carries its labels."""

import contextlib
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from docker import DockerClient
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from model.addresses import SwarmWants, differs, stays
from model.errors import HostError, SkepError
from model.record import SwarmRecord
from model.stage import Host
from remote.engine import engine_errors
from remote.wait import wait_for

PORT = 2377
GWBRIDGE = "docker_gwbridge"
JOIN_TIMEOUT = 90
READY_PATIENCE = 20
DRAIN_TIMEOUT = 120
ASIDE = "skep.aside"
"""The label of a node on which nothing runs because its host left the stage, and not because a person said so."""
_SUBNET_SIZE = 24
Say = Callable[[str], None]


def ensure_member(
    host: Host,
    others: Mapping[str, tuple[Host, bool]],
    client: DockerClient,
    engine: Callable[[Host], DockerClient],
    say: Say,
    wants: SwarmWants,
) -> SwarmRecord:
    """Make a hive a manager of the stage's swarm, and return its place there.

    The leader is found by looking, never fixed: if any other hive is in a swarm, this one joins it. It makes a new one
    only when every other hive that exists was asked and is in none, or never was: two halves of a site must not each
    make their own.

    Args:
        host: The hive.
        others: The other hives that exist: short name to host and whether it was in the swarm before.
        client: The hive's engine.
        engine: Returns another's; raises HostError where it does not answer.
        say: Takes a line for the log.
        wants: How the swarm is to be made.

    Raises:
        HostError: It can't be told whether there is a swarm, joining it failed, or it was made otherwise.

    """
    managers, silent = _managers(others, engine)
    mine = _settled(host, client, say)
    state = mine.get("LocalNodeState")
    if state == "active" and _belongs(host, client, mine, managers):
        say(f"{host.short} is node {mine['NodeID']}")
        if different := differs(wants, mine.get("Cluster") or {}):
            raise HostError(stays(host.short, different))
        _ensure_ingress(host, client, wants, say)
        return SwarmRecord(cluster=_cluster(host, client), node=mine["NodeID"])
    if not managers and silent:
        raise HostError(_cannot_tell(host, silent, [other.address for other, _ in others.values()]))
    if state != "inactive":
        say(f"{host.short} leaves what it was in")
        with engine_errors(host.short, "leaving a swarm"):
            client.swarm.leave(force=True)
    _ensure_gwbridge(host, client, wants, say)
    if managers:
        # Before it joins: one more member that is gone, beside the new one, can cost the swarm its quorum.
        _, manager = next(iter(managers.values()))
        _remove_ghosts(host, manager, say)
        _join(host, client, managers, say)
    else:
        say(f"{host.short} makes the swarm")
        with engine_errors(host.short, "making the swarm"):
            client.swarm.init(
                advertise_addr=host.address,
                listen_addr=f"0.0.0.0:{PORT}",
                data_path_addr=host.address,
                data_path_port=wants.port,
                default_addr_pool=[
                    str(wants.division.overlay)
                    if wants.division is not None
                    else address_pool([host.address, *(other.address for other, _ in others.values())])
                ],
                subnet_size=wants.division.subnet_size if wants.division is not None else _SUBNET_SIZE,
            )
        _ensure_ingress(host, client, wants, say)
    with engine_errors(host.short, "reading its swarm state"):
        node = client.info()["Swarm"]["NodeID"]
    return SwarmRecord(cluster=_cluster(host, client), node=node)


def _ensure_gwbridge(host: Host, client: DockerClient, wants: SwarmWants, say: Say) -> None:
    """Make the bridge by which services reach the outside, before the engine makes it: by joining a swarm."""
    if wants.division is None:
        return
    subnet = str(wants.division.gwbridge)
    with engine_errors(host.short, f"making {GWBRIDGE}"):
        for found in client.api.networks(names=[GWBRIDGE]):
            if found["Name"] != GWBRIDGE:
                continue
            if _subnets(found) == [subnet]:
                return
            say(f"removing {GWBRIDGE} with its addresses out of {', '.join(_subnets(found))}")
            client.api.remove_network(found["Id"])
        client.api.create_network(
            GWBRIDGE,
            driver="bridge",
            options={
                "com.docker.network.bridge.name": GWBRIDGE,
                "com.docker.network.bridge.enable_icc": "false",
                "com.docker.network.bridge.enable_ip_masquerade": "true",
            },
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]),
        )
    say(f"made {GWBRIDGE} with addresses out of {subnet}")


def _ensure_ingress(host: Host, client: DockerClient, wants: SwarmWants, say: Say) -> None:
    """Make the network of the routing mesh one with the wanted addresses; no service may publish by it meanwhile."""
    if wants.division is None:
        return
    subnet = wants.division.ingress
    with engine_errors(host.short, "making the ingress network"):
        there = [network for network in client.api.networks() if network.get("Ingress")]
        if [_subnets(network) for network in there] == [[str(subnet)]]:
            return
        for network in there:
            say(
                f"removing network {network['Name']} with its addresses out of {', '.join(_subnets(network))}"
            )
            client.api.remove_network(network["Id"])

        def made() -> bool:
            client.api.create_network(
                "ingress",
                driver="overlay",
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))]),
                ingress=True,
                scope="swarm",
            )
            return True

        # The old one takes a moment to go.
        wait_for(made, "the ingress network to be made", READY_PATIENCE, retry=APIError)
    say(f"made network ingress with addresses out of {subnet}")


def _subnets(network: Mapping[str, Any]) -> list[str]:
    """Return a network's subnets."""
    return [config["Subnet"] for config in (network.get("IPAM") or {}).get("Config") or ()]


def take_down(
    hives: Mapping[str, tuple[Host, DockerClient]],
    labels: Mapping[str, str],
    wants: SwarmWants,
    say: Say,
) -> None:
    """Have all hives leave a swarm that was made otherwise than it is wanted, its services ending in order before.

    Hives that are in one that is as wanted stay in it: a run that was killed in the middle may have made it.

    Args:
        hives: Those that exist, each with its engine.
        labels: Those of what is the stage's.
        wants: How the swarm is wanted.
        say: Takes a line for the log.

    Raises:
        SkepError: Somebody else has services there, or a hive can't leave.

    """
    old = {}
    for short, (host, client) in hives.items():
        with engine_errors(short, "reading its swarm state"):
            swarm = client.info()["Swarm"]
        if swarm.get("LocalNodeState") == "inactive":
            continue
        if swarm.get("Cluster") and not differs(wants, swarm["Cluster"]):
            continue
        old[short] = (host, client)
    if not old:
        return

    def removed() -> bool:
        short, (_, client) = next(iter(old.items()))
        _remove_services(short, client, labels, say)
        return True

    ends = True
    try:
        # Engines that were just started anew elect a leader first.
        wait_for(removed, "a manager of the old swarm", READY_PATIENCE, retry=HostError)
    except HostError as error:
        say(f"{error}: its services end with it")
        ends = False
    for short, (_, client) in old.items():
        with engine_errors(short, "leaving the swarm"):
            if ends:
                wait_for(partial(_runs_nothing, client), f"the services on {short} to end", DRAIN_TIMEOUT)
            client.swarm.leave(force=True)
        say(f"{short} left the swarm")


def _runs_nothing(client: DockerClient) -> bool:
    """Return whether no container of a service runs on a host."""
    return not client.api.containers(filters={"label": "com.docker.swarm.service.id"})


def _remove_services(host: str, client: DockerClient, labels: Mapping[str, str], say: Say) -> None:
    """Remove the stage's services from a swarm, if it has no others."""
    with engine_errors(host, "removing the stage's services"):
        services = client.api.services()
    foreign = [
        s["Spec"]["Name"] for s in services if not labels.items() <= (s["Spec"].get("Labels") or {}).items()
    ]
    if foreign:
        raise SkepError(
            f"{host}: the swarm is not made anew, as it has services of which skep knows nothing: "
            f"{', '.join(sorted(foreign))}"
        )
    for service in services:
        with engine_errors(host, "removing the stage's services"):
            client.api.remove_service(service["ID"])
        say(f"removed service {service['Spec']['Name']}, to deploy it again in the new swarm")


def _settled(host: Host, client: DockerClient, say: Say) -> Mapping[str, Any]:
    """Return a hive's swarm state, having waited for a join that is under way.

    A join that a killed run had begun goes on in the engine. To leave in the middle of it would leave a member behind
    that never comes.
    """
    states: list[Mapping[str, Any]] = []

    def settled() -> bool:
        with engine_errors(host.short, "reading its swarm state"):
            states.append(client.info()["Swarm"])
        return states[-1].get("LocalNodeState") != "pending"

    if not settled():
        say(f"{host.short} is just joining a swarm: waiting for that")
        with contextlib.suppress(HostError):
            wait_for(settled, f"{host.short} to join a swarm", JOIN_TIMEOUT, retry=HostError)
    mine = states[-1]
    if mine.get("LocalNodeState") not in {"inactive", "active"}:
        say(
            f"{host.short} is in state {mine.get('LocalNodeState')}: {mine.get('Error') or 'no reason given'}"
        )
    return mine


def _cannot_tell(host: Host, silent: Mapping[str, str], addresses: Iterable[str]) -> str:
    """Return why a hive neither joins a swarm nor makes one, and what to do."""
    lines = "".join(f"\n    {line}" for line in silent.values())
    way_out = "bring it back, or if it is lost for good remove its setup_hosts/<host>.swarm.json in state/"
    if any("leader" in line for line in silent.values()):
        address = next(iter(addresses))
        way_out = (
            "more than half of its managers are gone; if they don't come back, run on one that is left: docker swarm "
            f"init --force-new-cluster --advertise-addr <its address, as {address}>, then doit again"
        )
    return (
        f"{host.short}: {', '.join(silent)} was in the stage's swarm and can't be asked now, so no new swarm is made "
        f"beside it; {way_out}{lines}"
    )


def address_pool(addresses: Iterable[str]) -> str:
    """Return where the overlay networks' addresses come from: a network that none of the hosts is in.

    Docker itself would begin at 10.0.0.0 whatever the hosts' network is, and two that overlap reach nothing.
    """
    hosts = [ipaddress.ip_address(address) for address in addresses]
    pools = (ipaddress.ip_network(f"10.{n}.0.0/16") for n in range(256))
    return str(next(pool for pool in pools if not any(host in pool for host in hosts)))


def check_expendable(beside: str, client: DockerClient, host: Host, back: Iterable[str]) -> None:
    """Raise unless the swarm keeps its majority without a hive, and others that were away are back.

    Args:
        beside: Another hive.
        client: Its engine, which is a manager.
        host: The hive.
        back: The full names of the hives that have to be back.

    Raises:
        HostError: It can't do without it now.

    """
    with engine_errors(beside, "listing the swarm's nodes"):
        managers = [node for node in client.api.nodes() if node["Spec"]["Role"] == "manager"]
    ready = {
        (node.get("Description") or {}).get("Hostname")
        for node in managers
        if node["Status"]["State"] == "ready"
        and (node.get("ManagerStatus") or {}).get("Reachability") == "reachable"
    }
    if missing := sorted(set(back) - ready):
        raise HostError(f"{', '.join(missing)} is not back in the swarm yet")
    # Counted as they are when it has left in order: the others alone.
    others = [node for node in managers if not _was(node, host)]
    if len(ready - {host.name}) <= len(others) // 2:
        raise HostError(
            f"of its {len(others)} other managers {len(ready - {host.name})} are ready, which is no majority"
        )


def has_node(beside: str, client: DockerClient, host: Host) -> bool:
    """Return whether the swarm has a node of a host.

    Raises:
        HostError: The swarm can't be asked.

    """
    with engine_errors(beside, "listing the swarm's nodes"):
        return any(_was(node, host) for node in client.api.nodes())


def retire(beside: str, client: DockerClient, host: Host, say: Say) -> None:
    """Take a hive that will be gone out of the swarm in order: its tasks first, then its vote, then the node.

    Args:
        beside: Another hive.
        client: Its engine, which is a manager.
        host: The hive.
        say: Takes a line for the log.

    Raises:
        HostError: The swarm refuses.

    """
    with engine_errors(beside, f"taking {host.short} out of the swarm"):
        for node in client.api.nodes():
            if not _was(node, host):
                continue
            say(f"draining {host.short}, and removing its node {node['ID']} from the swarm")
            _drain(client, node)
            _expel(client, client.api.inspect_node(node["ID"]))


def set_aside(host: str, client: DockerClient, nodes: Mapping[str, str], say: Say) -> None:
    """Have no task run on nodes any more; `ensure_node_labels` takes them in again.

    Args:
        host: A hive.
        client: Its engine, which is a manager.
        nodes: A node's id to its host's short name.
        say: Takes a line for the log.

    Raises:
        HostError: The swarm refuses.

    """
    with engine_errors(host, "draining nodes of hosts that the stage no longer has"):
        for node in client.api.nodes():
            short, spec = nodes.get(node["ID"]), node["Spec"]
            if short is None or spec["Availability"] == "drain":
                continue
            say(f"{short} is no longer a hive of the stage: what runs there ends, and runs elsewhere")
            labels = {**(spec.get("Labels") or {}), ASIDE: "true"}
            client.api.update_node(
                node["ID"], node["Version"]["Index"], {**spec, "Availability": "drain", "Labels": labels}
            )


def _drain(client: DockerClient, node: Mapping[str, Any]) -> None:
    """Have a node's tasks end and run elsewhere, as far as they can within a time."""
    spec = {**node["Spec"], "Availability": "drain"}
    client.api.update_node(node["ID"], node["Version"]["Index"], spec)
    with contextlib.suppress(HostError):
        wait_for(lambda: not _tasks_on(client, node["ID"]), "its tasks to end", DRAIN_TIMEOUT)


def _expel(client: DockerClient, node: Mapping[str, Any]) -> None:
    """Remove a node, a manager after it has lost its vote."""
    if node["Spec"]["Role"] == "manager":
        client.api.update_node(node["ID"], node["Version"]["Index"], {**node["Spec"], "Role": "worker"})
    _remove_node(client, node["ID"])


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
    host: str, client: DockerClient, node: str, restart: Callable[[], None], say: Say
) -> None:
    """Wait until the swarm sees a node as ready.

    A node that comes back within its heartbeat's time can stay `down` although its agent is connected (seen with
    Engine 20.10); a restart of its engine registers it anew.

    Args:
        host: The node's host.
        client: A manager's engine, which need not be this host's.
        node: The node's id.
        restart: Restarts the host's engine.
        say: Takes a line for the log.

    Raises:
        HostError: It does not become ready.

    """
    with contextlib.suppress(HostError):
        wait_for(lambda: is_ready(host, client, node), f"{host} to be ready", READY_PATIENCE)
        return
    say(f"the swarm still sees {host} as down: restarting its engine")
    restart()
    wait_for(
        lambda: is_ready(host, client, node),
        f"the swarm to see {host} as ready",
        JOIN_TIMEOUT,
        retry=HostError,
    )


def _managers(
    others: Mapping[str, tuple[Host, bool]], engine: Callable[[Host], DockerClient]
) -> tuple[dict[str, tuple[Host, DockerClient]], dict[str, str]]:
    """Return the other hives that are managers with a leader, and those that were members and can't be asked."""
    managers: dict[str, tuple[Host, DockerClient]] = {}
    silent: dict[str, str] = {}
    for short, (other, was_member) in others.items():
        try:
            client = engine(other)
            with engine_errors(short, "reading its swarm state"):
                swarm = client.info()["Swarm"]
                if swarm.get("ControlAvailable") and client.nodes.list():
                    managers[short] = (other, client)
        except SkepError as error:
            if was_member:
                silent[short] = str(error)
    return managers, silent


def _belongs(
    host: Host,
    client: DockerClient,
    mine: Mapping[str, Any],
    managers: Mapping[str, tuple[Host, DockerClient]],
) -> bool:
    """Return whether an active node is in the same swarm as the other managers, and can manage it."""
    if not mine.get("ControlAvailable"):
        return False
    if not managers:
        return True
    other, manager = next(iter(managers.values()))
    return _cluster(host, client) == _cluster(other, manager)


def _cluster(host: Host, client: DockerClient) -> str:
    """Return the swarm's id."""
    with engine_errors(host.short, "asking for the swarm's id"):
        return str(client.api.inspect_swarm()["ID"])


def _join(
    host: Host, client: DockerClient, managers: Mapping[str, tuple[Host, DockerClient]], say: Say
) -> None:
    """Join the swarm that others are in; the raft may need a moment between two joins."""
    leader, leader_client = next(iter(managers.values()))
    with engine_errors(leader.short, "reading the swarm's join token"):
        token = leader_client.api.inspect_swarm()["JoinTokens"]["Manager"]
    addresses = [f"{other.address}:{PORT}" for other, _ in managers.values()]
    say(f"{host.short} joins by {', '.join(addresses)}")

    def joined() -> bool:
        with engine_errors(host.short, "joining the swarm"):
            if client.info()["Swarm"].get("LocalNodeState") == "inactive":
                client.swarm.join(
                    remote_addrs=addresses,
                    join_token=token,
                    advertise_addr=host.address,
                    listen_addr=f"0.0.0.0:{PORT}",
                    data_path_addr=host.address,
                )
            return bool(client.info()["Swarm"].get("ControlAvailable"))

    wait_for(joined, f"{host.short} to be a manager of the swarm", JOIN_TIMEOUT, retry=HostError)


def _remove_ghosts(host: Host, manager: DockerClient, say: Say) -> None:
    """Remove the nodes that a host was before it was made anew, so that they don't count for quorum.

    Args:
        host: The host, which is in no swarm now.
        manager: A manager's engine.
        say: Takes a line for the log.

    """
    with engine_errors(host.short, "removing its former nodes from the swarm"):
        for attrs in manager.api.nodes():
            if not _was(attrs, host):
                continue
            say(f"removing {host.name}'s former node {attrs['ID']} from the swarm")
            _expel(manager, attrs)


def _was(node: Mapping[str, Any], host: Host) -> bool:
    """Return whether a node is of a host; one that never came has no name, but its address."""
    addresses = (node.get("ManagerStatus") or {}).get("Addr", ""), (node.get("Status") or {}).get("Addr", "")
    name = (node.get("Description") or {}).get("Hostname")
    return name == host.name or host.address in {address.partition(":")[0] for address in addresses}


def _remove_node(client: DockerClient, node: str) -> None:
    """Remove a node; the swarm takes a moment to see it demoted."""

    def removed() -> bool:
        client.api.remove_node(node, force=True)
        return True

    wait_for(removed, f"node {node} to be removed from the swarm", 30, retry=APIError)


def ensure_node_labels(
    host: str,
    client: DockerClient,
    node: str,
    labels: Mapping[str, str],
    say: Say,
    keep: Callable[[str], bool] = lambda _label: False,
) -> None:
    """Give a node these labels, leaving those that are not skep's alone, and those of skep's that are to be kept."""

    def labelled() -> bool:
        attrs = client.api.inspect_node(node)
        spec = attrs["Spec"]
        kept = {
            name: value
            for name, value in (spec.get("Labels") or {}).items()
            if not name.startswith("skep.") or keep(name)
        }
        wanted = {**kept, **labels}
        if wanted != (spec.get("Labels") or {}):
            say(f"labels: {', '.join(f'{name}={value}' for name, value in sorted(labels.items()))}")
            changed = {**spec, "Labels": wanted}
            if ASIDE in (spec.get("Labels") or {}):
                changed["Availability"] = "active"  # the host is back in the stage
            client.api.update_node(node, attrs["Version"]["Index"], changed)
        return True

    with engine_errors(host, f"labelling node {node}"):
        # "update out of sequence": somebody else changed the node between reading and writing.
        wait_for(labelled, f"the labels of node {node}", 30, retry=APIError)
