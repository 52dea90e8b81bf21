"""Which copy of a volume is to be moved to a hive, and why it can't be moved now. Changes nothing."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from model.errors import HostError, ServiceError
from model.json_types import Json
from model.keys.record import VolumeRecord
from model.labels import (
    INCARNATION_LABEL,
    MOVING_LABEL,
    ONE_OFF_LABEL,
    SERVICE_LABEL,
    VOLUME_LABEL,
    belongs_to,
    labels_of,
)
from model.stage import Host
from model.swarm.backup_stop import as_before_backup, is_left_stopped, is_stopped_for_backup
from model.swarm.host_node import node_of
from model.swarm.volume_move import VolumeMove, wanted
from remote.swarm.jobs import is_at_work, is_job
from tasks.hosts.volume_data import elsewhere, has_data, may_have, moves
from tasks.names import volume_task
from tasks.operate.named_host import known_host
from tasks.run.context import Run

BACKUP = "backup"
"""What `from=` says where the data comes from the newest backup, and not from a hive."""


class MoveRefusedError(ServiceError):
    """A volume can't be moved as it was asked for. Nothing was changed."""


@dataclass(frozen=True)
class Candidate:
    """A volume that can be moved.

    Args:
        name: The volume.
        source: The hive that has the data; None where a backup is brought, and the stage has no such hive.
        target: The hive that gets it.
        move: The move, as its journal has it, or is to have it.
        has_begun: Whether its journal is there.
        is_turned: Whether it began as a copy, and goes on with a backup.
        is_given_up: Whether its data is to stay where it is.
        is_done: Whether nothing is left to do.

    """

    name: str
    source: Host | None
    target: Host
    move: VolumeMove
    has_begun: bool = False
    is_turned: bool = False
    is_given_up: bool = False
    is_done: bool = False


def candidate(run: Run, name: str, to: str, from_: str | None) -> Candidate:
    """Return a volume to be moved.

    Args:
        run: The run, which holds the stage.
        name: The volume.
        to: The hive that is to get its data.
        from_: The hive whose copy is meant, where there are several; or `backup`.

    Raises:
        MoveRefusedError: It can't be moved so; the message says why, and the way out.
        SkepError: There is no such host, or the swarm does not answer.

    """
    target = known_host(run, to)
    _check_definition(run, name, target)
    live = run.live_state
    if live.swarm.error:
        raise HostError(live.swarm.error)
    if (begun := moves(run).get(name)) is not None:
        is_turned = from_ == BACKUP and begun.backups is None and not begun.is_copied
        begun = replace(begun, backups={}) if is_turned else begun
        return replace(_begun(run, begun, target), is_turned=is_turned)
    if error := live.host(target).error:
        raise MoveRefusedError(f"{target.short}: does not answer: {error}")
    _check_node(run, target)
    if _is_done(run, name, target):
        return Candidate(name, target, target, VolumeMove(name, target.short, target.short, {}), is_done=True)
    source = _former(run, name) if from_ == BACKUP else _source(run, name, target, from_)
    if name in live.host(target).volumes and has_data(run.connections, name, target):
        old = source.short if source is not None else "another hive"
        raise MoveRefusedError(
            f"{target.short}: its volume {name} has data in it, which would be lost: look into it (doit ssh "
            f"{target.short}). If it is not needed: put {old} back in volumes.{name}.hosts in site.toml, type "
            f"doit prune confirm={run.stage.site_name} volumes={name}, which removes that of {target.short}, and "
            "begin anew"
        )
    answers = source is not None and not live.host(source).error
    services = users_of(run, name, may_be_saved=answers)
    if source is not None and answers:
        _check_containers(run, name, source, services)
    move = VolumeMove(
        name,
        source.short if source is not None else "",
        target.short,
        services,
        incarnation=_incarnation(run, name, source),
        backups={} if from_ == BACKUP else None,
    )
    return Candidate(name, source, target, move)


def _former(run: Run, name: str) -> Host | None:
    """Return the hive that has, or had, a volume whose backup is brought to another one; None if nobody knows.

    Raises:
        MoveRefusedError: Several hives have data of their own, of which backups have one's alone.

    """
    stage, live = run.stage, run.live_state
    if len(stage.volume_hosts(name)) > 1:
        where = ", ".join(host.short for host in stage.volume_hosts(name))
        raise MoveRefusedError(
            f"volumes.{name}.hosts: {where} each have data of their own, and backups have that of the lowest task "
            "alone: bring the files here (doit restore SERVICE at=latest into=DIR), and copy them yourself"
        )
    others = [host for host in stage.hosts if host not in stage.volume_hosts(name)]
    label = f"{VOLUME_LABEL}{name}"
    labelled = [host for host in others if label in labels_of(node_of(live.swarm.nodes.values(), host))]
    held = [
        host for host in others if belongs_to(labels_of(live.host(host).volumes.get(name, {})), stage.labels)
    ]
    silent = [host for host in others if live.host(host).error and may_have(run, name, host)]
    return next(iter([*labelled, *held, *silent]), None)


