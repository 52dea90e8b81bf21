"""Phase 5: named volumes, on the hives that hold them."""

from collections.abc import Iterator

from model import site as types
from model.definition import definition
from model.digest import Inputs, flatten
from model.record import HostRecord, VolumeRecord
from model.stage import Host
from tasks.run import Run, host_task
from tasks.step import Step, Work

PHASE = "build_volumes"
DOC = "make the volumes on the hosts that hold them"


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each volume on each host that holds it."""
    for name, volume in run.stage.volumes.items():
        for host in run.stage.volume_hosts(name):
            yield _step(run, name, volume, host)


def task_of(name: str, host: Host) -> str:
    """Return the task that makes a volume on a host."""
    return f"{PHASE}:{name}@{host.short}"


def _step(run: Run, name: str, volume: types.Volume, host: Host) -> Step:
    """Return the step of one volume on one host."""
    task = task_of(name, host)

    def inputs() -> Inputs:
        # Where it is held is no part of the volume on this host; a host made anew is.
        said = {k: v for k, v in definition(volume).items() if k != "hosts"}
        return {"host": run.record(host_task(host.short), HostRecord).id, **flatten("volume", said)}

    def ensure(work: Work) -> VolumeRecord:
        from remote.volumes import ensure_volume

        labels = {
            **volume.labels,
            **run.stage.labels,
            "skep.name": name,
            "skep.definition": definition_key(volume),
        }
        made = ensure_volume(host.short, run.engine(host), name, volume, labels, work.say)
        return VolumeRecord(incarnation=made)

    def real(_key: str) -> str | None:
        record = run.state.read(task, VolumeRecord)
        return run.probe.volume(host, name, record.incarnation if record else "")

    return Step(
        PHASE,
        f"{name}@{host.short}",
        ensure,
        inputs,
        real,
        after=(host_task(host.short), f"setup_hosts:{host.short}.docker"),
        host=host.short,
        doc=f"volume {name} on {host.name}",
    )


def definition_key(volume: types.Volume) -> str:
    """Return the digest of what a volume is, wherever it is held."""
    from model.digest import key_of

    return key_of(flatten("volume", {"driver": volume.driver, "driver_opts": dict(volume.driver_opts)}))
