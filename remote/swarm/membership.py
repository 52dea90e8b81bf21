"""Membership of the swarm: one hive makes it, the others join; all leave one that is to be replaced."""

import contextlib
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from docker import DockerClient

from model.errors import HostError, SkepError
from model.json_types import Json
from model.keys.record import SwarmRecord
from model.labels import belongs_to, labels_of
from model.log import Log
from model.stage import Host
from model.swarm.address_pools import SwarmOptions, differing_options, options_are_fixed
from remote.engine.client import engine_errors
from remote.mother.wait import telling, wait_for
from remote.swarm.builtin_networks import ensure_gwbridge, ensure_ingress
from remote.swarm.nodes import DRAIN_TIMEOUT, JOIN_TIMEOUT, READY_PATIENCE, remove_ghosts

PORT = 2377
LEADER_TIMEOUT = 60
NO_LEADER = "does not have a leader"
"""Part of an engine's answer while its swarm's managers have no majority, or have not elected a leader yet."""
LEAVE_TIMEOUT = 60
_SUBNET_SIZE = 24


def ensure_member(
    host: Host,
    others: Mapping[str, tuple[Host, bool]],
    client: DockerClient,
    engine: Callable[[Host], DockerClient],
    log: Log,
    options: SwarmOptions,
) -> SwarmRecord:
    """Make a hive a manager of the stage's swarm, and return the swarm's and its node's id.

    The leader is found by asking, never fixed: if any other hive is in a swarm, this one joins it. It makes a new one
    only when every other hive that exists was asked and is in none, or never was: two halves of a site must not each
    make their own.

    Args:
        host: The hive.
        others: The other hives that exist: short name to host and whether it was in the swarm before.
        client: The hive's engine.
        engine: Returns the engine of another hive; raises HostError where that does not answer.
        log: Takes a line for the log.
        options: How the swarm is to be made.

    Raises:
        HostError: It can't be told whether there is a swarm, joining it failed, or it has other settings.

    """
    managers, silent = _managers_with_leader(others, engine, log)
    membership = _settled_membership(host, client, log)
    state = membership.get("LocalNodeState")
    if state == "active" and _is_in_swarm_of(host, client, membership, managers):
        log(f"{host.short} is node {membership['NodeID']}")
        if different := differing_options(options, membership.get("Cluster") or {}):
            raise HostError(options_are_fixed(host.short, different))
        ensure_ingress(host, client, options, log)
        return SwarmRecord(cluster=_cluster(host, client), node=membership["NodeID"])
    if not managers and silent:
        raise HostError(_cannot_tell(host, silent))
    if state != "inactive":
        log(f"{host.short} leaves the swarm that it was in")
        leave(host, client)
    ensure_gwbridge(host, client, options, log)
    if managers:
        # Before it joins: one more member that is gone, beside the new one, can cost the swarm its quorum.
        _, manager = next(iter(managers.values()))
        remove_ghosts(host, manager, log)
        _join(host, client, managers, log)
    else:
        log(f"{host.short} makes the swarm")
        with engine_errors(host.short, "making the swarm"):
            client.api.init_swarm(
                advertise_addr=host.address,
                listen_addr=f"0.0.0.0:{PORT}",
                data_path_addr=host.address,
                data_path_port=options.port,
                default_addr_pool=[
                    str(options.pools.overlay)
                    if options.pools is not None
                    else address_pool([host.address, *(other.address for other, _ in others.values())])
                ],
                subnet_size=options.pools.subnet_size if options.pools is not None else _SUBNET_SIZE,
            )
    ensure_ingress(host, client, options, log)
    with engine_errors(host.short, "reading its swarm state"):
        node = client.info()["Swarm"]["NodeID"]
    return SwarmRecord(cluster=_cluster(host, client), node=node)


