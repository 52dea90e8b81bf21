"""Waiting until the swarm has given a network its addresses. It makes a network at once, and may never allocate it."""

from collections.abc import Iterable, Sequence
from functools import partial

from docker import DockerClient
from docker.errors import APIError, NotFound

from model.errors import ServiceError
from model.json_types import Json
from model.log import Log
from model.swarm.docker_subnets import is_allocated, overlapping, subnets_of
from remote.mother.wait import wait_for

ALLOCATION_TIMEOUT = 15.0
"""Seconds that the swarm gets; it mostly takes less than one. More than a leader's election."""


def refuse_overlaps(client: DockerClient, name: str, wanted: Sequence[str]) -> None:
    """Refuse subnets that another network has: the swarm would never allocate them.

    Raises:
        ServiceError: There are some; the message names both.

    """
    if overlaps := list(overlapping(wanted, name, client.api.networks())):
        raise ServiceError(f"networks.{name}.ipam: {'; '.join(overlaps)}: choose another subnet")


def wait_until_allocated(client: DockerClient, name: str, network: str, log: Log) -> None:
    """Wait until a network has its driver and its subnets.

    Raises:
        ServiceError: It does not get them. The message says how it stands.

    """
    made = wait_for(
        partial(_allocated, client, network),
        f"network {name} to get its addresses from the swarm",
        ALLOCATION_TIMEOUT,
        retry=APIError,
        kind=ServiceError,
        reason=lambda: (
            "they are taken, or none are left: give it another subnet (ipam), or a larger internal_cidr"
        ),
    )
    log(f"it has {', '.join(subnets_of(made))}")


def _allocated(client: DockerClient, network: str) -> Json | None:
    """Return a network if it is allocated."""
    found: Json = client.api.inspect_network(network)
    return found if is_allocated(found) else None


def unallocated(client: DockerClient, networks: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the names of networks, given by id: those that are not allocated or are gone, and the others.

    The swarm gives addresses to networks of its own only, and not to that of a task's host.
    """
    without: list[str] = []
    others: list[str] = []
    for network in networks:
        try:
            found = client.api.inspect_network(network)
        except NotFound:
            without.append(network)
            continue
        if found.get("Scope") != "swarm":
            continue
        (others if is_allocated(found) else without).append(str(found["Name"]))
    return without, others
