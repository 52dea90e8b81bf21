"""Phase 5: named volumes, on the hives that hold them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial

from model import site as types
from model.errors import ServiceError, SkepError
from model.keys.definition import definition
from model.keys.digest import Inputs, flatten, key_of
from model.keys.record import HostRecord, VolumeRecord
from model.labels import DEFINITION_LABEL, INCARNATION_LABEL, NAME_LABEL, belongs_to, labels_of
from model.log import Log
from model.stage import Host, Stage
from model.templates import NFS, refers_to
from tasks.cleanup.inventory import Inventory
from tasks.cleanup.removing import each, remove_when_free
from tasks.hosts.volume_data import (
    drop_move,
    dropped_move,
    elsewhere,
    has_data,
    kept_for_move,
    move_refusal,
    moves,
)
from tasks.names import NFS_TASK, host_task, setup_task, volume_task
from tasks.observe.externals import volume_drift
from tasks.observe.live_state import LiveState
from tasks.phase import Orphan, Phase
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.services.rendering import renderer_of
from tasks.step import ADOPT, BLOCKED, REPLACE, Finding, Names, Step, Work


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each volume on each host that holds it."""
    for name, volume in run.stage.volumes.items():
        for host in run.stage.volume_hosts(name):
            kind = ExternalVolume if volume.external else NamedVolume
            yield kind(run, name, volume, host)


class NamedVolume(Step):
    """A volume on one host.

    Args:
        run: The run.
        name: Its name.
        volume: Its definition.
        host: The host.

    """

    def __init__(self, run: Run, name: str, volume: types.Volume, host: Host) -> None:
        self._run, self._name, self._volume, self._host = run, name, volume, host
        self.task = volume_task(name, host.short)
        self.host = host.short
        self.containers = (host_task(host.short),)
        nfs = (NFS_TASK,) if any(refers_to(text, NFS) for text in volume.driver_opts.values()) else ()
        self.after = (*self.containers, setup_task(host.short, "docker"), *nfs)
        self.doc = f"volume {name} on {host.name}"
        self.paths = {"volume.": f"volumes.{name}."}

    def inputs(self) -> Inputs:
        """Return the host and the definition, but for the list of the volume's hosts: a replaced host counts."""
        volume = definition(renderer_of(self._run).volume(self._name))
        own = {key: value for key, value in volume.items() if key not in {"hosts", "backup", "standby"}}
        return {"host": self._run.state.record(host_task(self.host), HostRecord).id, **flatten("volume", own)}

    def ensure(self, work: Work) -> VolumeRecord:
        """Make the volume; one that is there and may hold data is never replaced.

        Raises:
            ServiceError: It can't be made so, or somebody is moving it.

        """
        from remote.swarm.volumes import VolumeInspector, ensure_volume

        run, name = self._run, self._name
        if refused := move_refusal(run, name):
            raise ServiceError(refused)
        inspector = VolumeInspector(
            partial(has_data, run.connections, name, self._host),
            partial(elsewhere, run, name, self._volume, self._host),
        )
        wanted = renderer_of(run).volume(name)
        labels = volume_labels(run.stage, wanted, name)
        engine = run.connections.engine(self._host)
        made = ensure_volume(self.host, engine, name, wanted, labels, work.log, inspector)
        if (dropped := dropped_move(run, name)) is not None:
            drop_move(run, dropped, self._host, work.log)
        return VolumeRecord(incarnation=made)

    def recall(self, work: Work) -> VolumeRecord | None:
        """Return the volume that is there with today's definition."""
        from remote.swarm.volumes import is_as_defined

        del work
        run, name = self._run, self._name
        if name in moves(run):
            return None
        labels = labels_of(run.live_state.host(self._host).volumes.get(name, {}))
        wanted = volume_labels(run.stage, renderer_of(run).volume(name), name)
        incarnation = labels.get(INCARNATION_LABEL, "")
        return (
            VolumeRecord(incarnation=incarnation) if incarnation and is_as_defined(labels, wanted) else None
        )

    def real(self, key: str) -> str | None:
        """Compare with the recorded incarnation; one that is being moved is made by no run."""
        del key
        if refused := move_refusal(self._run, self._name):
            return refused
        if dropped_move(self._run, self._name) is not None:
            return "its move is dropped (replace=)"
        record = self._run.state.read(self.task, VolumeRecord)
        incarnation = record.incarnation if record is not None else ""
        return self._run.live_state.volume(self._host, self._name, incarnation)

    def effect(self, changed: Names) -> str:
        """Return BLOCKED: data is never destroyed on the way to something else."""
        del changed
        return BLOCKED

    def shows(self, changed: Names) -> bool:
        """Return False: the live state has the volume's incarnation alone."""
        del changed
        return False

    def inspect(self, changed: Names) -> Finding:
        """Tell a volume that merely is not the recorded one from one with another definition, which may hold data."""
        from remote.swarm.volumes import is_as_defined

        del changed
        run, name, host = self._run, self._name, self._host
        if refused := move_refusal(run, name):
            return Finding(BLOCKED, refused)
        labels = labels_of(run.live_state.host(host).volumes.get(name, {}))
        wanted = volume_labels(run.stage, renderer_of(run).volume(name), name)
        if is_as_defined(labels, wanted):
            return Finding(ADOPT, "the existing one is used")
        if users := ", ".join(sorted(mounting(run.live_state, name, host))):
            return Finding(
                BLOCKED, f"its definition differs, and {users} use it: doit will refuse, and leave it alone"
            )
        try:
            data = has_data(run.connections, name, host)
        except SkepError:
            data = True
        if data:
            return Finding(
                BLOCKED, "its definition differs, and it may hold data: doit will refuse, and leave it alone"
            )
        return Finding(REPLACE, "its definition differs, and it is empty")

    def refusal(self) -> str:
        """Return that its data is on a host that is no longer to have it, or that it is being moved, if so."""
        try:
            return move_refusal(self._run, self._name) or elsewhere(
                self._run, self._name, self._volume, self._host
            )
        except SkepError:
            return ""


