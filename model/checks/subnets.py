"""Check the networks' addresses against each other, against the hosts' and Docker's own, and against what they hold.

The engine accepts all of these. The swarm then never gives the network its addresses, and tasks that are in it stay
`new` for ever (swarmkit's allocator, `manager/allocator/network.go`).
"""

import ipaddress
from collections.abc import Iterator

from model import site as types
from model.checks.networks import special_addresses
from model.checks.shared import IPV4, IpNetwork, read_network
from model.stage import Stage
from model.swarm.address_pools import address_pools
from model.swarm.docker_subnets import docker_subnets

_DEFAULT_SIZE = 24
"""The prefix of a network without `ipam` in a stage without `internal_cidr`."""
_RESERVED = 3
"""Addresses of a subnet that no container gets: the network's own, the gateway's, the broadcast address."""
_LEAST = 2
"""What any network needs: an address of a task, and one of the hive that it runs on, for its load balancing."""


def check_subnets(stage: Stage) -> Iterator[str]:
    """Yield the subnets that a stage's swarm could not use, and those that are too small."""
    subnets = list(_subnets(stage))
    for i, (path, name, subnet) in enumerate(subnets):
        for other, beside, taken in subnets[:i]:
            if name != beside and subnet.overlaps(taken):
                yield f"{path}: {subnet} overlaps with {taken} of {other}: give one of them another"
        yield from _against_hosts(f"{path}: {subnet}", subnet, stage)
    if stage.config.internal_cidr is not None:
        yield from _room_in_pool(stage)
    for joined, network in stage.networks.items():
        yield from _size(joined, network, stage)


def _subnets(stage: Stage) -> Iterator[tuple[str, str, ipaddress.IPv4Network]]:
    """Yield each subnet that site.toml names, with its path and its network's name; not those that can't be used."""
    for name, network in stage.networks.items():
        if network.ipam is None:
            continue
        own = network.ipam.subnet is not None
        for i, pool in enumerate(network.ipam.pools):
            path = f"networks.{name}.ipam" + ("" if own and i == 0 else f".config[{i - own}]")
            try:
                yield f"{path}.subnet", name, _ipv4(pool.subnet)
            except ValueError:
                continue  # reported where the table is checked


def _ipv4(text: str) -> ipaddress.IPv4Network:
    """Return a network of IPv4 that containers can have addresses of.

    Raises:
        ValueError: It is none.

    """
    network = read_network(text)
    if not isinstance(network, ipaddress.IPv4Network) or special_addresses(network):
        raise ValueError(text)
    return network


def _against_hosts(line: str, subnet: ipaddress.IPv4Network, stage: Stage) -> Iterator[str]:
    """Yield what a subnet shares addresses with: the hosts' network, a host, Docker's own networks."""
    config = stage.config
    for name, own in _networks_of_hosts(config):
        if subnet.overlaps(own):
            yield f"{line} overlaps with stages.{stage.name}.{name}, the hosts' own network: choose another"
            return
    for host in stage.hosts:
        address = ipaddress.ip_address(host.address)
        if address in subnet:
            yield f"{line} has {address} in it, {host.short}'s own address in stage {stage.name}: choose another"
            return
    hosts = [
        *(str(own) for _name, own in _networks_of_hosts(config)),
        *(host.address for host in stage.hosts),
    ]
    for what, taken in docker_subnets(config, hosts, stage.site.setup_hosts.daemon).items():
        if subnet.overlaps(taken):
            way_out = "choose another"
            if config.internal_cidr is None:
                way_out += f", or set stages.{stage.name}.internal_cidr"
                yield f"{line} overlaps with {taken}, which Docker takes for {what} on the hives: {way_out}"
            else:
                yield (
                    f"{line} overlaps with {taken}, which stages.{stage.name}.internal_cidr has for {what}: {way_out}"
                )
            return
    if config.internal_cidr is not None and subnet.overlaps(ipaddress.IPv4Network(config.internal_cidr)):
        yield (
            f"{line} overlaps with stages.{stage.name}.internal_cidr ({config.internal_cidr}), out of which networks "
            "without ipam get theirs: choose another, or leave ipam out"
        )


