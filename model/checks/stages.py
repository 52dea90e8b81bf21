"""Check stages: addresses, zones, abilities of their providers."""

import ipaddress
import re
from collections.abc import Iterator
from itertools import combinations

from model import site as types
from model.checks.install import check_kickstart_stage
from model.checks.networks import overlaps, special_addresses
from model.checks.shared import (
    IPV4,
    IpNetwork,
    check_reference,
    check_suite,
    check_url,
    is_address,
    is_link_local,
    known_are,
    no_secret,
    read_network,
)
from model.hosts.placement import host_locations, subnets
from model.stage import Stage
from model.swarm.address_pools import address_pools
from model.toml_text import short_text

_SSH_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
"""A name that ssh takes for no option, and in which it replaces nothing."""
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]+")
_LONGEST_NAME = 64
"""Linux's HOST_NAME_MAX, see sethostname(2)."""


def check_stage(path: str, stage: Stage) -> Iterator[str]:
    """Yield the mistakes of one stage."""
    config = stage.config
    network = None
    yield from _repository(path, stage)
    if config.cidr is not None:
        try:
            network = read_network(config.cidr)
        except ValueError as error:
            yield f"{path}.cidr: {error}"
            return
        is_made = isinstance(config, types.DockerStage | types.VagrantStage | types.CloudStage)
        if is_made and (kind := special_addresses(network)):
            yield f"{path}.cidr: {network} has {kind} addresses in it: choose a private network, as 172.31.7.0/24"
            return
        # The network's own, its gateway's, two that clouds keep, and the broadcast address.
        is_cloud = isinstance(config, types.CloudStage)
        if network.num_addresses < stage.number_of_hosts + 5 and not config.ip_address_list and not is_cloud:
            yield f"{path}.cidr: {config.cidr} is too small for {stage.number_of_hosts} hosts"
            return
    if network is None and not config.ip_address_list:
        yield f"{path}: needs cidr or ip_address_list"
        return
    yield from _internal(f"{path}.internal_cidr", config)
    yield from _names(path, stage)
    if isinstance(config, types.DockerStage):
        yield from _docker_stage(path, config, network)
    if isinstance(config, types.CloudStage):
        yield from _cloud_stage(path, config, network, stage.number_of_hosts)
    if isinstance(config, types.VagrantStage):
        yield from _vagrant_stage(path, stage, config, network)
    if isinstance(config, types.KickstartStage):
        yield from check_kickstart_stage(path, stage, config, network)
    if config.ip_address_list:
        yield from _addresses(f"{path}.ip_address_list", config, network)
    for i, source in enumerate(config.ssh_source_ips):
        try:
            read_network(source, may_be_address=True)
        except ValueError as error:
            yield f"{path}.ssh_source_ips[{i}]: {error}"
    if config.separate_repository and stage.number_of_hosts < 2:  # noqa: PLR2004
        yield f"{path}: a separate repository needs at least two hosts; set separate_repository = false"
    if isinstance(config, types.PreparedStage):
        yield from _prepared_stage(path, stage, config)


def _names(path: str, stage: Stage) -> Iterator[str]:
    """Yield the mistake of host names that are longer than Linux takes."""
    longest = max(map(stage.host_name, stage.shorts), key=len)
    if len(longest) > _LONGEST_NAME:
        yield (
            f"{path}: {longest[:80]} has {len(longest)} characters, and a host may have {_LONGEST_NAME}: shorten "
            "site, prefix or custom_hostname"
        )


def check_stages_apart(site: types.Site) -> Iterator[str]:
    """Yield the stages whose networks overlap although this machine has to reach both.

    A stage of docker or vagrant has its network on this machine, which can have addresses only once. A cloud's lies in
    a VPC of the stage's own, and its hosts answer elsewhere: there two stages may have the same addresses. Stages of
    machines that exist may share a LAN.
    """
    for (name, stage), (other, beside) in combinations(site.stages.items(), 2):
        if not (_is_local(stage) or _is_local(beside)):
            continue
        if isinstance(stage, types.CloudStage) or isinstance(beside, types.CloudStage):
            continue
        if _share(stage, beside) or _share(beside, stage):
            yield (
                f"stages.{other}.cidr: {_addresses_of(beside)} overlaps with {_addresses_of(stage)} of stages.{name}, "
                "and this machine has to reach both: give one of them another"
            )


def _share(config: types.Stage, other: types.Stage) -> bool:
    """Return whether a stage's network overlaps with another's, or has one of its hosts in it."""
    try:
        network = ipaddress.ip_network(config.cidr or "")
    except ValueError:
        return False
    addresses = [ipaddress.ip_address(text) for text in other.ip_address_list if is_address(text)]
    return overlaps(network, other.cidr) or any(address in network for address in addresses)


def _addresses_of(config: types.Stage) -> str:
    """Return a stage's addresses for people."""
    return config.cidr or ", ".join(config.ip_address_list)


def _is_local(config: types.Stage) -> bool:
    """Return whether a stage's network is made on this machine."""
    if isinstance(config, types.VagrantStage):
        return not (config.bridge or config.dev)
    return isinstance(config, types.DockerStage)


