"""Check networks and volumes: names, drivers, addresses."""

import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator

from model import site as types
from model.checks.shared import IPV4, IpNetwork, known_are, read_network
from model.site.networks import HOST_NETWORK, MTU
from model.site.volumes import EACH
from model.stage import Stage
from model.toml_text import key_text, short_text

_HOST = " (a service is in the host's network with networks = ['host'], without a table for it)"
_NO_SUBNETS = {
    "loopback": "127.0.0.0/8",
    "link-local": "169.254.0.0/16",
    "multicast": "224.0.0.0/4",
    "reserved": "240.0.0.0/4",
    "unspecified": "0.0.0.0/8",
}
"""Kinds of addresses that no container can have, see RFC 6890."""
_LEAST_MTU, _LARGEST_MTU = 68, 65_535
"""Of packets of IPv4, see RFC 791."""
_DOCKERS_NETWORKS = {"bridge", "default", "docker_gwbridge", "host", "ingress", "none"}

_HIVE_BUILDERS = "hive_default_network"


def check_external(
    path: str, made: types.Network | types.Volume | types.Config, *, also: Collection[str] = ()
) -> Iterator[str]:
    """Yield the keys that something external can't have, and a name without it.

    Args:
        path: Its path.
        made: The network, volume or config.
        also: Keys that it may have all the same.

    """
    if not made.external:
        if made.name is not None:
            yield f"{path}.name: goes with external = true; what skep makes is called as here"
        return
    bare = type(made)()
    for key in made.__struct_fields__:
        if key not in {"external", "name", *also} and getattr(made, key) != getattr(bare, key):
            yield f"{path}.{key}: skep does not make what is external = true: leave it out"


def check_volume(path: str, volume: types.Volume, stages: Iterable[Stage]) -> Iterator[str]:
    """Yield the mistakes of one volume."""
    if volume.hosts == EACH and not volume.stays_behind:
        yield f'{path}.hosts: "each" is for data on the hives\' own disks; this volume has none there: leave it out'
    yield from check_external(path, volume, also=("hosts", "driver", "backup", "standby"))
    for stage in stages:
        if path.rpartition(".")[2] not in stage.volumes:
            continue
        known = set(stage.shorts) - ({stage.repository_short} if stage.config.separate_repository else set())
        for i, short in enumerate(volume.named_hosts):
            if short == EACH:
                yield f"{path}.hosts[{i}]: 'each' is not in a list: write hosts = 'each', or name the hives"
            elif short not in known:
                yield f"{path}.hosts[{i}]: {short!r} is not a hive of stage {stage.name}{known_are(known)}"
        for i, short in enumerate(volume.standby):
            if short not in known:
                yield f"{path}.standby[{i}]: {short!r} is not a hive of stage {stage.name}{known_are(known)}"


def check_network(path: str, network: types.Network) -> Iterator[str]:
    """Yield the mistakes of one network."""
    if path.rpartition(".")[2] in _DOCKERS_NETWORKS:
        yield f"{path}: the name is Docker's own; choose another{_HOST if path.endswith('.host') else ''}"
    yield from check_external(path, network)
    mtu = network.driver_opts.get(MTU)
    if mtu is not None and not (mtu.isdecimal() and _LEAST_MTU <= int(mtu) <= _LARGEST_MTU):
        yield (
            f"{path}.driver_opts.{key_text(MTU)}: {short_text(mtu)} is not a number from {_LEAST_MTU} to "
            f"{_LARGEST_MTU}"
        )
    if network.ipam is None:
        return
    ipam = f"{path}.ipam"
    if network.ipam.subnet is None and (network.ipam.gateway or network.ipam.ip_range):
        yield f"{ipam}: gateway and ip_range need the subnet that they are in"
    if not network.ipam.pools and network.ipam.driver == "default":
        yield f"{ipam}: needs subnet, or config with several"
    first = network.ipam.subnet is not None
    taken: list[IpNetwork] = []
    for i, pool in enumerate(network.ipam.pools):
        where = ipam if first and i == 0 else f"{ipam}.config[{i - first}]"
        try:
            yield from _pool(where, pool, taken)
        except ValueError as error:
            yield f"{where}.{_unreadable(pool)}: {error}"


