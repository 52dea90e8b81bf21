"""What must hold between the parts of a site: names that exist, addresses that fit, ports that don't collide."""

import contextlib
import ipaddress
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from model import ansible, bases, roles, templates
from model import site as types
from model.addresses import divide
from model.errors import ConfigError
from model.placement import places, subnets
from model.reference import is_registry, parse
from model.stage import REGISTRY_PORT, Stage, role_uses, scalar
from model.units import Port, short_port, size

_IPV4 = 4
_DOCKERS_NETWORKS = {"bridge", "default", "docker_gwbridge", "host", "ingress", "none"}
_IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
_SKEPS_PORTS = {
    (22, "tcp"): "ssh",
    (2377, "tcp"): "the swarm",
    (7946, "tcp"): "the swarm",
    (7946, "udp"): "the swarm",
}


def check(site: types.Site, directory: Path) -> list[str]:
    """Return a line for each mistake, each beginning with its path.

    Args:
        site: The site.
        directory: Its directory, where roles and tarballs are.

    """
    problems: list[str] = []
    for name, config in site.stages.items():
        problems += _stage(f"stages.{name}", name, config, site)
    if site.stage is not None and site.stage not in site.stages:
        problems.append(f"stage: {site.stage!r} is none of the stages ({', '.join(site.stages)})")
    for name, secret in site.secrets.items():
        given = [key for key in ("generate", "env", "file") if getattr(secret, key) is not None]
        if len(given) != 1:
            problems.append(f"secrets.{name}: needs exactly one of generate, env, file")
    for name, base in site.bases.items():
        problems += _base(f"bases.{name!r}", name, base, directory)
    for name, registry in site.registries.items():
        problems += _registry(f"registries.{name!r}", name, registry, site)
    for name, image in site.images.items():
        problems += _image(f"images.{name}", image, site, directory)
    for name, volume in site.volumes.items():
        problems += _volume(f"volumes.{name}", volume, site)
    for name, network in site.networks.items():
        problems += _network(f"networks.{name}", network, site)
    problems += _hosts("setup_hosts.hosts", site.setup_hosts.hosts)
    for name, service in site.services.items():
        problems += _service(f"services.{name}", service, site, directory)
    problems += _ansible(site, directory)
    for name in site.stages:
        problems += _collisions(Stage(site, name, site.stages[name]))
    if not any(problem.startswith("stages.") for problem in problems):
        for name in site.stages:
            problems += _templates(Stage(site, name, site.stages[name]))
    return list(dict.fromkeys(problems))


def ports(service: types.Service) -> list[Port]:
    """Return a service's published ports in their long form; those that can't be read are left out.

    Where the host's port is to be chosen, it is 0: `tasks/ports.py` knows which it is.
    """
    found = []
    for port in service.ports:
        if isinstance(port, types.PortMap):
            found.append(Port(port.target_port, port.published_port or 0, port.protocol, port.mode))
            continue
        try:
            found.append(short_port(port))
        except ValueError:
            continue
    return found


def _stage(path: str, name: str, config: types.Stage, site: types.Site) -> Iterator[str]:
    """Yield the mistakes of one stage."""
    stage = Stage(site, name, config)
    network = None
    if config.cidr is not None:
        try:
            network = ipaddress.ip_network(config.cidr)
        except ValueError as error:
            yield f"{path}.cidr: {error}"
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
    if isinstance(config, types.DockerStage):
        yield from _docker_stage(path, config, network)
    if isinstance(config, types.CloudStage):
        yield from _cloud_stage(path, config, network, stage.number_of_hosts)
    if isinstance(config, types.VagrantStage):
        yield from _vagrant_stage(path, stage, config, network)
    if config.ip_address_list:
        yield from _addresses(f"{path}.ip_address_list", config, network)
    for i, source in enumerate(config.ssh_source_ips):
        try:
            ipaddress.ip_network(source)
        except ValueError as error:
            yield f"{path}.ssh_source_ips[{i}]: {error}"
    if config.separate_repository and stage.number_of_hosts < 2:  # noqa: PLR2004
        yield f"{path}: a separate repository needs at least two hosts; set separate_repository = false"
    if isinstance(config, types.PreparedStage):
        shorts = {f"{config.custom_hostname}{n}" for n in range(stage.number_of_hosts)}
        for short in config.hosts:
            if short not in shorts:
                yield f"{path}.hosts.{short}: is not one of its hosts ({', '.join(sorted(shorts))})"
        if config.root_password is not None and config.root_password not in site.secrets:
            yield f"{path}.root_password: there is no secret {config.root_password!r}{_known(site.secrets)}"


