"""Where the addresses of Docker's own networks come from: `internal_cidr`, divided as hive-builder does. Pure."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model import site as types

DATA_PATH_PORT = 4789
SMALLEST = 24
"""The longest prefix of an `internal_cidr`: an eighth of it is then a network of thirty addresses."""
_SUBNET_SIZE = 24

Network = ipaddress.IPv4Network


@dataclass(frozen=True)
class AddressPools:
    """What becomes of an `internal_cidr`. Its last quarter stays free: hive-builder has containers of its own there.

    Args:
        overlay: The first quarter: the networks of the site, as far as they don't say their own.
        ingress: The second: the routing mesh.
        gwbridge: The fifth eighth: the bridge by which services reach the outside.
        docker0: The sixth: the bridge of containers that are in no swarm.

    """

    overlay: Network
    ingress: Network
    gwbridge: Network
    docker0: Network

    @property
    def bip(self) -> str:
        """The address of `docker0`, as the engine wants it."""
        return f"{self.docker0[1]}/{self.docker0.prefixlen}"

    @property
    def subnet_size(self) -> int:
        """The prefix of each network of the site: there is room for four of them at least."""
        return max(_SUBNET_SIZE, self.overlay.prefixlen + 2)


def address_pools(internal_cidr: str) -> AddressPools:
    """Return how a network is divided.

    Raises:
        ValueError: It is no IPv4 network, or too small.

    """
    whole = ipaddress.IPv4Network(internal_cidr)
    if whole.prefixlen > SMALLEST:
        raise ValueError(f"{internal_cidr} is too small to be divided; the smallest is a /{SMALLEST}")
    quarters, eighths = list(whole.subnets(2)), list(whole.subnets(3))
    return AddressPools(quarters[0], quarters[1], eighths[4], eighths[5])


@dataclass(frozen=True)
class SwarmOptions:
    """How a swarm is to be made; what is made so stays so.

    Args:
        pools: Where its addresses come from; None leaves that to what is free.
        port: The UDP port of what overlay networks send.

    """

    pools: AddressPools | None = None
    port: int = DATA_PATH_PORT


def swarm_options(config: types.Stage) -> SwarmOptions:
    """Return how a stage's swarm is to be made."""
    return SwarmOptions(
        address_pools(config.internal_cidr) if config.internal_cidr is not None else None,
        config.data_path_port,
    )


def options_are_fixed(host: str, different: str) -> str:
    """Return why a swarm that was made otherwise is not changed, and what to do."""
    return (
        f"{host}: its swarm was made with {different}, and a swarm stays as it was made: put site.toml back, or type: "
        "doit replace=swarm (services end in order, the swarm is made anew, they are deployed again; volumes stay)"
    )


def differing_options(options: SwarmOptions, cluster: Mapping[str, Any]) -> str:
    """Return what a swarm was made with otherwise than it is wanted; empty if nothing.

    Args:
        options: How it is wanted.
        cluster: The engine's description of the swarm, which only managers have.

    """
    said = []
    pools = cluster.get("DefaultAddrPool") or []
    if options.pools is not None and pools != [str(options.pools.overlay)]:
        said.append(f"addresses out of {', '.join(pools) or 'what was free'}, not {options.pools.overlay}")
    port = cluster.get("DataPathPort") or DATA_PATH_PORT
    if port != options.port:
        said.append(f"data_path_port {port}, not {options.port}")
    return " and ".join(said)