def _repository(path: str, stage: Stage) -> Iterator[str]:
    """Yield a repository that is no host of the stage: misspelt, or one that left while it has the registry."""
    named, shorts = stage.config.repository, stage.shorts
    if named is not None and named not in shorts:
        yield f"{path}.repository: {named!r} is not one of its hosts{known_are(shorts)}"
    elif named is None and stage.home and stage.home not in shorts:
        yield (
            f"{path}: {stage.home} has the registry, and would no longer be a host of the stage: to move the registry "
            f'with its images, write in [{path}]: repository = "{shorts[-1]}"'
        )


def _is_reached(name: str) -> bool:
    """Return whether a text is an address as ssh takes it; a link-local one may have an interface: `fe80::1%eth0`."""
    address, with_scope, interface = name.partition("%")
    if not with_scope:
        return is_address(address)
    return is_link_local(address) and _INTERFACE.fullmatch(interface) is not None


def _prepared_stage(path: str, stage: Stage, config: types.PreparedStage) -> Iterator[str]:
    """Yield the mistakes of a prepared stage."""
    shorts = {f"{config.custom_hostname}{n}" for n in range(stage.number_of_hosts)}
    for short in config.hosts:
        if short not in shorts:
            yield f"{path}.hosts.{short}: is not one of its hosts ({', '.join(sorted(shorts))})"
    for short, host in config.hosts.items():
        name = host.ssh_host
        if name is not None and not (_SSH_HOST.fullmatch(name) or _is_reached(name)):
            yield f"{path}.hosts.{short}.ssh_host: {short_text(name)} is not the name or address of a host"
    secrets = stage.site.secrets
    if config.root_password is not None and config.root_password not in secrets:
        yield f"{path}.root_password: {no_secret(secrets)}"


def _internal(path: str, config: types.Stage) -> Iterator[str]:
    """Yield the mistakes of `internal_cidr`."""
    if config.internal_cidr is None:
        return
    try:
        read_network(config.internal_cidr)
        address_pools(config.internal_cidr)
    except ValueError as error:
        yield f"{path}: {error}"
        return
    whole = ipaddress.ip_network(config.internal_cidr)
    if kind := special_addresses(whole):
        yield f"{path}: {whole} has {kind} addresses in it: choose a private network, as 172.31.252.0/22"
    if overlaps(whole, config.cidr):
        yield f"{path}: {whole} overlaps with cidr {config.cidr}, the hosts' own network"
    for address in config.ip_address_list:
        if is_address(address) and ipaddress.ip_address(address) in whole:
            yield f"{path}: {whole} has {address}, a host's own address, in it"


def _docker_stage(path: str, config: types.DockerStage, network: IpNetwork | None) -> Iterator[str]:
    """Yield the mistakes of a docker stage."""
    if network is None:
        yield f"{path}: provider docker needs cidr, the network that it makes"
    elif network.version != IPV4:
        yield f"{path}.cidr: {config.cidr} is IPv6; provider docker makes networks of IPv4 only"
    yield from check_url(f"{path}.mirror", config.mirror)
    if config.image.startswith("debootstrap:"):
        yield from check_suite(f"{path}.host_image", config.image.removeprefix("debootstrap:"))
    else:
        yield from check_reference(f"{path}.host_image", config.image)


def _cloud_stage(path: str, config: types.CloudStage, network: IpNetwork | None, count: int) -> Iterator[str]:
    """Yield the mistakes of a stage in any cloud."""
    if network is None or network.version != IPV4:
        yield f"{path}.cidr: a cloud's hosts need one, and of IPv4, as in 10.1.0.0/16"
        return
    inside: list[IpNetwork] = []
    for i, subnet in enumerate(config.subnets):
        try:
            part = read_network(subnet.cidr)
        except ValueError as error:
            yield f"{path}.subnets[{i}].cidr: {error}"
            continue
        whole = ipaddress.IPv4Network(config.cidr or "")
        if not isinstance(part, ipaddress.IPv4Network) or not part.subnet_of(whole):
            yield f"{path}.subnets[{i}].cidr: {part} is not within cidr {config.cidr}"
        for j, other in enumerate(inside):
            if part.overlaps(other):
                yield f"{path}.subnets[{i}].cidr: {part} overlaps with {other} of subnets[{j}]"
        inside.append(part)
    names = [subnet.name or f"subnet{i}" for i, subnet in enumerate(config.subnets)]
    yield from (
        f"{path}.subnets: {name!r} occurs twice" for name in sorted(set(names)) if names.count(name) > 1
    )
    if len(inside) == len(config.subnets) and _are_addresses(config):
        try:
            list(host_locations(config, count))
            if isinstance(config, types.AwsStage):
                yield from _aws_sizes(path, config)
        except ValueError as error:
            yield f"{path}.{error}"
    yield from _own_ways(path, config)
    units = [*filter(None, (config.instance_type, config.repository_instance_type)), *config.priced]
    for unit in config.prices:
        if unit not in units:
            yield f"{path}.prices: {unit!r} is nothing that the stage pays for{known_are(units)}"
    if isinstance(config.public_addresses, list):
        known = [f"{config.custom_hostname}{n}" for n in range(count)]
        for i, short in enumerate(config.public_addresses):
            if short not in known:
                yield f"{path}.public_addresses[{i}]: {short!r} is not one of its hosts{known_are(known)}"