def _internal(path: str, config: types.Stage) -> Iterator[str]:
    """Yield the mistakes of the network that Docker's own networks come from."""
    if config.internal_cidr is None:
        return
    try:
        divide(config.internal_cidr)
    except ValueError as error:
        yield f"{path}: {error}"
        return
    whole = ipaddress.ip_network(config.internal_cidr)
    if _overlaps(whole, config.cidr):
        yield f"{path}: {whole} overlaps with cidr {config.cidr}, the hosts' own network"
    for address in config.ip_address_list:
        if _is_address(address) and ipaddress.ip_address(address) in whole:
            yield f"{path}: {whole} has {address}, a host's own address, in it"


def _docker_stage(path: str, config: types.DockerStage, network: _IpNetwork | None) -> Iterator[str]:
    """Yield the mistakes of what only provider docker has."""
    if network is None:
        yield f"{path}: provider docker needs cidr, the network that it makes"
    elif network.version != _IPV4:
        yield f"{path}.cidr: {config.cidr} is IPv6; provider docker makes networks of IPv4 only"
    if not config.host_image.startswith("debootstrap:"):
        yield from _reference(f"{path}.host_image", config.host_image)


def _cloud_stage(
    path: str, config: types.CloudStage, network: _IpNetwork | None, count: int
) -> Iterator[str]:
    """Yield the mistakes of what all clouds have."""
    if network is None or network.version != _IPV4:
        yield f"{path}.cidr: a cloud's hosts need one, and of IPv4, as in 10.1.0.0/16"
        return
    inside: list[_IpNetwork] = []
    for i, subnet in enumerate(config.subnets):
        try:
            part = ipaddress.IPv4Network(subnet.cidr)
        except ValueError as error:
            yield f"{path}.subnets[{i}].cidr: {error}"
            continue
        if not part.subnet_of(ipaddress.IPv4Network(config.cidr or "")):
            yield f"{path}.subnets[{i}].cidr: {part} is not within cidr {config.cidr}"
        for j, other in enumerate(inside):
            if part.overlaps(other):
                yield f"{path}.subnets[{i}].cidr: {part} overlaps with {other} of subnets[{j}]"
        inside.append(part)
    names = [subnet.name or f"subnet{i}" for i, subnet in enumerate(config.subnets)]
    yield from (
        f"{path}.subnets: {name!r} is there twice" for name in sorted(set(names)) if names.count(name) > 1
    )
    if len(inside) == len(config.subnets) and _are_addresses(config):
        try:
            list(places(config, count))
            if isinstance(config, types.AwsStage):
                yield from _aws_sizes(path, config)
        except ValueError as error:
            yield f"{path}.{error}"
    if isinstance(config, types.OpenStackStage):
        yield from _openstack_stage(path, config)
    elif config.kms_key_id is not None and not config.disk_encrypted:
        yield f"{path}.kms_key_id: encrypts nothing where disk_encrypted = false"
    if isinstance(config.public_addresses, list):
        known = [f"{config.custom_hostname}{n}" for n in range(count)]
        for i, short in enumerate(config.public_addresses):
            if short not in known:
                yield f"{path}.public_addresses[{i}]: {short!r} is none of its hosts{_known(known)}"


def _openstack_stage(path: str, config: types.OpenStackStage) -> Iterator[str]:
    """Yield the mistakes of what OpenStack does otherwise than other clouds."""
    if config.disk_encrypted and config.volume_type is None:
        yield f"{path}.disk_encrypted: OpenStack encrypts by a type of volumes: name one with volume_type"
    if config.kms_key_id is not None:
        yield f"{path}.kms_key_id: OpenStack's types of volumes have their keys themselves: set volume_type"
    if config.nfs:
        yield f"{path}.nfs: provider openstack makes no file systems"