def take_down(
    hives: Mapping[str, tuple[Host, DockerClient]],
    labels: Mapping[str, str],
    options: SwarmOptions,
    log: Log,
) -> None:
    """Have all hives leave a swarm that was made otherwise than it is wanted, its services ending in order before.

    Hives that are in one that is as wanted stay in it: a run that was killed in the middle may have made it.

    Args:
        hives: Those that exist, each with its engine.
        labels: The stage's labels.
        options: How the swarm is wanted.
        log: Takes a line for the log.

    Raises:
        SkepError: Somebody else has services there, or a hive can't leave.

    """
    old = {}
    for short, (host, client) in hives.items():
        with engine_errors(short, "reading its swarm state"):
            swarm = client.info()["Swarm"]
        if swarm.get("LocalNodeState") == "inactive":
            continue
        if swarm.get("Cluster") and not differing_options(options, swarm["Cluster"]):
            continue
        old[short] = (host, client)
    if not old:
        return

    def removed() -> bool:
        short, (_, client) = next(iter(old.items()))
        _remove_services(short, client, labels, log)
        return True

    services_end = True
    try:
        # Engines that were just started anew elect a leader first.
        wait_for(removed, "a manager of the old swarm", READY_PATIENCE, retry=HostError)
    except HostError as error:
        log(f"{error}: its services end with it")
        services_end = False
    for short, (host, client) in old.items():
        if services_end:
            with engine_errors(short, "leaving the swarm"):
                wait_for(partial(_runs_nothing, client), f"the services on {short} to end", DRAIN_TIMEOUT)
        leave(host, client)
        log(f"{short} left the swarm")


def _runs_nothing(client: DockerClient) -> bool:
    """Return whether no container of a service runs on a host."""
    return not client.api.containers(filters={"label": "com.docker.swarm.service.id"})


def _remove_services(host: str, client: DockerClient, labels: Mapping[str, str], log: Log) -> None:
    """Remove the stage's services from a swarm, if it has no others."""
    with engine_errors(host, "removing the stage's services"):
        services = client.api.services()
    foreign = [s["Spec"]["Name"] for s in services if not belongs_to(labels_of(s), labels)]
    if foreign:
        raise SkepError(
            f"{host}: the swarm is not recreated, since it has services that skep does not know: "
            f"{', '.join(sorted(foreign))}"
        )
    for service in services:
        with engine_errors(host, "removing the stage's services"):
            client.api.remove_service(service["ID"])
        log(f"removed service {service['Spec']['Name']}, to deploy it again in the new swarm")


def _settled_membership(host: Host, client: DockerClient, log: Log) -> Json:
    """Return a hive's swarm state, having waited for a join that is under way.

    A join that a killed run had begun goes on in the engine. To leave in the middle of it would leave a member behind
    that never comes.
    """
    states: list[Json] = []

    def settled() -> bool:
        with engine_errors(host.short, "reading its swarm state"):
            states.append(client.info()["Swarm"])
        # Right after an outage a manager waits for the others to elect a leader.
        no_leader = NO_LEADER in str(states[-1].get("Error"))
        return states[-1].get("LocalNodeState") != "pending" and not no_leader

    def problem() -> str:
        return str(states[-1].get("Error") or "")

    if not settled():
        waits = f"{host.short} to settle in its swarm"
        with contextlib.suppress(HostError):
            wait_for(telling(settled, waits, log, problem), waits, JOIN_TIMEOUT, retry=HostError)
    membership = states[-1]
    state = membership.get("LocalNodeState")
    if state not in {"inactive", "active"}:
        log(f"{host.short} is in state {state}: {membership.get('Error') or 'no reason given'}")
    return membership


