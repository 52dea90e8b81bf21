"""Check services: names, mounts, ports, limits, dependencies."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from model import site as types
from model.checks.host_settings import check_container_sysctls
from model.checks.images import check_roles
from model.checks.networks import check_joined
from model.checks.secrets import check_uses
from model.checks.settings import check_settings
from model.checks.shared import (
    check_hosts,
    check_reference,
    check_servers,
    check_variables,
    known_are,
    read_network,
)
from model.hosts.possible_hives import are_apart
from model.images import ansible, roles
from model.labels import LABEL_PREFIX
from model.site.logs import LOGS_PORT
from model.site.monitoring import (
    ALERTMANAGER_PORT,
    ENGINE_METRICS_PORT,
    NODE_METRICS_PORT,
    PROMETHEUS_PORT,
)
from model.site.services import OPEN_TO_ALL, OPEN_TO_STAGE, SHARED_MEMORY
from model.stage import REGISTRY_PORT, Stage
from model.units import size

_HIVE_BUILDERS = re.compile(r"[^/]+:5000/image_([a-z0-9-]+)(?::latest)?")
_SKEPS_PORTS = {
    (22, "tcp"): "ssh",
    (2377, "tcp"): "the swarm",
    (7946, "tcp"): "the swarm",
    (7946, "udp"): "the swarm",
}


def check_service(path: str, service: types.Service, site: types.Site, directory: Path) -> Iterator[str]:
    """Yield the mistakes of one service."""
    for i, stage in enumerate(service.available_on):
        if stage not in site.stages:
            yield f"{path}.available_on[{i}]: there is no stage {stage!r}{known_are(site.stages)}"
    yield from check_joined(path, service, site)
    for key in ("labels", "container_labels"):
        for label in getattr(service, key):
            if label.startswith(LABEL_PREFIX):
                yield f"{path}.{key}: {label!r} is skep's own"
    yield from _dependencies(path, service, site)
    yield from _mode(path, service)
    yield from _limits(path, service)
    yield from _mounts(path, service, site)
    yield from check_settings(path, service)
    yield from check_container_sysctls(f"{path}.sysctls", service)
    yield from check_variables(f"{path}.environment", service.environment)
    yield from check_hosts(f"{path}.hosts", service.hosts)
    yield from check_servers(f"{path}.dns", service.dns)
    yield from check_uses(path, service, site)
    for i, port in enumerate(service.ports):
        yield from _open_to(f"{path}.ports[{i}].open_to", port)
    asked = [(port.target, port.protocol) for port in service.open_ports]
    for target, protocol in sorted({pair for pair in asked if asked.count(pair) > 1}):
        yield f"{path}.ports: {target}/{protocol} is left open twice; skep keeps the chosen port under that name"
    in_host_mode = [(port.target, port.protocol) for port in service.ports if port.mode == "host"]
    for target, protocol in sorted({pair for pair in in_host_mode if in_host_mode.count(pair) > 1}):
        yield f'{path}.ports: {target}/{protocol} is published twice with mode = "host", of which Docker keeps one'
    if service.image not in {*site.images, *site.bases}:
        if (built := _HIVE_BUILDERS.fullmatch(service.image)) is not None:
            yield (
                f"{path}.image: {service.image!r} is what hive-builder calls its own image: write {built[1]!r}, of "
                "[images]"
            )
        elif _looks_like_reference(service.image):
            yield from check_reference(f"{path}.image", service.image)
        else:
            yield (
                f"{path}.image: {service.image!r} is not one of [images]{known_are(site.images)}; "
                "a reference to pull has a tag, as in nginx:1.27"
            )
    if service.endpoint_mode == "dnsrr" and "ingress" in service.port_modes:
        yield f'{path}.ports: endpoint_mode dnsrr allows only ports with mode = "host"'
    if service.read_only and service.initialize_roles:
        yield f"{path}.read_only: initialize_roles writes into the container's root; only one of both can be"
    yield from check_roles(f"{path}.initialize_roles", service.initialize_roles, directory, {})
    yield from _roles_of_files(path, service, directory)
    used = [use.role for use in service.initialize_roles]
    for role in sorted({role for role in used if used.count(role) > 1}):
        yield f"{path}.initialize_roles: {role} occurs twice; skep records what ran by the role's name"


def _roles_of_files(path: str, service: types.Service, directory: Path) -> Iterator[str]:
    """Yield the roles of files among those that initialize a service."""
    for use in service.initialize_roles:
        role = roles.find(directory, use.role)
        if role is not None and ansible.is_of_files(role):
            yield (
                f"{path}.initialize_roles: roles/{use.role} only has files: add it to the roles of the image, or "
                f"write a {ansible.SCRIPT} that installs them"
            )


def _open_to(path: str, port: types.PublishedPort) -> Iterator[str]:
    """Yield the mistakes in the networks that a published port is open to."""
    if len(port.open_to) > 1 and OPEN_TO_ALL in port.open_to:
        yield f'{path}: with "all" nothing else counts: write open_to = "all"'
    for source in port.open_to:
        if source in {OPEN_TO_ALL, OPEN_TO_STAGE}:
            continue
        try:
            read_network(source, may_be_address=True)
        except ValueError as error:
            yield f'{path}: {error}; beside networks there are "stage" and "all"'


_OF_ONE_KIND = {"tmpfs_size": "tmpfs", "tmpfs_mode": "tmpfs", "propagation": "bind", "no_copy": "volume"}
"""Key of a mount to the one type of mount that has it."""


def _dependencies(path: str, service: types.Service, site: types.Site) -> Iterator[str]:
    """Yield the mistakes in a service's dependencies."""
    own = path.removeprefix("services.")
    for i, name in enumerate(service.depends_on):
        if name not in site.services:
            yield f"{path}.depends_on[{i}]: there is no service {name!r}{known_are(site.services)}"
        elif own in _reached(site, name):
            yield f"{path}.depends_on[{i}]: {name} depends on {own} as well: neither could be first"