def check_joined(path: str, service: types.Service, site: types.Site) -> Iterator[str]:
    """Yield the mistakes in the networks that a service joins."""
    for i, (name, aliases) in enumerate(service.networks.items()):
        where = f"{path}.networks[{i}]"
        if name == HOST_NETWORK:
            if aliases or len(service.networks) > 1:
                yield f"{where}: the host's network stands alone, and without aliases"
        elif name in _DOCKERS_NETWORKS:
            yield f"{where}: {name} is one engine's own network: the swarm's services join those of [networks], or host"
        elif name == _HIVE_BUILDERS and name not in site.networks:
            yield f"{where}: {name} is hive-builder's: leave out networks, or write one in [networks]"
        elif name not in site.networks:
            yield f"{where}: there is no network {name!r}{known_are(site.networks)}"
    if not service.is_on_host_network:
        return
    for port in service.ports:
        if port.mode != "host" or port.published != port.target:
            yield (
                f"{path}.ports: in the host's network a container's ports are the host's: name them for the firewall, "
                f"as in {{ target_port = {port.target}, published_port = {port.target}, mode = 'host' }}"
            )


def _unreadable(pool: types.Pool) -> str:
    """Return the key of a subnet whose value is no network or address."""
    readers: dict[str, Callable[[str], object]] = {
        "subnet": read_network,
        "gateway": ipaddress.ip_address,
        "ip_range": read_network,
    }
    for key, read in readers.items():
        try:
            if (text := getattr(pool, key)) is not None:
                read(text)
        except ValueError:
            return key
    return "subnet"


def _pool(path: str, pool: types.Pool, taken: list[IpNetwork]) -> Iterator[str]:
    """Yield the mistakes of a network's subnet, given the subnets before it."""
    subnet = read_network(pool.subnet)
    if subnet.version != IPV4:
        yield (
            f"{path}.subnet: {subnet} is IPv6: the engine takes it, and then no container can join (seen with Docker "
            "Engine 20.10)"
        )
    if kind := special_addresses(subnet):
        yield f"{path}.subnet: {subnet} has {kind} addresses in it: choose a private network, as 10.20.0.0/24"
    if pool.gateway is not None:
        yield from _gateway(f"{path}.gateway", ipaddress.ip_address(pool.gateway), subnet)
    if pool.ip_range is not None:
        part = read_network(pool.ip_range)
        if part.version != subnet.version or not part.subnet_of(subnet):  # type: ignore[arg-type]
            yield f"{path}.ip_range: {part} is outside {subnet}"
    for other in taken:
        if subnet.version == other.version and subnet.overlaps(other):
            yield f"{path}.subnet: {subnet} overlaps with {other}, which is the network's as well"
    taken.append(subnet)


def _gateway(
    path: str, gateway: ipaddress.IPv4Address | ipaddress.IPv6Address, subnet: IpNetwork
) -> Iterator[str]:
    """Yield the mistake of a gateway's address."""
    if gateway not in subnet:
        yield f"{path}: {gateway} is outside {subnet}"
    elif gateway in {subnet.network_address, subnet.broadcast_address}:
        yield f"{path}: {gateway} is the address of the network {subnet} itself: choose one between its first and last"


def special_addresses(network: IpNetwork) -> str:
    """Return the kind of addresses in a network that no host or container can have; empty if there are none."""
    return next((kind for kind, special in _NO_SUBNETS.items() if overlaps(network, special)), "")


def overlaps(network: IpNetwork, cidr: str | None) -> bool:
    """Return whether a network shares addresses with another; False if the other can't be read."""
    try:
        other = ipaddress.ip_network(cidr or "")
    except ValueError:
        return False
    return network.version == other.version and network.overlaps(other)
