"""Check that no service can move away from data that stays on its hive.

Each hive has its own copy of a local volume, and of a directory of the host. The swarm starts a task wherever it
likes, with whatever is there: a service that moves finds its data empty, and nothing fails. So the file must say where
it runs, or that every hive is to have data of its own.
"""

import contextlib
import posixpath
from collections.abc import Iterator

from model import site as types
from model.checks.shared import known_are
from model.site.volumes import EACH
from model.stage import Host, Stage
from model.swarm.constraints import parse_constraint, with_full_name
from model.swarm.scheduling import Node, meets_constraint

_SYSTEM = ("bin", "boot", "dev", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "tmp", "usr")
_IN_VAR = ("cache", "lib/containerd", "lib/docker", "lock", "log", "run", "tmp")
_IN_ETC = (
    *("apparmor.d", "ca-certificates", "docker", "group", "hostname", "hosts", "localtime", "machine-id"),
    *("nsswitch.conf", "os-release", "passwd", "pki", "resolv.conf", "ssl", "timezone"),
)
_NO_DATA = (
    *(f"/{name}" for name in _SYSTEM),
    *(f"/var/{name}" for name in _IN_VAR),
    *(f"/etc/{name}" for name in _IN_ETC),
)
"""Directories and files that are the host's own: those of another hive do as well."""
_KNOWN = ("node.hostname", "node.ip", "node.role")
"""The constraints that can be answered from site.toml. All others depend on what the nodes have when services run."""


def check_local_data(stage: Stage) -> Iterator[str]:
    """Yield the data that a service of a stage would leave behind where it runs next."""
    runs_on = {name: possible_hives(stage, service) for name, service in stage.services.items()}
    for name, volume in stage.volumes.items():
        movable = {
            user: hives
            for user, service in stage.services.items()
            if name in service.named_volumes
            and _can_lose(service, volume)
            and len(hives := runs_on[user]) > 1
        }
        if movable:
            yield _of_volume(stage, name, movable)
    for name, service in stage.services.items():
        for i, mount in enumerate(service.volumes):
            known = [hive.short for hive in stage.hives]
            if mount.hive and mount.hive not in known:
                path = f"services.{name}.volumes[{i}].hosts"
                yield f"{path}: {mount.hive!r} is not a hive of stage {stage.name}{known_are(known)}"
            if len(runs_on[name]) > 1 and not mount.hosts and is_data(mount):
                yield _of_bind(stage, f"services.{name}.volumes[{i}]", name, mount, runs_on[name])


def possible_hives(stage: Stage, service: types.Service) -> list[Host]:
    """Return the hives that a service may run on, as far as site.toml shows it: others can't be ruled out."""
    return [hive for hive in stage.hives if _may_run_on(hive, stage, service)]


def are_apart(stage: Stage, name: str, other: str) -> bool:
    """Return whether two services can't run on the same hive, as far as site.toml shows it.

    They can't where their constraints contradict each other, or no hive is possible for both by names and the labels
    that the stage gives.
    """
    one, two = stage.services[name], stage.services[other]
    names = {short: stage.host_name(short) for short in stage.shorts}
    ones, twos = (
        [with_full_name(text, names) for text in service.placement.constraints] for service in (one, two)
    )
    if any(_contradict(a, b) for a in ones for b in twos):
        return True
    return not {hive.short for hive in _eligible(stage, one)} & {hive.short for hive in _eligible(stage, two)}


def _contradict(constraint: str, other: str) -> bool:
    """Return whether no node can meet both of two constraints."""
    try:
        a, b = parse_constraint(constraint), parse_constraint(other)
    except ValueError:
        return False
    if a.key.lower() != b.key.lower() or a.key.lower() == "node.ip":
        return False
    is_same = a.value.lower() == b.value.lower()
    return not is_same if a.operator == b.operator == "==" else is_same and a.operator != b.operator


def _eligible(stage: Stage, service: types.Service) -> list[Host]:
    """Return the hives that a service may run on, given also the labels that the stage gives."""
    given = {label for labels in stage.config.node_labels.values() for label in labels}
    wanted = []
    for text in service.placement.constraints:
        with contextlib.suppress(ValueError):
            if parse_constraint(text).label in given:
                wanted.append(text)
    return [
        hive
        for hive in possible_hives(stage, service)
        if all(meets_constraint(text, Node(hive.short, labels=stage.given_labels(hive))) for text in wanted)
    ]


def is_data(mount: types.Mount) -> bool:
    """Return whether a service may write data to a mounted directory of the host."""
    if mount.type != "bind" or mount.readonly:
        return False
    path = posixpath.normpath(mount.source or "/")
    return path != "/" and not any(path == known or path.startswith(f"{known}/") for known in _NO_DATA)


def _may_run_on(hive: Host, stage: Stage, service: types.Service) -> bool:
    """Return whether nothing in site.toml keeps a service from a hive."""
    held = [
        stage.site.volumes[name].named_hosts for name in service.named_volumes if name in stage.site.volumes
    ]
    held += [[mount.hive] for mount in service.volumes if mount.hive]
    if any(named and hive.short not in named for named in held):
        return False
    nodes = [
        Node(hive.short, {"node.hostname": name, "node.ip": hive.address, "node.role": "manager"})
        for name in (hive.name, hive.short)
    ]
    known = [c for c in service.placement.constraints if c.strip().lower().startswith(_KNOWN)]
    return all(_meets(constraint, nodes) for constraint in known)


def _meets(constraint: str, nodes: list[Node]) -> bool:
    """Return whether a hive meets a constraint under one of its names; for `!=`, under all."""
    met = [meets_constraint(constraint, node) for node in nodes]
    return all(met) if "!=" in constraint else any(met)


def _can_lose(service: types.Service, volume: types.Volume) -> bool:
    """Return whether a task's successor may not find the volume's data. A global service has a task on each hive."""
    return volume.stays_behind and volume.hosts != EACH and not (volume.named_hosts and service.is_global)


def _of_volume(stage: Stage, name: str, movable: dict[str, list[Host]]) -> str:
    """Return the line for a local volume.

    Args:
        stage: The stage.
        name: The volume's name.
        movable: The services that mount it to the hives that they may run on.

    """
    hives = next(iter(movable.values()))
    users = " and ".join(movable)
    return (
        f"volumes.{name}.hosts: {users} may run on {_listed(hives)} of stage {stage.name}, and a local volume's data "
        f'does not move along: say where it is (hosts = ["{hives[0].short}"], {users} then {_runs(movable)} there), '
        "take a volume that all hives share (driver_opts with type nfs, or another driver), or say "
        'hosts = "each" if every hive is to have data of its own, as caches and global services'
    )


def _of_bind(stage: Stage, path: str, name: str, mount: types.Mount, hives: list[Host]) -> str:
    """Return the line for a directory of the host."""
    return (
        f"{path}.hosts: {name} may run on {_listed(hives)} of stage {stage.name}, and what it writes to {mount.source} "
        f'does not move along: say where that is (hosts = ["{hives[0].short}"], {name} then runs there), or '
        'hosts = "each" if every hive is to have data of its own, or readonly = true if it only reads'
    )


def _listed(hives: list[Host]) -> str:
    """Return hives for a message."""
    return ", ".join(hive.short for hive in hives)


def _runs(services: dict[str, list[Host]]) -> str:
    """Return the verb for these services."""
    return "runs" if len(services) == 1 else "run"
