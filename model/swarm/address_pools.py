"""The address pools of Docker's own networks: `internal_cidr`, divided as in hive-builder. Pure."""

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
    """The parts of an `internal_cidr`. The last quarter stays free: hive-builder has containers of its own there.

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
        """The address of `docker0` with its prefix, as the engine's option `bip` takes it."""
        return f"{self.docker0[1]}/{self.docker0.prefixlen}"

    @property
    def subnet_size(self) -> int:
        """The prefix length of each overlay network; there is room for at least four of them."""
        return max(_SUBNET_SIZE, self.overlay.prefixlen + 2)


def address_pools(internal_cidr: str) -> AddressPools:
    """Return the parts of a network.

    Raises:
        ValueError: It is no IPv4 network, or too small.

    """
    if ":" in internal_cidr:
        raise ValueError(
            f"{internal_cidr} is IPv6, and Docker's own networks have IPv4 (example: 172.31.252.0/22)"
        )
    whole = ipaddress.IPv4Network(internal_cidr)
    if whole.prefixlen > SMALLEST:
        raise ValueError(f"{internal_cidr} is too small to be divided; the smallest is a /{SMALLEST}")
    quarters, eighths = list(whole.subnets(2)), list(whole.subnets(3))
    return AddressPools(quarters[0], quarters[1], eighths[4], eighths[5])


@dataclass(frozen=True)
class SwarmOptions:
    """The options that a swarm is made with and keeps.

    Args:
        pools: Its address pools; None lets Docker choose.
        port: The UDP port of overlay network traffic.

    """

    pools: AddressPools | None = None
    port: int = DATA_PATH_PORT


def swarm_options(config: types.Stage) -> SwarmOptions:
    """Return the options of a stage's swarm."""
    return SwarmOptions(
        address_pools(config.internal_cidr) if config.internal_cidr is not None else None,
        config.data_path_port,
    )


def options_are_fixed(host: str, different: str) -> str:
    """Return the message for a swarm that was made with other options, with the remedy."""
    return (
        f"{host}: its swarm was made with {different}, and a swarm stays as it was made: put site.toml back, or type: "
        "doit replace=swarm (services end in order, the swarm is replaced, they are deployed again; volumes stay)"
    )


def differing_options(options: SwarmOptions, cluster: Mapping[str, Any]) -> str:
    """Return the options in which a swarm differs from the wanted ones; empty if in none.

    Args:
        options: The wanted options.
        cluster: The engine's description of the swarm, which only managers have.

    """
    different = []
    pools = cluster.get("DefaultAddrPool") or []
    if options.pools is not None and pools != [str(options.pools.overlay)]:
        different.append(
            f"addresses out of {', '.join(pools) or 'what was free'}, not {options.pools.overlay}"
        )
    port = cluster.get("DataPathPort") or DATA_PATH_PORT
    if port != options.port:
        different.append(f"data_path_port {port}, not {options.port}")
    return " and ".join(different)
