"""The locations of a stage's hosts in a cloud: subnet, zone, address. Pure.

All of it comes from the stage's table alone, so that a host that is replaced is where it was.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from model.site import CloudStage

_FIRST = 10
"""Hosts are counted up from the eleventh address, so that gateways, name servers and the like have room."""


@dataclass(frozen=True)
class SubnetPlan:
    """A subnet.

    Args:
        name: What it is called in the stage.
        network: Its addresses.
        zone: The zone that it, or each host in it, is in; empty where hosts are spread without regard to it.

    """

    name: str
    network: ipaddress.IPv4Network
    zone: str

    @property
    def cidr(self) -> str:
        """Its network in CIDR notation."""
        return str(self.network)


@dataclass(frozen=True)
class HostLocation:
    """The location of a host.

    Args:
        address: Its address.
        subnet: Its subnet.
        zone: Its zone; empty where the cloud chooses.

    """

    address: str
    subnet: SubnetPlan
    zone: str


def zones(config: CloudStage) -> list[str]:
    """Return the zones that hosts are spread over; none where the cloud chooses."""
    return config.available_zones or [zone.format(region=config.region) for zone in config.default_zones]


def subnets(config: CloudStage) -> list[SubnetPlan]:
    """Return the subnets: the configured ones, else one for each zone, else a single one.

    Where a subnet lies in one zone, `cidr` is cut into as many equal parts as there are zones, and into the next power
    of two if that is none; the parts that are left over stay free.

    Raises:
        ValueError: `cidr`, or a subnet's, is no IPv4 network, or is too small to be cut.

    """
    spread = zones(config)
    if config.subnets:
        return [
            SubnetPlan(
                subnet.name or f"subnet{i}",
                ipaddress.IPv4Network(subnet.cidr),
                subnet.available_zone
                or (spread[i % len(spread)] if spread and config.has_zonal_subnets else ""),
            )
            for i, subnet in enumerate(config.subnets)
        ]
    whole = ipaddress.IPv4Network(config.cidr or "")
    if not config.has_zonal_subnets or not spread:
        return [SubnetPlan("subnet0", whole, "")]
    if whole.num_addresses < len(spread):
        raise ValueError(f"cidr: {whole} is too small for subnets in {len(spread)} zones")
    cut = whole.subnets(prefixlen_diff=(len(spread) - 1).bit_length())
    return [
        SubnetPlan(f"subnet{i}", part, zone) for i, (zone, part) in enumerate(zip(spread, cut, strict=False))
    ]


def usable(config: CloudStage, network: ipaddress.IPv4Network) -> range:
    """Return the indices of a subnet's addresses that hosts may have; the cloud reserves the others."""
    return range(
        config.first_reserved, max(config.first_reserved, network.num_addresses - config.last_reserved)
    )


def host_locations(config: CloudStage, count: int) -> Iterator[HostLocation]:
    """Yield each host's location: hosts are put into the subnets and zones in turn.

    Args:
        config: The stage's table.
        count: How many hosts there are.

    Raises:
        ValueError: They don't fit; the message begins with the key of `site.toml` to change.

    """
    plans, spread = subnets(config), zones(config)
    for n in range(count):
        if config.ip_address_list:
            address = ipaddress.IPv4Address(config.ip_address_list[n])
            plan = next((plan for plan in plans if address in plan.network), None)
            if plan is None:
                raise ValueError(f"ip_address_list[{n}]: {address} is in none of the subnets{_listed(plans)}")
            if int(address) - int(plan.network.network_address) not in usable(config, plan.network):
                raise ValueError(f"ip_address_list[{n}]: {address} is one that the cloud keeps for itself")
        else:
            plan = plans[n % len(plans)]
            address = _address(config, plan, n // len(plans), -(-count // len(plans)))
        zone = plan.zone or (spread[n % len(spread)] if spread else "")
        yield HostLocation(str(address), plan, zone)


def _address(config: CloudStage, plan: SubnetPlan, index: int, most: int) -> ipaddress.IPv4Address:
    """Return the address of the host with this index in its subnet, which holds at most `most` hosts."""
    room = usable(config, plan.network)
    first = _FIRST if _FIRST + most <= room.stop else room.start
    if first + most > room.stop:
        key = "subnets" if config.subnets else "cidr"
        raise ValueError(
            f"{key}: {plan.cidr} is too small for {most} hosts, since the cloud keeps some addresses"
        )
    return plan.network[first + index]


def _listed(plans: list[SubnetPlan]) -> str:
    """Return the subnets for a message."""
    return f" ({', '.join(plan.cidr for plan in plans)})"
