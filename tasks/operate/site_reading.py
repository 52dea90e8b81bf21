"""The readings of a whole stage: each host's, its engine's containers, and one manager's view of the swarm.

All hosts are asked at the same time, in threads that nothing waits for in the end: a host that does not answer is said
after `PATIENCE`, and the others have been read long before.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from model.errors import HostError, SkepError
from model.json_types import Json
from model.labels import SERVICE_LABEL, belongs_to, label_filter, labels_of
from model.reasons import reason_of
from model.stage import Host, Stage
from remote.backup.paused_containers import listed_containers
from remote.engine.reader import Reader
from remote.mother.questions import begin, first_answer
from tasks.operate.host_reading import HostReading, parse_reading, reading_script
from tasks.run.context import Run

T = TypeVar("T")

PATIENCE = 8.0
"""Seconds after which a host is said not to answer; a connection that is open answers within a tenth of one."""
_GRACE = 0.5
"""Seconds by which a reading in parts may outlast its time."""


@dataclass(frozen=True)
class EngineReading:
    """A host's Docker Engine.

    Args:
        info: Its description of itself; None if that did not come in time, as on a manager that has lost its leader.
        containers: The containers of services, also those that ended.
        volumes: The names of its volumes; None if they did not come in time.
        saved: The ids of containers that a backup has paused, to save their files.

    """

    info: Json | None = None
    containers: Sequence[Json] = ()
    volumes: frozenset[str] | None = None
    saved: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SwarmReading:
    """The swarm, as one manager has it.

    Args:
        manager: The host that was asked.
        nodes: Node's id to the node.
        services: The stage's services by name.
        tasks: Service's id to its tasks.
        networks: The stage's networks by name.

    """

    manager: str = ""
    nodes: Mapping[str, Json] = field(default_factory=dict)
    services: Mapping[str, Json] = field(default_factory=dict)
    tasks: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    networks: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class SiteReading:
    """All readings of a stage.

    Args:
        hosts: Host's short name to its readings, or why there are none.
        engines: Host's short name to its engine's, or why there are none.
        swarm: The swarm, or why nothing is known of it.
        skew: Host's short name to the seconds by which its clock is ahead of this machine's.
        at: When they were taken, in seconds since 1970.

    """

    hosts: Mapping[str, HostReading | str]
    engines: Mapping[str, EngineReading | str]
    swarm: SwarmReading | str
    skew: Mapping[str, float] = field(default_factory=dict)
    at: float = 0.0


def read_site(run: Run, hosts: Collection[Host], patience: float = PATIENCE) -> SiteReading:
    """Read these hosts of a stage, and its swarm. Takes no lock, and changes nothing.

    Args:
        run: The run.
        hosts: The hosts: those that are made.
        patience: Seconds after which a host is said not to answer.

    """
    ends = time.monotonic() + patience

    def within(result: Callable[[float], T], problem: str, more: float = 0.0) -> T | str:
        try:
            return result(max(0.0, ends + more - time.monotonic()))
        except TimeoutError:
            return f"{problem} within {patience:.0f} s"
        except SkepError as error:
            return str(error)

    skew: dict[str, float] = {}
    host_readings = {host: begin(partial(_read_host, run, host, skew)) for host in hosts}
    engine_readings = {host: begin(partial(_read_engine, run, host, ends)) for host in hosts}
    engines = {
        host: within(reading.result, f"{host.short}: its Docker Engine does not answer", _GRACE)
        for host, reading in engine_readings.items()
    }
    swarm_ends = max(ends, time.monotonic()) + patience / 2
    swarm = within(
        begin(partial(_read_swarm, run, engines, swarm_ends)).result,
        "no manager of the swarm answers",
        swarm_ends - ends + _GRACE,
    )
    return SiteReading(
        hosts={
            host.short: within(reading.result, f"{host.short} does not answer")
            for host, reading in host_readings.items()
        },
        engines={host.short: engine for host, engine in engines.items()},
        swarm=swarm,
        skew=dict(skew),
        at=time.time(),
    )


def _read_host(run: Run, host: Host, skew: dict[str, float]) -> HostReading:
    """Read a host by one ssh command, and note how far its clock is off."""
    volumes = [
        run.stage.docker_volume(name) for name in run.stage.volumes if host in run.stage.volume_hosts(name)
    ]
    began = time.time()
    output = run.connections.to(host).script(
        reading_script(volumes), timeout=PATIENCE, label="reading its load and disks"
    )
    reading = parse_reading(output)
    # The clock is read first, and the connection is open or was opened before: the end is the better bound.
    ended = time.time()
    if reading.clock and not began - 1 <= reading.clock <= ended + 1:
        skew[host.short] = reading.clock - (began if reading.clock < began else ended)
    return reading


def _read_engine(run: Run, host: Host, ends: float) -> EngineReading:
    """Read a host's engine; its containers it tells also where it waits for the swarm's leader with all else."""
    reader = run.connections.reader(host)
    info = begin(partial(first_answer, [reader.info], ends))
    listing = begin(partial(first_answer, [reader.volumes], ends))
    try:
        containers, saved = listed_containers(
            run.connections.to(host), partial(reader.containers, all=True, filters={"label": SERVICE_LABEL})
        )
        volumes = _in_time(listing)
        names = (
            None if volumes is None else frozenset(str(each["Name"]) for each in volumes.get("Volumes") or ())
        )
        return EngineReading(_in_time(info), containers, names, saved)
    finally:
        reader.close()


def _in_time(answer: Future[Json]) -> Json | None:
    """Return an answer; None if it did not come in time."""
    try:
        return answer.result()
    except TimeoutError:
        return None


def _read_swarm(run: Run, engines: Mapping[Host, EngineReading | str], ends: float) -> SwarmReading:
    """Read the swarm from the first manager that answers and has a leader.

    Raises:
        HostError: There is none; the message has each hive's reason.

    """
    why: dict[str, str] = {}
    fences, questions = run.state.fences(), []
    for host, engine in engines.items():
        if not host.is_hive:
            continue
        if host.short in fences:
            why[host.short] = f"{host.short} is fenced"
        elif isinstance(engine, str):
            why[host.short] = engine
        elif reason := _no_manager(engine):
            why[host.short] = f"{host.short}: {reason}"
        else:
            why[host.short] = f"{host.short} has no answer from the swarm's leader"
            questions.append(partial(_listings, run, host, why))
    with suppress(HostError, TimeoutError):
        return first_answer(questions, ends)
    lost = any("does not have a leader" in line for line in why.values())
    way_out = "; if the other managers are lost for good: doit recover_swarm keep=HOST" if lost else ""
    reasons = "; ".join(why.values()) or "no hive is made yet"
    raise HostError(f"no manager of the swarm answers: {reasons}{way_out}")


def _no_manager(engine: EngineReading) -> str:
    """Return why an engine can't be asked about the swarm; empty if it can."""
    if engine.info is None:
        # It has lost its leader, and may have a new one by now.
        return ""
    swarm = engine.info.get("Swarm", {})
    if swarm.get("ControlAvailable") and not swarm.get("Error"):
        return ""
    return str(swarm.get("Error") or "is no manager of a swarm")


def _listings(run: Run, host: Host, why: dict[str, str]) -> SwarmReading:
    """Return a manager's listings.

    Raises:
        HostError: It does not answer, which is added to the reasons.

    """
    reader = run.connections.reader(host)
    try:
        return _swarm_of(run.stage, host, reader)
    except HostError as error:
        why[host.short] = reason_of(error)
        raise
    finally:
        reader.close()


def _swarm_of(stage: Stage, host: Host, reader: Reader) -> SwarmReading:
    """Return the swarm as a manager lists it."""
    filters = label_filter(stage.labels)
    services = {str(each["Spec"]["Name"]): each for each in reader.services(status=True, filters=filters)}
    tasks: dict[str, list[Json]] = {}
    for task in reader.tasks():
        tasks.setdefault(str(task.get("ServiceID", "")), []).append(task)
    return SwarmReading(
        manager=host.short,
        nodes={str(node["ID"]): node for node in reader.nodes()},
        services=services,
        tasks=tasks,
        networks={
            str(network["Name"]): network
            for network in reader.networks()
            if belongs_to(labels_of(network), stage.labels)
        },
    )
