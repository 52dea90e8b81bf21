"""Phase 5: named volumes, on the hives that hold them."""

from collections.abc import Iterator
from functools import partial

from model import site as types
from model.keys.definition import definition
from model.keys.digest import Inputs, flatten
from model.keys.record import HostRecord, VolumeRecord
from model.labels import DEFINITION_LABEL, NAME_LABEL, belongs_to, labels_of
from model.stage import Host
from model.templates import NFS, looks_at
from tasks.names import NFS_TASK, host_task, volume_task
from tasks.run.context import Run
from tasks.services.rendering import rendered_volume
from tasks.step import Step, Work

PHASE = "build_volumes"
DOC = "make the volumes on the hosts that hold them"
ASK_TIMEOUT = 60


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each volume on each host that holds it."""
    for name, volume in run.stage.volumes.items():
        for host in run.stage.volume_hosts(name):
            yield _step(run, name, volume, host)


def _step(run: Run, name: str, volume: types.Volume, host: Host) -> Step:
    """Return the step of one volume on one host."""
    task = volume_task(name, host.short)

    def inputs() -> Inputs:
        # Where it is held is no part of the volume on this host; a host made anew is.
        said = {k: v for k, v in definition(rendered_volume(run, name)).items() if k != "hosts"}
        return {"host": run.state.record(host_task(host.short), HostRecord).id, **flatten("volume", said)}

    def ensure(work: Work) -> VolumeRecord:
        from remote.swarm.volumes import VolumeInspector, ensure_volume

        labels = volume_labels(run, name)
        look = VolumeInspector(
            partial(has_data, run, name, host), partial(elsewhere, run, name, volume, host)
        )
        wanted = rendered_volume(run, name)
        made = ensure_volume(host.short, run.connections.engine(host), name, wanted, labels, work.log, look)
        return VolumeRecord(incarnation=made)

    def real(_key: str) -> str | None:
        record = run.state.read(task, VolumeRecord)
        return run.live_state.volume(host, name, record.incarnation if record else "")

    return Step(
        PHASE,
        f"{name}@{host.short}",
        ensure,
        inputs,
        real,
        after=(host_task(host.short), f"setup_hosts:{host.short}.docker", *_needs(volume)),
        host=host.short,
        doc=f"volume {name} on {host.name}",
    )


def _needs(volume: types.Volume) -> tuple[str, ...]:
    """Return the task of the file system that a volume is on."""
    uses = any(looks_at(text, NFS) for text in volume.driver_opts.values())
    return (NFS_TASK,) if uses else ()


def has_data(run: Run, name: str, host: Host) -> bool:
    """Ask a host whether there is something in a volume."""
    from remote.swarm.volumes import data_script

    said = run.connections.to(host).script(
        data_script(name), timeout=ASK_TIMEOUT, label=f"looking into volume {name}"
    )
    return "data" in said.split()


def is_on_host(volume: types.Volume) -> bool:
    """Return whether a volume's data is on the host that has the volume, and not on a server, or in memory."""
    return volume.driver == "local" and volume.driver_opts.get("type", "") in {"", "none"}


def refused(run: Run) -> list[str]:
    """Return the tasks of volumes that may not be made on hosts that are new to them."""
    return [
        volume_task(name, host.short)
        for name, volume in run.stage.volumes.items()
        for host in run.stage.volume_hosts(name)
        if elsewhere(run, name, volume, host)
    ]


def elsewhere(run: Run, name: str, volume: types.Volume, host: Host) -> str:
    """Return why a volume may not be made on a host: another one that is no longer to have it has its data."""
    if not is_on_host(volume) or name in run.may_replace or name in run.live_state.host(host).volumes:
        return ""
    for other in run.stage.hosts:
        held = labels_of(run.live_state.host(other).volumes.get(name, {}))
        if other in run.stage.volume_hosts(name) or not belongs_to(held, run.stage.labels):
            continue
        if has_data(run, name, other):
            config = run.connections.files.config
            copy = f"sudo tar -C /var/lib/docker/volumes/{name}/_data"
            return (
                f"volume {name}: its data is on {other.short}, which is no longer among its hosts, and would not be "
                f"on {host.short}. Either put volumes.{name}.hosts back. Or move the data: stop its services (docker "
                f"service scale …=0), and type: doit build_volumes replace={name}; then: ssh -F {config} {other.short} "
                f"{copy} -c . | ssh -F {config} {host.short} {copy} -x; then: doit. Or, if it is not needed: doit "
                f"replace={name}"
            )
    return ""


def mounting(run: Run, volume: str, host: Host) -> list[str]:
    """Return the services that mount a volume and run on a host, as the live look has seen them."""
    return [
        name
        for name, seen in run.live_state.swarm.services.items()
        if run.live_state.host(host).services.get(name)
        for mount in (seen["Spec"]["TaskTemplate"].get("ContainerSpec") or {}).get("Mounts") or ()
        if mount.get("Type") == "volume" and mount.get("Source") == volume
    ]


def volume_labels(run: Run, name: str) -> dict[str, str]:
    """Return the labels that a volume is made with, but for its incarnation."""
    volume = rendered_volume(run, name)
    return {
        **volume.labels,
        **run.stage.labels,
        NAME_LABEL: name,
        DEFINITION_LABEL: definition_key(volume),
    }


def definition_key(volume: types.Volume) -> str:
    """Return the digest of what a volume is, wherever it is held."""
    from model.keys.digest import key_of

    return key_of(flatten("volume", {"driver": volume.driver, "driver_opts": dict(volume.driver_opts)}))