def leave(host: Host, client: DockerClient) -> None:
    """Leave a swarm, whatever becomes of it; an engine that is still ending tasks gives up after a while, and goes on.

    Not by `client.swarm`, which first asks the swarm, and fails where that has no leader.

    Args:
        host: The host.
        client: Its engine.

    Raises:
        HostError: It is still in a swarm after a minute.

    """

    def left() -> bool:
        with engine_errors(host.short, "leaving a swarm"):
            if client.info()["Swarm"].get("LocalNodeState") == "inactive":
                return True  # an earlier try, whose answer was lost, may have done it
            client.api.leave_swarm(force=True)
        return True

    wait_for(left, f"{host.short} to leave a swarm", LEAVE_TIMEOUT, retry=HostError)


def _cannot_tell(host: Host, silent: Mapping[str, str]) -> str:
    """Return the message for a hive that neither joins a swarm nor makes one, with the way out."""
    lines = "".join(f"\n    {line}" for line in silent.values())
    way_out = "bring it back, or if it is lost for good remove its setup_hosts/<host>.swarm.json in state/"
    if left := [short for short, line in silent.items() if "leader" in line]:
        way_out = (
            "more than half of its managers are gone; if they don't come back, go on with one that is left: doit "
            f"recover_swarm keep={left[0]}, then doit again"
        )
    return (
        f"{host.short}: {', '.join(silent)} was in the stage's swarm and can't be asked now, so no new swarm is made "
        f"beside it; {way_out}{lines}"
    )


def address_pool(addresses: Iterable[str]) -> str:
    """Return the address pool of the overlay networks: a network that none of the hosts is in.

    Docker itself would begin at 10.0.0.0 whatever the hosts' network is, and two that overlap reach nothing.
    """
    hosts = [ipaddress.ip_address(address) for address in addresses]
    pools = (ipaddress.ip_network(f"10.{n}.0.0/16") for n in range(256))
    return str(next(pool for pool in pools if not any(host in pool for host in hosts)))


def _managers_with_leader(
    others: Mapping[str, tuple[Host, bool]], engine: Callable[[Host], DockerClient], log: Log
) -> tuple[dict[str, tuple[Host, DockerClient]], dict[str, str]]:
    """Return what `_managers` does, when a leader is elected: right after an outage there is none for a while."""
    found: list[tuple[dict[str, tuple[Host, DockerClient]], dict[str, str]]] = []

    def elected() -> bool:
        found.append(_managers(others, engine))
        managers, silent = found[-1]
        return bool(managers) or not any(NO_LEADER in line for line in silent.values())

    with contextlib.suppress(HostError):
        what = "the swarm to elect a leader"
        wait_for(telling(elected, what, log, lambda: "; ".join(found[-1][1].values())), what, LEADER_TIMEOUT)
    return found[-1]


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


def _is_in_swarm_of(
    host: Host,
    client: DockerClient,
    membership: Json,
    managers: Mapping[str, tuple[Host, DockerClient]],
) -> bool:
    """Return whether an active node is in the same swarm as the other managers, and can manage it."""
    if not membership.get("ControlAvailable"):
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
    host: Host, client: DockerClient, managers: Mapping[str, tuple[Host, DockerClient]], log: Log
) -> None:
    """Join the swarm that others are in; the raft may need a moment between two joins."""
    leader, leader_client = next(iter(managers.values()))
    with engine_errors(leader.short, "reading the swarm's join token"):
        token = leader_client.api.inspect_swarm()["JoinTokens"]["Manager"]
    addresses = [f"{other.address}:{PORT}" for other, _ in managers.values()]
    log(f"{host.short} joins by {', '.join(addresses)}")

    def joined() -> bool:
        with engine_errors(host.short, "joining the swarm"):
            if client.info()["Swarm"].get("LocalNodeState") == "inactive":
                client.api.join_swarm(
                    remote_addrs=addresses,
                    join_token=token,
                    advertise_addr=host.address,
                    listen_addr=f"0.0.0.0:{PORT}",
                    data_path_addr=host.address,
                )
            return bool(client.info()["Swarm"].get("ControlAvailable"))

    wait_for(joined, f"{host.short} to be a manager of the swarm", JOIN_TIMEOUT, retry=HostError)