def _incarnation(run: Run, name: str, source: Host | None) -> str:
    """Return the id of a volume on the hive that has it, or had it as far as state/ knows; empty if nobody knows."""
    if source is None:
        return ""
    seen = labels_of(run.live_state.host(source).volumes.get(name, {})).get(INCARNATION_LABEL, "")
    record = run.state.read(volume_task(name, source.short), VolumeRecord)
    return seen or (record.incarnation if record is not None else "")


def _check_definition(run: Run, name: str, target: Host) -> None:
    """Refuse what site.toml does not allow: before anything stops, it has to say where the volume is to be.

    Raises:
        MoveRefusedError: It does not.

    """
    stage, path = run.stage, f"volumes.{name}"
    if name not in stage.volumes:
        known = ", ".join(stage.volumes) or "none"
        raise MoveRefusedError(
            f"{path}: no service of stage {stage.name} mounts such a volume; there are: {known}"
        )
    volume = stage.volumes[name]
    if volume.external:
        raise MoveRefusedError(f"{path}: is external, so it is not skep's to move")
    if not volume.is_on_host:
        raise MoveRefusedError(
            f"{path}: its data is not in files of a hive's own (driver {volume.driver}"
            f"{f', type {volume.filesystem}' if volume.filesystem else ''}): nothing of it would have to be copied"
        )
    if not target.is_hive:
        raise MoveRefusedError(f"to={target.short}: is no hive, and runs no service")
    if not volume.named_hosts:
        raise MoveRefusedError(
            f"{path}.hosts: every hive has data of its own, so that there is none to be moved: say first in site.toml "
            f'which hives are to have it, as in hosts = ["{target.short}"]'
        )
    if target.short not in volume.named_hosts:
        raise MoveRefusedError(
            f"{path}.hosts: site.toml has {', '.join(volume.named_hosts)} there, and not {target.short}: put "
            f"{target.short} in the place of the hive that has the data, then type this again. (A run in between "
            "starts no service there without its data: it refuses.)"
        )


def _check_node(run: Run, target: Host) -> None:
    """Refuse a hive on which no service would start afterwards.

    Raises:
        MoveRefusedError: The swarm does not have it, does not see it, or gives it no tasks.

    """
    node = node_of(run.live_state.swarm.nodes.values(), target)
    if not node:
        raise MoveRefusedError(f"{target.short}: is not in the swarm: run doit setup_hosts")
    state = (node.get("Status") or {}).get("State", "ready")
    availability = (node.get("Spec") or {}).get("Availability", "active")
    if state != "ready":
        raise MoveRefusedError(
            f"{target.short}: the swarm sees it as {state}, so that no service would start there: see doit status"
        )
    if availability != "active":
        raise MoveRefusedError(
            f"{target.short}: is set to {availability}, so that no service would start there: if skep set it so, type "
            f"doit; else on a hive: docker node update --availability active {target.name}"
        )


def _is_done(run: Run, name: str, target: Host) -> bool:
    """Return whether the target has the volume, and its node says so, and that of no host that is not to have it."""
    label = f"{VOLUME_LABEL}{name}"
    wanted_hosts = run.stage.volume_hosts(name)
    labelled = {
        host.short
        for host in run.stage.hives
        if label in labels_of(node_of(run.live_state.swarm.nodes.values(), host))
    }
    is_there = name in run.live_state.host(target).volumes and target.short in labelled
    return is_there and labelled <= {host.short for host in wanted_hosts}