def _aws_sizes(path: str, config: types.AwsStage) -> Iterator[str]:
    """Yield the networks that are of no size that Amazon has: /16 to /28.

    https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
    """
    for key, cidr in (("cidr", str(config.cidr)), *(("subnets", plan.cidr) for plan in subnets(config))):
        if not 16 <= ipaddress.IPv4Network(cidr).prefixlen <= 28:  # noqa: PLR2004 - Amazon's limits
            yield f"{path}.{key}: {cidr} is of a size that Amazon does not have: /16 to /28, subnets too"


def _are_addresses(config: types.CloudStage) -> bool:
    """Return whether a list of addresses, if there is one, can be used; if not, `_addresses` says why."""
    count = config.number_of_hosts or len(config.ip_address_list)
    return all(map(_is_address, config.ip_address_list)) and count <= (len(config.ip_address_list) or count)


def _vagrant_stage(
    path: str, stage: Stage, config: types.VagrantStage, network: _IpNetwork | None
) -> Iterator[str]:
    """Yield the mistakes of what only provider vagrant has."""
    if network is None:
        yield f"{path}: provider vagrant needs cidr, the network of its machines"
    elif network.version != _IPV4:
        yield f"{path}.cidr: {config.cidr} is IPv6; provider vagrant makes networks of IPv4 only"
    elif not (config.bridge or config.dev) and str(network[1]) in {host.address for host in stage.hosts}:
        yield f"{path}: {network[1]} is this machine's own address in {config.cidr}, and no host's"
    if config.bridge and config.dev:
        yield f"{path}: takes only one of bridge, dev"
    if config.dev and config.provider_backend == "virtualbox":
        yield f"{path}.dev: is libvirt's; VirtualBox takes bridge"
    if config.driver != "kvm" and config.provider_backend == "virtualbox":
        yield f"{path}.driver: is libvirt's; VirtualBox has none"


def _addresses(path: str, config: types.Stage, network: _IpNetwork | None) -> Iterator[str]:
    """Yield the mistakes of a list of addresses."""
    seen = set()
    for i, text in enumerate(config.ip_address_list):
        try:
            address = ipaddress.ip_address(text)
        except ValueError as error:
            yield f"{path}[{i}]: {error}"
            continue
        if network is not None and address not in network:
            yield f"{path}[{i}]: {text} is outside cidr {config.cidr}"
        if address in seen:
            yield f"{path}[{i}]: {text} is there twice"
        seen.add(address)
    count = config.number_of_hosts
    if count is not None and count != len(config.ip_address_list):
        yield f"{path}: has {len(config.ip_address_list)} addresses for number_of_hosts = {count}"


def _image(path: str, image: types.Image, site: types.Site, directory: Path) -> Iterator[str]:
    """Yield the mistakes of one image."""
    if (image.from_ is None) == (image.build is None):
        yield f"{path}: needs exactly one of from, build"
    if image.build is not None and not (directory / image.build / "Dockerfile").is_file():
        yield f"{path}.build: there is no {image.build}/Dockerfile in {directory}"
    if image.from_ is not None and image.from_ not in site.bases:
        yield from _reference(f"{path}.from", image.from_)
    if image.pull_from not in site.bases:
        yield from _reference(f"{path}.pull_from", image.pull_from)
    yield from _variables(f"{path}.env", image.env)
    if image.pull_on and image.pull_from is None:
        yield f"{path}.pull_on: needs pull_from, where it is pulled from"
    for i, stage in enumerate(image.pull_on):
        if stage not in site.stages:
            yield f"{path}.pull_on[{i}]: there is no stage {stage!r}{_known(site.stages)}"
    for i, secret in enumerate(image.secrets):
        if secret not in site.secrets:
            yield f"{path}.secrets[{i}]: there is no secret {secret!r}{_known(site.secrets)}"
    for label in image.labels:
        if label.startswith("skep."):
            yield f"{path}.labels: {label!r} is skep's own"
    yield from _roles(f"{path}.roles", image.roles, directory, image.vars)


def _base(path: str, name: str, base: types.Base, directory: Path) -> Iterator[str]:
    """Yield the mistakes of one base."""
    ways = (*bases.MAKERS, "image")
    if len([key for key in ways if getattr(base, key) is not None]) > 1:
        yield f"{path}: takes only one of {', '.join(ways)}"
    for key in ("tarball", "archive"):
        file = getattr(base, key)
        if file is not None and not (directory / file).is_file():
            yield f"{path}.{key}: there is no file {file} in {directory}"
    if base.tag is not None and base.archive is None:
        yield f"{path}.tag: says which image of `archive` is meant, and there is none"
    if base.image is not None:
        yield from _reference(f"{path}.image", base.image)
    elif not any(getattr(base, maker) is not None for maker in bases.MAKERS):
        yield from _reference(path, name)