def _own_ways(path: str, config: types.CloudStage) -> Iterator[str]:
    """Yield the mistakes of the keys that differ between clouds."""
    if isinstance(config, types.OpenStackStage):
        yield from _openstack_stage(path, config)
    elif isinstance(config, types.AzureStage):
        yield from _azure_stage(path, config)
    elif isinstance(config, types.GcpStage) and not config.disk_encrypted:
        yield f"{path}.disk_encrypted: Google encrypts all disks: leave it out"
    elif config.kms_key_id is not None and not config.disk_encrypted:
        yield f"{path}.kms_key_id: encrypts nothing where disk_encrypted = false"


def _azure_stage(path: str, config: types.AzureStage) -> Iterator[str]:
    """Yield the mistakes of the keys that differ at Azure."""
    if not config.disk_encrypted:
        yield f"{path}.disk_encrypted: Azure encrypts every disk: leave it out"
    if config.kms_key_id is not None and not config.kms_key_id.startswith("/subscriptions/"):
        yield (
            f"{path}.kms_key_id: at Azure it is the id of a disk encryption set, as in "
            "/subscriptions/…/providers/Microsoft.Compute/diskEncryptionSets/…"
        )


def _openstack_stage(path: str, config: types.OpenStackStage) -> Iterator[str]:
    """Yield the mistakes of the keys that differ at OpenStack."""
    for server in config.dns_servers:
        try:
            is_good = ipaddress.ip_address(server).version == IPV4
        except ValueError:
            is_good = False
        if not is_good:
            yield f"{path}.dns_servers: {server!r} is not an IPv4 address, as 9.9.9.9"
    if config.disk_encrypted and config.volume_type is None:
        yield f"{path}.disk_encrypted: OpenStack encrypts by a type of volumes: name one with volume_type"
    if config.kms_key_id is not None:
        yield f"{path}.kms_key_id: OpenStack's types of volumes have their keys themselves: set volume_type"


def _aws_sizes(path: str, config: types.AwsStage) -> Iterator[str]:
    """Yield the networks that are larger or smaller than Amazon allows: /16 to /28.

    https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
    """
    for key, cidr in (("cidr", str(config.cidr)), *(("subnets", plan.cidr) for plan in subnets(config))):
        if not 16 <= ipaddress.IPv4Network(cidr).prefixlen <= 28:  # noqa: PLR2004 - Amazon's limits
            yield f"{path}.{key}: {cidr} is of a size that Amazon does not have: /16 to /28, subnets too"


def _are_addresses(config: types.CloudStage) -> bool:
    """Return whether the list of addresses can be used, if there is one; `_addresses` yields its mistakes."""
    count = config.number_of_hosts or len(config.ip_address_list)
    return all(map(is_address, config.ip_address_list)) and count <= (len(config.ip_address_list) or count)


def _vagrant_stage(
    path: str, stage: Stage, config: types.VagrantStage, network: IpNetwork | None
) -> Iterator[str]:
    """Yield the mistakes of a Vagrant stage."""
    if network is None:
        yield f"{path}: provider vagrant needs cidr, the network of its machines"
    elif network.version != IPV4:
        yield f"{path}.cidr: {config.cidr} is IPv6; provider vagrant makes networks of IPv4 only"
    elif not (config.bridge or config.dev) and str(network[1]) in {host.address for host in stage.hosts}:
        yield f"{path}: {network[1]} is this machine's own address in {config.cidr}, and no host's"
    if config.bridge and config.dev:
        yield f"{path}: takes only one of bridge, dev"
    if config.dev and config.provider_backend == "virtualbox":
        yield f"{path}.dev: is an option of libvirt; VirtualBox takes bridge"
    if config.driver != "kvm" and config.provider_backend == "virtualbox":
        yield f"{path}.driver: is an option of libvirt; VirtualBox has none"


def _addresses(path: str, config: types.Stage, network: IpNetwork | None) -> Iterator[str]:
    """Yield the mistakes of a list of addresses."""
    seen = set()
    for i, text in enumerate(config.ip_address_list):
        try:
            address = ipaddress.ip_address(text)
        except ValueError as error:
            yield f"{path}[{i}]: {error}"
            continue
        if "%" in text:
            yield f"{path}[{i}]: {text} has a scope, which holds on one machine alone: leave it out"
        if network is not None and address not in network:
            yield f"{path}[{i}]: {text} is outside cidr {config.cidr}"
        if address in seen:
            yield f"{path}[{i}]: {text} occurs twice"
        seen.add(address)
    count = config.number_of_hosts
    if count is not None and count != len(config.ip_address_list):
        yield f"{path}: has {len(config.ip_address_list)} addresses for number_of_hosts = {count}"