def _networks_of_hosts(config: types.Stage) -> Iterator[tuple[str, IpNetwork]]:
    """Yield the networks that hosts are in, each with its key in the stage's table."""
    if config.cidr is not None and (network := ipaddress.ip_network(config.cidr)).version == IPV4:
        yield "cidr", network
    if isinstance(config, types.CloudStage):
        for i, subnet in enumerate(config.subnets):
            yield f"subnets[{i}].cidr", ipaddress.IPv4Network(subnet.cidr)


def _room_in_pool(stage: Stage) -> Iterator[str]:
    """Yield that a stage's `internal_cidr` has too few subnets for the networks that name none."""
    pools = address_pools(stage.config.internal_cidr or "")
    room = 2 ** (pools.subnet_size - pools.overlay.prefixlen)
    asking = [name for name, network in stage.networks.items() if network.ipam is None]
    if len(asking) > room:
        yield (
            f"stages.{stage.name}.internal_cidr: {stage.config.internal_cidr} has room for {room} networks without "
            f"ipam, and there are {len(asking)} ({', '.join(asking)}): take a larger one, or give some a subnet"
        )


def _size(name: str, network: types.Network, stage: Stage) -> Iterator[str]:
    """Yield that a network is too small for the services that are in it."""
    ipam = network.ipam
    if ipam is not None and (ipam.driver != "default" or not ipam.pools):
        return
    if ipam is None:
        internal = stage.config.internal_cidr
        prefix = address_pools(internal).subnet_size if internal is not None else _DEFAULT_SIZE
        room, path, text = (
            2 ** (32 - prefix) - _RESERVED,
            f"networks.{name}",
            f"a /{prefix}, as without ipam,",
        )
    else:
        try:
            room = sum(map(_room, ipam.pools))
        except ValueError:
            return  # reported where the table is checked
        path = f"networks.{name}.ipam"
        text = " and ".join(pool.ip_range or pool.subnet for pool in ipam.pools)
    needs = _needs(name, stage)
    needed = max(sum(needs.values()), _LEAST)
    if needed > room:
        listed = ", ".join(f"{number} {what}" for what, number in needs.items() if number)
        whole = 32 - (needed + _RESERVED - 1).bit_length()
        yield (
            f"{path}: {text} has {room} addresses for containers, and stage {stage.name} needs {needed}"
            f"{f' ({listed})' if listed else ''}: take a /{whole} or a larger one"
        )


def _room(pool: types.Pool) -> int:
    """Return how many addresses of a subnet tasks, hives and services can get.

    Raises:
        ValueError: It is no IPv4 network.

    """
    subnet = _ipv4(pool.subnet)
    part = _ipv4(pool.ip_range) if pool.ip_range is not None else subnet
    taken = {subnet.network_address, subnet.broadcast_address}
    # Without an address of its own the gateway gets the first one that is free.
    free = part.num_addresses - sum(address in part for address in taken)
    is_elsewhere = pool.gateway is not None and ipaddress.IPv4Address(pool.gateway) not in part
    return max(0, free - (not is_elsewhere))


def _needs(name: str, stage: Stage) -> dict[str, int]:
    """Return how many addresses a network has to have, by what for.

    Each task has one, each service a virtual one unless it is `dnsrr`, and each hive one in each network of its tasks.
    One that starts new tasks first needs theirs as well. A service that names no network counts only where there is no
    other network: it may have been there before this one.
    """
    inside = [
        service
        for service in stage.services.values()
        if name in service.networks or (not service.networks and len(stage.networks) == 1)
    ]
    tasks = sum(_tasks(service, stage) for service in inside)
    return {
        "for tasks": tasks,
        "for services": sum(service.endpoint_mode == "vip" and not service.is_job for service in inside),
        "for hives": min(tasks, len(stage.hives)),
        "for tasks that start first": max((_more(service, stage) for service in inside), default=0),
    }


def _tasks(service: types.Service, stage: Stage) -> int:
    """Return how many tasks of a service run at a time."""
    if service.is_global:
        return 1 if service.placement.constraints else len(stage.hives)
    return min(service.replicas, service.max_concurrent or service.replicas)


def _more(service: types.Service, stage: Stage) -> int:
    """Return how many tasks of a service run in addition during an update."""
    tasks = _tasks(service, stage)
    starts_first = service.update_config.order == "start-first" and not service.is_job
    return min(service.update_config.parallelism or tasks, tasks) if starts_first else 0