def _source(run: Run, name: str, target: Host, from_: str | None) -> Host:
    """Return the hive whose data is meant.

    Raises:
        MoveRefusedError: It does not answer, there is none, or there are several.

    """
    stage, live = run.stage, run.live_state
    others = [host for host in stage.hosts if host not in stage.volume_hosts(name)]
    held = [
        host for host in others if belongs_to(labels_of(live.host(host).volumes.get(name, {})), stage.labels)
    ]
    nodes = live.swarm.nodes.values()
    label = f"{VOLUME_LABEL}{name}"
    silent = [host for host in others if live.host(host).error and may_have(run, name, host)]
    if from_ is not None:
        chosen = known_host(run, from_)
        if chosen in held:
            return chosen
        if chosen not in silent:
            where = ", ".join(host.short for host in held) or "none"
            raise MoveRefusedError(
                f"from={chosen.short}: has no copy of volume {name} that site.toml takes from it; these have: {where}"
            )
        silent = [chosen]
    if silent:
        raise MoveRefusedError(_silence(run, name, target, silent))
    labelled = [host for host in held if label in labels_of(node_of(nodes, host))]
    if not held:
        raise MoveRefusedError(
            f"volume {name}: no hive has any data of it but those of volumes.{name}.hosts: there is nothing to be "
            f"moved; doit makes it on {target.short}"
        )
    if len(held) > 1 and len(labelled) != 1:
        where = ", ".join(host.short for host in held)
        raise MoveRefusedError(
            f"volume {name}: {where} each have a copy that site.toml no longer has there: say which one is to be "
            f"moved, as in from={held[0].short}"
        )
    return (labelled if len(held) > 1 else held)[0]


def _silence(run: Run, name: str, target: Host, silent: list[Host]) -> str:
    """Return that a hive which has the data does not answer, and what to do."""
    host = silent[0]
    return (
        f"{host.short}: has volume {name} as far as is known, and does not answer: {run.live_state.host(host).error}\n"
        f"    Bring it back (doit, with {host.short} in volumes.{name}.hosts, starts what is stopped), then type this "
        f"again. If its disk is lost: doit move_volume {name} to={target.short} from={BACKUP} brings the newest "
        f"backup. Without one: doit replace={name} makes an empty volume on {target.short}, and starts its services "
        "there"
    )


def _begun(run: Run, begun: VolumeMove, target: Host) -> Candidate:
    """Return a move that goes on, or is given up.

    Raises:
        MoveRefusedError: It is to another hive; or one of both does not answer, or has lost the data.

    """
    shorts = {host.short: host for host in run.stage.hosts}
    needed_hosts = (begun.source, begun.target) if begun.backups is None else (begun.target,)
    gone = [short for short in needed_hosts if short not in shorts]
    if gone:
        raise MoveRefusedError(
            f"{begun.words}, and {gone[0]} is no longer in the stage: put it back in site.toml"
        )
    source, there = shorts.get(begun.source), shorts[begun.target]
    gives_up = target == source
    if target != there and (begun.is_copied or not gives_up):
        raise MoveRefusedError(begun.refusal())
    reads_source = begun.backups is None and not begun.is_copied
    for host in filter(None, (source, there)):
        # A copy that is whole is all that is needed; what is given up needs what it stays on.
        needed = (host == there or reads_source) if not gives_up else host == source
        has_data_of_it = host == (there if begun.is_copied else source)
        if needed and (error := _lack(run, begun.volume, host, has_data_of_it=has_data_of_it)):
            raise MoveRefusedError(f"{begun.words}, and {host.short} {error}\n    {_way_out(begun, host)}")
    return Candidate(begun.volume, source, there, begun, has_begun=True, is_given_up=gives_up)


def _lack(run: Run, volume: str, host: Host, *, has_data_of_it: bool) -> str:
    """Return why a move can't go on with a host: it does not answer, or was made anew meanwhile; empty if it can."""
    seen = run.live_state.host(host)
    if seen.error:
        return f"does not answer: {seen.error}"
    if has_data_of_it and volume not in seen.volumes:
        return f"does not have volume {volume} any more"
    return ""


def _way_out(begun: VolumeMove, host: Host) -> str:
    """Return what to do where a host lacks what a move needs of it."""
    if begun.backups is not None and host.short == begun.target:
        return (
            f"Bring it back, then type this again. If it is lost: name another hive in volumes.{begun.volume}.hosts, "
            f"and type: doit replace={begun.volume}, which ends this with an empty volume there; then doit restore "
            f"{' and '.join(begun.backups) or 'SERVICE'} at=latest"
        )
    if begun.is_copied:
        return (
            f"Bring it back with its data, then type this again. If that is lost: {begun.source} has the data as it "
            f"was when it was copied. Put {begun.source} back in volumes.{begun.volume}.hosts, and type: doit "
            f"replace={begun.volume}"
        )
    if host.short == begun.source:
        return (
            f"Bring it back with its data, then type this again. If that is lost for good: doit move_volume "
            f"{begun.volume} to={begun.target} from={BACKUP} goes on with the newest backup. Without one: doit "
            f"replace={begun.volume}, with {begun.target} in volumes.{begun.volume}.hosts, ends the move with an empty "
            f"volume on {begun.target}"
        )
    return f"{begun.refusal()}, when it is back"