def _registry(path: str, name: str, registry: types.ExternalRegistry, site: types.Site) -> Iterator[str]:
    """Yield the mistakes of one external registry."""
    if not is_registry(name):
        yield f"{path}: is not how references name a registry, as in docker.io or registry.example:5000"
    if (registry.user is None) != (registry.password is None):
        yield f"{path}: a login needs both user and password"
    if registry.password is not None:
        if registry.password not in site.secrets:
            yield f"{path}.password: there is no secret {registry.password!r}{_known(site.secrets)}"
        elif site.secrets[registry.password].generate is not None:
            yield f"{path}.password: {registry.password} is generated here; {name} can't know it"


def _roles(
    path: str, uses: list[str | types.RoleUse], directory: Path, common: Mapping[str, types.Scalar]
) -> Iterator[str]:
    """Yield the mistakes of a list of roles, all of which see some variables in common."""
    for i, use in enumerate(role_uses(uses)):
        role = roles.find(directory, use.role)
        if role is None:
            yield f"{path}[{i}]: there is no directory roles/{use.role} in {directory}"
        elif ansible.is_role(role):
            yield from _role_of_ansible(f"{path}[{i}]", use.role, role, directory)
        elif not (role / ansible.SCRIPT).is_file():
            yield f"{path}[{i}]: roles/{use.role} has neither {ansible.SCRIPT} nor {ansible.MAIN[0]}"
        elif roles.is_built_in(role) and use.role == roles.CERTIFICATE:
            variables = {name: scalar(value) for name, value in {**common, **use.vars}.items()}
            try:
                roles.names(variables)
            except ValueError as error:
                yield f"{path}[{i}].vars.{roles.NAMES}: {error}"


def _ansible(site: types.Site, directory: Path) -> Iterator[str]:
    """Yield a line if there is a role of Ansible, and no Ansible to run it."""
    lists = [image.roles for image in site.images.values()]
    lists += [service.initialize_roles for service in site.services.values()]
    for use in (use for uses in lists for use in role_uses(uses)):
        role = roles.find(directory, use.role)
        if role is not None and ansible.is_role(role) and ansible.feature_release() is None:
            yield f"roles/{use.role} is a role of Ansible, which is not installed: {ansible.HOW} adds it"
            return


def _role_of_ansible(path: str, name: str, role: Path, directory: Path) -> Iterator[str]:
    """Yield the mistakes of a role of Ansible; whether Ansible is here is not asked for."""
    if (role / ansible.SCRIPT).is_file():
        main = next(main for main in ansible.MAIN if (role / main).is_file())
        yield f"{path}: roles/{name} has both {ansible.SCRIPT} and {main}; which of them is it?"
    if ansible.feature_release() is None:
        return
    try:
        ansible.trees(directory, name)
    except ConfigError as error:
        yield from (f"{path}: {problem}" for problem in error.problems)


def _volume(path: str, volume: types.Volume, site: types.Site) -> Iterator[str]:
    """Yield the mistakes of one volume."""
    for stage_name, config in site.stages.items():
        stage = Stage(site, stage_name, config)
        if path.rpartition(".")[2] not in stage.volumes:
            continue
        known = {
            f"{config.custom_hostname}{n}" for n in range(stage.number_of_hosts - config.separate_repository)
        }
        for i, short in enumerate(volume.hosts):
            if short not in known:
                yield f"{path}.hosts[{i}]: {short!r} is no hive of stage {stage_name}{_known(known)}"


def _network(path: str, network: types.Network, site: types.Site) -> Iterator[str]:
    """Yield the mistakes of one network."""
    if path.rpartition(".")[2] in _DOCKERS_NETWORKS:
        yield f"{path}: the name is Docker's own; choose another"
    if network.ipam is None:
        return
    ipam = f"{path}.ipam"
    if network.ipam.subnet is None and (network.ipam.gateway or network.ipam.ip_range):
        yield f"{ipam}: gateway and ip_range need the subnet that they are in"
    if not network.ipam.pools and network.ipam.driver == "default":
        yield f"{ipam}: needs subnet, or config with several"
    first = network.ipam.subnet is not None
    taken: list[_IpNetwork] = []
    for i, pool in enumerate(network.ipam.pools):
        where = ipam if first and i == 0 else f"{ipam}.config[{i - first}]"
        try:
            yield from _pool(where, pool, taken, site)
        except ValueError as error:
            yield f"{where}: {error}"