class ExternalVolume(Step):
    """A volume of others on one host, which has to be there.

    Docker itself would make an empty one where a service mounts a volume that is not there.

    Args:
        run: The run.
        name: Its name in site.toml.
        volume: Its definition.
        host: The host.

    """

    def __init__(self, run: Run, name: str, volume: types.Volume, host: Host) -> None:
        self._run, self._host, self._name = run, host, volume.name or name
        self._path = f"volumes.{name}"
        self.task = volume_task(name, host.short)
        self.host = host.short
        self.containers = (host_task(host.short),)
        self.after = (*self.containers, setup_task(host.short, "docker"))
        self.doc = f"external volume {self._name} on {host.name}"

    def inputs(self) -> Inputs:
        """Return the host, and the name that it has there."""
        return {"host": self._run.state.record(host_task(self.host), HostRecord).id, "name": self._name}

    def ensure(self, work: Work) -> VolumeRecord:
        """Find it.

        Raises:
            ServiceError: There is none of this name.

        """
        from docker.errors import NotFound

        from remote.engine.client import engine_errors

        engine = self._run.connections.engine(self._host)
        with engine_errors(self.host, f"looking for volume {self._name}", ServiceError):
            try:
                found = engine.api.inspect_volume(self._name)
            except NotFound:
                raise ServiceError(
                    f"{self._path}: there is no volume {self._name} on {self.host}: make it there (docker volume "
                    f"create {self._name}), name the hives that have it in hosts, or leave out external"
                ) from None
        work.log(f"found volume {found['Name']}")
        return VolumeRecord(incarnation="")

    def recall(self, work: Work) -> VolumeRecord | None:
        """Return that it is there."""
        return VolumeRecord(incarnation="") if self.real(work.key) is None else None

    def real(self, key: str) -> str | None:
        """Look whether it is there."""
        del key
        return volume_drift(self._host, self._run.live_state.host(self._host), self._name)

    def effect(self, changed: Names) -> str:
        """Return ADOPT: it is looked for, no more."""
        del changed
        return ADOPT


