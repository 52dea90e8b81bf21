"""Addresses of networks: those that Docker's own have on a stage's hives, and whether the swarm has given any. Pure.

Where a stage has no `internal_cidr`, they are Docker's defaults: the routing mesh has the first /24 of the swarm's pool
10.0.0.0/8 (https://docs.docker.com/engine/swarm/swarm-mode/, "default address pools"); docker0 and docker_gwbridge have
the first free ones of the engine's local pools, 172.17.0.0/16 to 172.31.0.0/16
(https://docs.docker.com/engine/network/, "Subnet allocation"), unless `daemon.json` has others.
"""

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping

from model import site as types
from model.json_types import Json
from model.swarm.address_pools import address_pools

Network = ipaddress.IPv4Network

_INGRESS = Network("10.0.0.0/24")
_TAKEN_EARLY = Network("10.0.0.0/16")
"""The first 256 networks that a swarm takes from its pool 10.0.0.0/8."""
_BESIDE = {"bridge", "docker_gwbridge"}
"""Networks of the engine alone that every service's container meets. Others don't matter to an overlay network."""
_OF_POOLS = frozenset({"default-address-pools", "bridge"})
"""Keys of `daemon.json` with which docker0 or docker_gwbridge are not in those pools, or not the first two."""
_LOCAL = [Network(f"172.{n}.0.0/16") for n in range(17, 32)]


def docker_subnets(
    stage: types.Stage, addresses: Iterable[str], daemon: Mapping[str, object]
) -> dict[str, Network]:
    """Return Docker's own networks on a stage's hives to their addresses; none if its `internal_cidr` is wrong.

    Those of which the engine's settings say something else are left out.

    Args:
        stage: The stage's table.
        addresses: The hosts' own addresses and networks.
        daemon: Further keys of the engine's `daemon.json`.

    """
    if stage.internal_cidr is None:
        if not _OF_POOLS.isdisjoint(daemon):
            return {"ingress": _INGRESS}
        taken = (*addresses, str(daemon.get("bip", "")))
        own = [network for text in taken if (network := _network(text)) is not None]
        free = [pool for pool in _LOCAL if not any(pool.overlaps(each) for each in own)]
        names = ("docker_gwbridge",) if "bip" in daemon else ("docker0", "docker_gwbridge")
        return {"ingress": _INGRESS, **dict(zip(names, free, strict=False))}
    with contextlib.suppress(ValueError):
        pools = address_pools(stage.internal_cidr)
        return {"ingress": pools.ingress, "docker_gwbridge": pools.gwbridge, "docker0": pools.docker0}
    return {}


def is_taken_early(subnet: str) -> bool:
    """Return whether the swarm could give a subnet to a network that names none."""
    network = _network(subnet)
    return network is not None and network.overlaps(_TAKEN_EARLY)


def _network(text: str) -> Network | None:
    """Return an IPv4 network or address; None if it is something else."""
    try:
        return Network(text, strict=False)
    except ValueError:
        return None


def is_allocated(network: Json) -> bool:
    """Return whether the swarm has given a network its addresses, as an engine describes it.

    Until then the engine shows neither driver nor subnets (moby's `daemon/cluster/convert/network.go` takes both from
    the allocator's part of the swarm's object), and tasks that are in the network stay `new`, on no host.
    """
    pools = (network.get("IPAM") or {}).get("Config") or ()
    return bool(network.get("Driver")) and bool(pools) and all(pool.get("Subnet") for pool in pools)


def subnets_of(network: Json) -> list[str]:
    """Return a network's subnets, as an engine describes it."""
    return [pool["Subnet"] for pool in (network.get("IPAM") or {}).get("Config") or () if pool.get("Subnet")]


def overlapping(wanted: Iterable[str], name: str, networks: Iterable[Json]) -> Iterator[str]:
    """Yield each of a network's subnets that shares addresses with another network, in words. Pure.

    Args:
        wanted: The subnets.
        name: The network's name.
        networks: All networks that an engine knows.

    """
    others = [
        (other["Name"], subnet)
        for other in networks
        if other["Name"] != name and (other.get("Scope") == "swarm" or other["Name"] in _BESIDE)
        for subnet in subnets_of(other)
    ]
    for text in wanted:
        own = ipaddress.ip_network(text, strict=False)
        for other, subnet in others:
            taken = ipaddress.ip_network(subnet, strict=False)
            if own.version == taken.version and own.overlaps(taken):
                yield f"{text} overlaps with {subnet} of network {other}"