def users_of(run: Run, name: str, *, may_be_saved: bool) -> Mapping[str, Json]:
    """Return the services that mount a volume and run tasks without end, each with what it is to have again.

    Args:
        run: The run; it holds the stage.
        name: The volume.
        may_be_saved: Whether the hive with its data answers, so that a backup which has stopped a service starts it.

    Raises:
        MoveRefusedError: A job of it is at work, a one-off task, a backup, or somebody else's service.

    """
    host, _ = run.connections.manager()
    under_way = moves(run)
    found = {}
    with closing(run.connections.reader(host)) as api:
        for service in api.services():
            # What it has while a backup holds it is not its own.
            spec = as_before_backup(service["Spec"])
            if not _mounts(spec, name):
                continue
            labels, called = labels_of(spec), str(spec["Name"])
            if not belongs_to(labels, run.stage.labels):
                raise MoveRefusedError(
                    f"volume {name}: service {called}, which is not this stage's, mounts it: remove it first "
                    f"(docker service rm {called})"
                )
            at_work = is_job(service) and is_at_work(
                service, api.tasks(filters={"service": str(service["ID"])})
            )
            if ONE_OFF_LABEL in labels or at_work:
                kind = "a command of doit run" if ONE_OFF_LABEL in labels else "a job"
                prune = ", or remove it with doit prune" if ONE_OFF_LABEL in labels else ""
                raise MoveRefusedError(
                    f"volume {name}: {called}, {kind}, is at work on it: wait for its end{prune}"
                )
            if is_job(service):
                continue
            if (
                may_be_saved
                and is_stopped_for_backup(service["Spec"])
                and not is_left_stopped(service, time.time())
            ):
                raise MoveRefusedError(
                    f"volume {name}: {called} is stopped while a backup of it is made, which starts it again: wait for "
                    "its end (doit status)"
                )
            # Stopped for another volume already: that one's journal knows what it had.
            other = under_way.get(labels.get(MOVING_LABEL, "").partition(" ")[0])
            found[called] = other.stopped[called] if other and called in other.stopped else wanted(spec)
    return found


def _mounts(spec: Json, name: str) -> bool:
    """Return whether a service mounts a volume."""
    mounts = (spec["TaskTemplate"].get("ContainerSpec") or {}).get("Mounts") or ()
    return any(mount.get("Type") == "volume" and mount.get("Source") == name for mount in mounts)


def _check_containers(run: Run, name: str, source: Host, services: Mapping[str, Json]) -> None:
    """Refuse where a container that no service of these has uses the volume.

    Raises:
        MoveRefusedError: There is one.

    """
    for container in using(run, name, source):
        if (container.get("Labels") or {}).get(SERVICE_LABEL) not in services:
            called = container["Names"][0].lstrip("/")
            raise MoveRefusedError(
                f"{source.short}: container {called} uses volume {name}, and is of no service that would be stopped: "
                "end it first (docker stop, on that host)"
            )


def using(run: Run, name: str, host: Host) -> list[Json]:
    """Return the containers on a host that run and use a volume.

    Raises:
        HostError: Its engine does not answer.

    """
    with closing(run.connections.reader(host)) as api:
        return api.containers(filters={"volume": name})


def together(run: Run, candidates: Sequence[Candidate]) -> Iterator[str]:
    """Yield why some volumes can't be moved alone: a service of theirs mounts another one that has to come along."""
    typed = {each.name for each in candidates}
    under_way = moves(run)
    for each in candidates:
        if each.is_done:
            continue
        for name, service in run.stage.services.items():
            if each.name not in service.named_volumes:
                continue
            left = [
                other
                for other in service.named_volumes
                if other not in typed and _comes_along(run, other, each, under_way)
            ]
            if left:
                names = " ".join(sorted({*typed, *left}))
                yield (
                    f"service {name} mounts volume {', '.join(left)} as well, whose data has to come along: type: doit "
                    f"move_volume {names} to={each.move.source if each.is_given_up else each.target.short}"
                    f"{f' from={BACKUP}' if each.move.backups is not None and not each.is_given_up else ''}"
                )


def _comes_along(run: Run, other: str, candidate: Candidate, under_way: Mapping[str, VolumeMove]) -> bool:
    """Return whether another volume has to be moved, or given up, with one."""
    if other in under_way:
        return True
    volumes = run.stage.volumes
    if candidate.is_given_up or other not in volumes:
        return False
    is_wanted = candidate.target in run.stage.volume_hosts(other)
    return is_wanted and bool(elsewhere(run, other, volumes[other], candidate.target))