def _pool(path: str, pool: types.Pool, taken: list[_IpNetwork], site: types.Site) -> Iterator[str]:
    """Yield the mistakes of a network's subnet, given those before it."""
    subnet = ipaddress.ip_network(pool.subnet)
    if subnet.version != _IPV4:
        yield (
            f"{path}.subnet: {subnet} is IPv6: the engine takes it, and then no container can join (seen with Docker "
            "Engine 20.10)"
        )
    if pool.gateway is not None and ipaddress.ip_address(pool.gateway) not in subnet:
        yield f"{path}.gateway: {pool.gateway} is outside {subnet}"
    if pool.ip_range is not None:
        part = ipaddress.ip_network(pool.ip_range)
        if part.version != subnet.version or not part.subnet_of(subnet):  # type: ignore[arg-type]
            yield f"{path}.ip_range: {part} is outside {subnet}"
    for other in taken:
        if subnet.version == other.version and subnet.overlaps(other):
            yield f"{path}.subnet: {subnet} overlaps with {other}, which is the network's as well"
    taken.append(subnet)
    for name, stage in site.stages.items():
        if _overlaps(subnet, stage.cidr):
            yield f"{path}.subnet: {subnet} overlaps with stages.{name}.cidr, the hosts' own network"
        for what, part in _parts(stage).items():
            if _overlaps(subnet, str(part)):
                yield f"{path}.subnet: {subnet} overlaps with {part}, which stages.{name}.internal_cidr has for {what}"


def _parts(stage: types.Stage) -> dict[str, ipaddress.IPv4Network]:
    """Return what a stage's `internal_cidr` has for Docker itself; one that can't be divided is another mistake."""
    try:
        division = divide(stage.internal_cidr) if stage.internal_cidr is not None else None
    except ValueError:
        return {}
    if division is None:
        return {}
    return {"ingress": division.ingress, "docker_gwbridge": division.gwbridge, "docker0": division.docker0}


def _overlaps(network: _IpNetwork, cidr: str | None) -> bool:
    """Return whether a network shares addresses with another; one that can't be read is another mistake."""
    try:
        other = ipaddress.ip_network(cidr or "")
    except ValueError:
        return False
    return network.version == other.version and network.overlaps(other)


def _reference(path: str, image: str | None) -> Iterator[str]:
    """Yield the mistake of an image's reference, if there is one."""
    try:
        if image is not None:
            parse(image)
    except ValueError as error:
        yield f"{path}: {image!r} is no reference of an image; it is of the form [registry/]name[:tag] ({error})"


def _templates(stage: Stage) -> Iterator[str]:
    """Yield the mistakes in a stage's templates, and in what they make as far as its form is checked elsewhere."""

    def published(name: str) -> list[Port]:
        return ports(stage.services[name])

    wrong = list(templates.problems(stage, published))
    yield from wrong
    if wrong:
        return
    renderer = templates.guessing(stage, published, [])
    for name, service in stage.services.items():
        path = f"services.{name}"
        if next(templates.texts(path, templates.templated(service)), None) is None:
            continue
        with contextlib.suppress(ConfigError):  # of a secret that is only guessed
            made = renderer.service(name, service).service
            yield from _hosts(f"{path}.hosts", made.hosts)
            yield from _servers(f"{path}.dns", made.dns)


def _hosts(path: str, hosts: Mapping[str, str]) -> Iterator[str]:
    """Yield the mistakes in lines for `/etc/hosts`."""
    for name, address in hosts.items():
        if not (templates.is_template(address) or _is_address(address)):
            yield f"{path}.{name}: {address!r} is no address"


def _servers(path: str, servers: Iterable[str]) -> Iterator[str]:
    """Yield the mistakes in a list of name servers."""
    for i, server in enumerate(servers):
        if not (templates.is_template(server) or _is_address(server)):
            yield f"{path}[{i}]: {server!r} is no address"


