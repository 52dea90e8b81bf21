"""Check that no service can move away from data that stays on its hive.

Each hive has its own copy of a local volume, and of a directory of the host. The swarm starts a task wherever it
likes, with whatever is there: a service that moves finds its data empty, and nothing fails. So the file must say where
it runs, or that every hive is to have data of its own.
"""

import posixpath
from collections.abc import Iterator

from msgspec import structs

from model import site as types
from model.checks.shared import known_are
from model.hosts.possible_hives import is_of_hosts, places_of_data, possible_hives
from model.site.volumes import EACH
from model.stage import Host, Stage
from model.toml_text import toml_text

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


def check_local_data(stage: Stage) -> Iterator[str]:
    """Yield the data that a service of a stage would leave behind where it runs next."""
    runs_on = {name: possible_hives(stage, service) for name, service in stage.services.items()}
    users_of: dict[str, dict[str, types.Service]] = {name: {} for name in stage.volumes}
    for user, service in stage.services.items():
        for name in stage.volumes.keys() & service.named_volumes:
            users_of[name][user] = service
    for name, volume in stage.volumes.items():
        users = users_of[name]
        # What nobody writes has in it what its image brings, or what somebody laid there: skep can't know where.
        is_written = any(_writes(service, name) for service in users.values())
        movable = {
            user: hives
            for user, service in users.items()
            if is_written and len(hives := runs_on[user]) > 1 and _can_lose(service, volume, len(hives))
        }
        if movable:
            yield _of_volume(stage, name, movable)
    for name, service in stage.services.items():
        yield from _nowhere(stage, name, service)
        for i, mount in enumerate(service.volumes):
            known = [hive.short for hive in stage.hives]
            if mount.hive and mount.hive not in known:
                path = f"services.{name}.volumes[{i}].hosts"
                yield f"{path}: {mount.hive!r} is not a hive of stage {stage.name}{known_are(known)}"
            if len(runs_on[name]) > 1 and not mount.hosts and is_data(mount):
                yield _of_bind(stage, f"services.{name}.volumes[{i}]", name, mount, runs_on[name])


def _nowhere(stage: Stage, name: str, service: types.Service) -> Iterator[str]:
    """Yield that no hive has all of a service's data and may run it; labels may be set elsewhere, and don't count."""
    places = places_of_data(stage, service)
    known = {hive.short for hive in stage.hives}
    if not all(known.issuperset(named) for named in places.values()):
        return  # reported where the table is checked
    constraints = [text for text in service.placement.constraints if is_of_hosts(text)]
    bare = structs.replace(service, placement=types.Placement(constraints=constraints))
    if places and not possible_hives(stage, bare):
        said = [f"{path} {' and '.join(named)}" for path, named in places.items()]
        said += [f"placement.constraints {toml_text(text)}" for text in constraints]
        yield f"services.{name}: can run on no hive of stage {stage.name}: {', '.join(said)}"


def is_data(mount: types.Mount) -> bool:
    """Return whether a service may write data to a mounted directory of the host."""
    if mount.type != "bind" or mount.readonly:
        return False
    path = posixpath.normpath(mount.source or "/")
    return path != "/" and not any(path == known or path.startswith(f"{known}/") for known in _NO_DATA)


def _writes(service: types.Service, volume: str) -> bool:
    """Return whether a service may write to a volume."""
    return any(
        mount.type == "volume" and mount.source == volume and not mount.readonly for mount in service.volumes
    )


def _can_lose(service: types.Service, volume: types.Volume, hives: int) -> bool:
    """Return whether a task's successor may not find the volume's data.

    A global service has a task on each hive, and so has one with as many replicas as `max_replicas_per_node` allows on
    all of them: a task is started again where it was, since no other hive has room.
    """
    most = service.placement.max_replicas_per_node
    is_everywhere = service.is_global or bool(
        service.mode == "replicated" and most and service.replicas >= most * hives
    )
    return volume.stays_behind and volume.hosts != EACH and not (volume.named_hosts and is_everywhere)


def _of_volume(stage: Stage, name: str, movable: dict[str, list[Host]]) -> str:
    """Return the line for a local volume.

    Args:
        stage: The stage.
        name: The volume's name.
        movable: The services that mount it to the hives that they may run on.

    """
    hives = next(iter(movable.values()))
    users = " and ".join(movable)
    if all(stage.services[user].is_global for user in movable):
        return (
            f"volumes.{name}.hosts: {users} has a task on each of {_listed(hives)} of stage {stage.name}, and a local "
            'volume has data of its own on each: say hosts = "each" if that is meant, or take a volume that all hives '
            "share (driver_opts with type nfs, or another driver)"
        )
    each = "as caches and global services"
    if stage.volumes[name].named_hosts:
        each = 'with placement.constraints for some of them, or mode = "global" for a task on each'
    return (
        f"volumes.{name}.hosts: {users} may run on {_listed(hives)} of stage {stage.name}, and a local volume's data "
        f'does not move along: say where it is (hosts = ["{hives[0].short}"], {users} then {_runs(movable)} there), '
        "take a volume that all hives share (driver_opts with type nfs, or another driver), or say "
        f'hosts = "each" if every hive is to have data of its own, {each}'
    )


def _of_bind(stage: Stage, path: str, name: str, mount: types.Mount, hives: list[Host]) -> str:
    """Return the line for a directory of the host."""
    if stage.services[name].is_global:
        return (
            f"{path}.hosts: {name} has a task on each of {_listed(hives)} of stage {stage.name}, and {mount.source} is "
            'another directory on each: say hosts = "each" if that is meant, or readonly = true if it only reads'
        )
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