def _reached(site: types.Site, name: str) -> set[str]:
    """Return a service and all its dependencies, direct or not."""
    found: set[str] = set()
    left = [name]
    while left:
        service = left.pop()
        if service not in found and service in site.services:
            found.add(service)
            left += site.services[service].depends_on
    return found


def _mode(path: str, service: types.Service) -> Iterator[str]:
    """Yield the keys that a service's mode does not allow."""
    if service.is_global and service.replicas != 1:
        yield f'{path}.replicas: a service with mode = "{service.mode}" has a task on each hive'
    if service.max_concurrent is not None and service.mode != "replicated-job":
        yield f'{path}.max_concurrent: only a service with mode = "replicated-job" has it'
    if service.is_global and service.placement.max_replicas_per_node is not None:
        yield f'{path}.placement.max_replicas_per_node: mode = "{service.mode}" is one on each hive'
    if not service.is_job:
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
    """Yield the mistakes in a service's limits and capabilities."""
    for name, limit in service.ulimits.items():
        if 0 <= limit.hard < limit.soft:
            yield f"{path}.ulimits.{name}: soft {limit.soft} is more than hard {limit.hard}"
    if service.cpu_limit and service.cpu_reservation and service.cpu_reservation > service.cpu_limit:
        yield f"{path}.cpu_reservation: {service.cpu_reservation:g} is more than cpu_limit {service.cpu_limit:g}"
    most, reserved = service.mem_limit, service.mem_reservation
    if most and reserved and reserved > most:
        yield f"{path}.mem_reservation: {size(reserved)} is more than mem_limit {size(most)}"
    if service.standalone and (service.entrypoint is not None or service.command is not None):
        yield f"{path}.standalone: the containers run /sbin/init; leave out entrypoint and command"