def mounting(live_state: LiveState, volume: str, host: Host) -> list[str]:
    """Return the services that mount a volume and run on a host, as the live state has them."""
    return [
        name
        for name, seen in live_state.swarm.services.items()
        if live_state.host(host).services.get(name)
        for mount in (seen["Spec"]["TaskTemplate"].get("ContainerSpec") or {}).get("Mounts") or ()
        if mount.get("Type") == "volume" and mount.get("Source") == volume
    ]


def volume_labels(stage: Stage, volume: types.Volume, name: str) -> dict[str, str]:
    """Return the labels of a volume without templates, but for its incarnation."""
    return {
        **volume.labels,
        **stage.labels,
        NAME_LABEL: name,
        DEFINITION_LABEL: definition_key(volume),
    }


def definition_key(volume: types.Volume) -> str:
    """Return the digest of a volume's driver and options, the same on every host."""
    return key_of(flatten("volume", {"driver": volume.driver, "driver_opts": dict(volume.driver_opts)}))


# -- what the stage no longer wants ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OrphanVolume(Orphan):
    """A volume that the stage does not want on its host. It may hold data, so it goes only if a person names it."""

    kind, order, is_on_host, is_kept = "volume", 90, True, True
    is_elsewhere: bool = False
    """Whether site.toml has it on other hosts."""
    kept: str = ""
    """Why it stays, also where a person names it: it is being moved."""

    @property
    def volumes(self) -> tuple[str, ...]:
        """Its own name."""
        return (self.name,)

    @property
    def staying(self) -> str:
        """Why it stays: it is being moved, a service uses it, or nobody named it."""
        if self.kept:
            return self.kept
        if self.users and self.is_elsewhere:
            return (
                f"{self.held}; doit move_volume {self.name} to=HOST takes its data to where site.toml has it"
            )
        return super().staying if self.users else f"it may hold data; to remove it: volumes={self.name}"

    def may_go(self, volumes: Collection[str]) -> bool:
        """Return whether it was named, nobody uses it, and it is not being moved."""
        return not self.kept and super().may_go(volumes)

    def remove(self, run: Run, log: Log) -> None:
        """Remove it as soon as no container uses it."""
        del log
        _remove(run.connections, self.name, run.stage.host(self.host))


def _remove(connections: Connections, name: str, host: Host) -> None:
    """Remove a volume from a host as soon as no container uses it; containers that have ended go with it."""
    from remote.swarm.volumes import remove_ended

    client = connections.engine(host)

    def remove(name: str) -> None:
        remove_ended(client, name)
        client.api.remove_volume(name)

    remove_when_free(remove, name, host.short, f"volume {name}")


def orphans(run: Run) -> Iterator[Orphan]:
    """Yield the volumes on hosts that should not have them."""
    stage = run.stage
    for host in stage.hosts:
        for name, volume in sorted(run.live_state.host(host).volumes.items()):
            wanted = name in stage.volumes and host in stage.volume_hosts(name)
            wanted |= name in stage.external_names["volumes"]
            if belongs_to(labels_of(volume), stage.labels) and not wanted:
                yield OrphanVolume(
                    name,
                    volume_task(name, host.short),
                    "is to be on other hosts; left, since it may hold data"
                    if name in stage.volumes
                    else "no longer in site.toml; left, since it may hold data",
                    host=host.short,
                    is_elsewhere=name in stage.volumes,
                    kept=kept_for_move(run, host.short, [name]),
                    users=tuple(
                        user for user in mounting(run.live_state, name, host) if user in stage.services
                    ),
                )


def destroy(run: Run, there: Inventory, volumes: Collection[str], log: Log) -> list[str]:
    """Remove the named volumes from hosts that stay."""
    if there.owned:
        return []

    def clear(short: str) -> None:
        for volume in sorted(volumes):
            if short not in there.volumes.get(volume, ()):
                continue
            if volume in run.stage.external_names["volumes"]:
                log(f"{short}: volume {volume} stays: it is external")
                continue
            _remove(run.connections, volume, run.stage.host(short))
            log(f"{short}: removed volume {volume}")

    return each([host.short for host in run.stage.hosts if host.short in there.hosts], clear, log)


PHASE = Phase("build_volumes", "make the volumes on the hosts that hold them", steps, orphans, destroy)