def _is_address(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _variables(path: str, environment: Iterable[str]) -> Iterator[str]:
    """Yield the mistakes in the names of environment variables: they end at the first `=`."""
    for name in environment:
        if not name or "=" in name:
            yield f"{path}: {name!r} is no name of a variable"


def _service(path: str, service: types.Service, site: types.Site, directory: Path) -> Iterator[str]:
    """Yield the mistakes of one service."""
    for i, stage in enumerate(service.available_on):
        if stage not in site.stages:
            yield f"{path}.available_on[{i}]: there is no stage {stage!r}{_known(site.stages)}"
    for i, network in enumerate(service.networks):
        name = network if isinstance(network, str) else network.name
        if name not in site.networks:
            yield f"{path}.networks[{i}]: there is no network {name!r}{_known(site.networks)}"
    yield from _dependencies(path, service, site)
    yield from _mode(path, service)
    yield from _limits(path, service)
    yield from _mounts(path, service, site)
    yield from _variables(f"{path}.environment", service.environment)
    yield from _hosts(f"{path}.hosts", service.hosts)
    yield from _servers(f"{path}.dns", service.dns)
    for i, secret in enumerate(service.secrets):
        if secret not in site.secrets:
            yield f"{path}.secrets[{i}]: there is no secret {secret!r}{_known(site.secrets)}"
    for i, port in enumerate(service.ports):
        if isinstance(port, str):
            try:
                short_port(port)
            except ValueError as error:
                yield f"{path}.ports[{i}]: {error}"
    asked = [(port.target, port.protocol) for port in ports(service) if not port.published]
    for target, protocol in sorted({pair for pair in asked if asked.count(pair) > 1}):
        yield f"{path}.ports: {target}/{protocol} is left open twice; what is chosen is kept under that name"
    in_host_mode = [(port.target, port.protocol) for port in ports(service) if port.mode == "host"]
    for target, protocol in sorted({pair for pair in in_host_mode if in_host_mode.count(pair) > 1}):
        yield f'{path}.ports: {target}/{protocol} is published twice with mode = "host", of which Docker keeps one'
    if service.image not in {*site.images, *site.bases}:
        if _looks_like_reference(service.image):
            yield from _reference(f"{path}.image", service.image)
        else:
            yield (
                f"{path}.image: {service.image!r} is none of [images]{_known(site.images)}; "
                "a reference to pull has a tag, as in nginx:1.27"
            )
    if service.endpoint_mode == "dnsrr" and any(port.mode == "ingress" for port in ports(service)):
        yield f'{path}.ports: endpoint_mode dnsrr allows only ports with mode = "host"'
    yield from _roles(f"{path}.initialize_roles", service.initialize_roles, directory, {})
    used = [use.role for use in role_uses(service.initialize_roles)]
    for role in sorted({role for role in used if used.count(role) > 1}):
        yield f"{path}.initialize_roles: {role} is there twice; what ran is marked by the role's name"


_OF_ONE_KIND = {"tmpfs_size": "tmpfs", "tmpfs_mode": "tmpfs", "propagation": "bind", "no_copy": "volume"}
"""Key of a mount to the type that has it."""


def _dependencies(path: str, service: types.Service, site: types.Site) -> Iterator[str]:
    """Yield the mistakes in what a service depends on."""
    own = path.removeprefix("services.")
    for i, name in enumerate(service.depends_on):
        if name not in site.services:
            yield f"{path}.depends_on[{i}]: there is no service {name!r}{_known(site.services)}"
        elif own in _reached(site, name):
            yield f"{path}.depends_on[{i}]: {name} depends on {own} as well: neither could be first"


def _reached(site: types.Site, name: str) -> set[str]:
    """Return a service with all that it depends on, directly or not."""
    found: set[str] = set()
    left = [name]
    while left:
        service = left.pop()
        if service not in found and service in site.services:
            found.add(service)
            left += site.services[service].depends_on
    return found


def _mode(path: str, service: types.Service) -> Iterator[str]:
    """Yield the mistakes in what does not go together with a service's mode."""
    is_job, is_global = service.mode.endswith("-job"), service.mode.startswith("global")
    if is_global and service.replicas != 1:
        yield f'{path}.replicas: a service with mode = "{service.mode}" has a task on each hive'
    if service.max_concurrent is not None and service.mode != "replicated-job":
        yield f'{path}.max_concurrent: only a service with mode = "replicated-job" has it'
    if is_global and service.placement.max_replicas_per_node is not None:
        yield f'{path}.placement.max_replicas_per_node: mode = "{service.mode}" is one on each hive'
    if not is_job:
        return
    if service.update_config != types.UpdateConfig():
        yield f"{path}.update_config: a job is not rolled out; it runs once for each change"
    if service.rollback_config != types.RollbackConfig():
        yield f"{path}.rollback_config: a job does not go back"
    if service.initialize_roles:
        yield f"{path}.initialize_roles: a job has no container that stays"
    if service.restart_config.condition == "any" and service.restart_config != types.RestartConfig():
        yield f'{path}.restart_config.condition: a job ends: set "on-failure" or "none"'


def _limits(path: str, service: types.Service) -> Iterator[str]:
    """Yield the mistakes in limits."""
    for name, limit in service.ulimits.items():
        if isinstance(limit, types.Ulimit) and 0 <= limit.hard < limit.soft:
            yield f"{path}.ulimits.{name}: soft {limit.soft} is more than hard {limit.hard}"
    if service.cpu_limit and service.cpu_reservation and service.cpu_reservation > service.cpu_limit:
        yield f"{path}.cpu_reservation: {service.cpu_reservation:g} is more than cpu_limit {service.cpu_limit:g}"
    most, reserved = service.mem_limit, service.mem_reservation
    if most and reserved and size(reserved) > size(most):
        yield f"{path}.mem_reservation: {reserved} is more than mem_limit {most}"
    for key in ("cap_add", "cap_drop"):
        for i, name in enumerate(getattr(service, key)):
            if not _CAPABILITY.match(name):
                yield f"{path}.{key}[{i}]: {name!r} is no capability, as NET_ADMIN"
    if service.standalone and (service.entrypoint is not None or service.command is not None):
        yield f"{path}.standalone: what runs is /sbin/init; entrypoint and command have no place"


_CAPABILITY = re.compile(r"^(CAP_)?[A-Z][A-Z_]+$")


def _mounts(path: str, service: types.Service, site: types.Site) -> Iterator[str]:
    """Yield the mistakes in what a service mounts."""
    for i, mount in enumerate(service.volumes):
        if mount.type == "volume" and mount.source not in site.volumes:
            yield f"{path}.volumes[{i}].source: there is no volume {mount.source!r}{_known(site.volumes)}"
        if mount.type == "bind" and not (mount.source or "").startswith("/"):
            yield f"{path}.volumes[{i}].source: a bind mount needs a directory of the host, beginning with /"
        if mount.type == "tmpfs" and mount.source is not None:
            yield f"{path}.volumes[{i}].source: a tmpfs has none"
        for key, kind in _OF_ONE_KIND.items():
            if mount.type != kind and getattr(mount, key):
                yield f'{path}.volumes[{i}].{key}: only a {kind} has one; this is of type = "{mount.type}"'
    targets = [posixpath.normpath(mount.target) for mount in service.volumes]
    for i, target in enumerate(targets):
        if target in targets[:i]:
            yield f"{path}.volumes[{i}].target: {target} is mounted twice"


def _looks_like_reference(image: str) -> bool:
    """Return whether a text is meant as an image to pull."""
    return any(mark in image for mark in ":/@")


def _collisions(stage: Stage) -> Iterator[str]:
    """Yield the published ports that two services of a stage, or a service and skep, would both have."""
    taken: dict[tuple[int, str], str] = {**_SKEPS_PORTS, (stage.data_path_port, "udp"): "the swarm"}
    if not stage.config.separate_repository:
        taken[REGISTRY_PORT, "tcp"] = "the registry"
    for name, service in stage.services.items():
        for port in ports(service):
            where = (port.published, port.protocol)
            if where in taken and port.published:
                yield f"services.{name}.ports: {port.published}/{port.protocol} is {taken[where]}'s already"
            taken.setdefault(where, name)


def _known(names: Iterable[str]) -> str:
    """Return the names that would be right, for the end of a message."""
    listed = ", ".join(sorted(names))
    return f" (there are: {listed})" if listed else " (there are none)"