def _mounts(path: str, service: types.Service, site: types.Site) -> Iterator[str]:
    """Yield the mistakes in a service's mounts."""
    for i, mount in enumerate(service.volumes):
        if mount.type == "volume" and mount.source is None:
            yield f"{path}.volumes[{i}]: the key 'source' is missing: the name of a volume in [volumes]"
        elif mount.type == "volume" and (mount.source or "").startswith("/"):
            yield f"{path}.volumes[{i}]: {mount.source} is a directory of the host: write type = 'bind' as well"
        elif mount.type == "volume" and mount.source not in site.volumes:
            yield f"{path}.volumes[{i}].source: there is no volume {mount.source!r}{known_are(site.volumes)}"
        if mount.type == "bind" and not (mount.source or "").startswith("/"):
            yield (
                f"{path}.volumes[{i}].source: a bind mount needs a directory of the host, beginning with /; files of "
                "the site come in configs or images"
            )
        if mount.type == "tmpfs" and mount.source is not None:
            yield f"{path}.volumes[{i}].source: a tmpfs has none"
        yield from _mount_hosts(f"{path}.volumes[{i}].hosts", mount)
        for key, kind in _OF_ONE_KIND.items():
            if mount.type != kind and getattr(mount, key):
                yield f'{path}.volumes[{i}].{key}: only a {kind} has one; this is of type = "{mount.type}"'
    targets = [posixpath.normpath(mount.target) for mount in service.volumes]
    for i, target in enumerate(targets):
        if target.strip("/") == "":
            yield f"{path}.volumes[{i}].target: / is the container's own root: name a directory in it"
        elif target in targets[:i]:
            yield f"{path}.volumes[{i}].target: {target} is mounted twice"
        if target == SHARED_MEMORY and service.shm_size is not None:
            yield f"{path}.shm_size: volumes[{i}] is {target} already: set its tmpfs_size instead"


def _mount_hosts(path: str, mount: types.Mount) -> Iterator[str]:
    """Yield the mistakes in the hive that a bind mount keeps its service on."""
    if mount.hosts and mount.type == "volume":
        yield f"{path}: belongs into the volume: [volumes.{mount.source}]"
    elif mount.hosts and mount.type == "tmpfs":
        yield f"{path}: a tmpfs has no data that stays"
    elif isinstance(mount.hosts, list) and len(mount.hosts) > 1:
        yield f'{path}: a bind mount keeps its service on one hive; for several: placement.constraints, and "each" here'


def _looks_like_reference(image: str) -> bool:
    """Return whether a text looks like the reference of an image to pull."""
    return any(mark in image for mark in ":/@")


_APART = (
    '; two services may both have it with mode = "host" where they can\'t run on the same hive, by constraints on '
    "node.hostname or on node_labels of the stage"
)


def check_chosen_ports(stage: Stage) -> Iterator[str]:
    """Yield chosen ports that are open to others than chosen ports of another service: one range is for all of them."""
    known: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, service in stage.services.items():
        for port in service.open_ports:
            sources = tuple(sorted(port.sources))
            other, theirs = known.setdefault(port.protocol, (name, sources))
            if theirs != sources:
                yield (
                    f"services.{name}.ports: {port.target}/{port.protocol} is open to {', '.join(sources)}, and that "
                    f"of {other} to {', '.join(theirs)}: the firewalls have one range for all ports that skep chooses; "
                    "name one of the two (published_port)"
                )


def check_collisions(stage: Stage) -> Iterator[str]:
    """Yield the published ports that two services of a stage, or a service and skep, claim."""
    skeps: dict[tuple[int, str], str] = {**_SKEPS_PORTS, (stage.data_path_port, "udp"): "the swarm"}
    if not stage.config.separate_repository:
        skeps[REGISTRY_PORT, "tcp"] = "the registry"
    if stage.site.monitoring is not None:
        skeps |= {(port, "tcp"): "monitoring" for port in (NODE_METRICS_PORT, ENGINE_METRICS_PORT)}
        if not stage.config.separate_repository:
            skeps |= {(port, "tcp"): "monitoring" for port in (PROMETHEUS_PORT, ALERTMANAGER_PORT)}
    if stage.site.logs is not None and not stage.config.separate_repository:
        skeps[LOGS_PORT, "tcp"] = "the log collector"
    claims: dict[tuple[int, str], list[tuple[str, str]]] = {}
    for name, service in stage.services.items():
        for port in service.ports:
            where, shown = (port.published, port.protocol), f"{port.published}/{port.protocol}"
            if not port.published:
                continue
            before = claims.setdefault(where, [])
            other = skeps.get(where) or next(
                (
                    claimant
                    for claimant, mode in before
                    if not (
                        port.mode == mode == "host" and claimant != name and are_apart(stage, claimant, name)
                    )
                ),
                "",
            )
            if other:
                apart = port.mode == "host" and other in stage.services and other != name
                yield f"services.{name}.ports: {shown} is {other}'s already{_APART if apart else ''}"
            before.append((name, port.mode))
