"""A swarm that lost its majority, made anew from the state of one manager that is left."""

from collections.abc import Mapping

from docker import DockerClient

from model.errors import HostError
from model.labels import labels_of
from model.log import Log
from model.stage import Host
from model.swarm.address_pools import SwarmOptions
from model.swarm.fenced import with_fences
from remote.engine.client import engine_errors
from remote.mother.wait import wait_for
from remote.swarm.membership import PORT

FORMING_TIMEOUT = 90
"""Seconds that a new swarm may take to have a leader."""


def force_new_cluster(
    host: Host, client: DockerClient, address: str, options: SwarmOptions, fences: Mapping[str, str], log: Log
) -> None:
    """Make a swarm of which a manager is the only one, with all services, networks and secrets that it knows.

    Its engine stops what runs for the old swarm, and starts it for the new one: all containers of services restart.

    Args:
        host: The manager. It must be one: engines up to 20.10 hang where it is none.
        client: Its engine.
        address: The address by which the others find it.
        options: How the stage's swarm is made.
        fences: The hosts that are fenced, each with the node that it was: the new swarm says so from its beginning.
        log: Takes a line for the log.

    Raises:
        HostError: The engine refuses, or the swarm has no leader after a while.

    """
    log(f"{host.short} makes a new swarm of its state, as its only manager")
    with engine_errors(host.short, "making a new swarm of its state"):
        client.api.init_swarm(
            advertise_addr=address,
            listen_addr=f"0.0.0.0:{PORT}",
            data_path_addr=address,
            data_path_port=options.port,
            force_new_cluster=True,
            # Without a pool it keeps the one that it was made with.
            swarm_spec={"Labels": with_fences({}, fences)},
        )
    wait_for(
        lambda: has_leader(host, client),
        f"{host.short} to lead its new swarm",
        FORMING_TIMEOUT,
        retry=HostError,
    )


def has_leader(host: Host, client: DockerClient) -> bool:
    """Return whether a manager knows of a leader.

    Raises:
        HostError: It knows of none, or does not answer.

    """
    with engine_errors(host.short, "listing the swarm's nodes"):
        return any((node.get("ManagerStatus") or {}).get("Leader") for node in client.api.nodes())


def say_fenced(host: str, client: DockerClient, fences: Mapping[str, str | None]) -> None:
    """Have the swarm say which hosts are fenced, for other checkouts.

    Args:
        host: The manager.
        client: Its engine.
        fences: Host to the node that it was; None where it is fenced no more.

    Raises:
        HostError: The swarm refuses.

    """

    def said() -> bool:
        with engine_errors(host, "noting which hosts are fenced"):
            swarm = client.api.inspect_swarm()
            labels = with_fences(labels_of(swarm), fences)
            if labels != labels_of(swarm):
                client.api.update_swarm(
                    swarm["Version"]["Index"], swarm_spec={**swarm["Spec"], "Labels": labels}
                )
        return True

    wait_for(said, "the swarm to note which hosts are fenced", FORMING_TIMEOUT, retry=HostError)
