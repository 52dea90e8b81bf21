"""The hives of a swarm that may have lost its majority, each asked for its part in it. Changes nothing."""

from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial

from model.errors import SkepError
from model.json_types import Json
from model.keys.record import HostRecord
from model.labels import SERVICE_LABEL, labels_of
from model.reasons import reason_of
from model.stage import Host
from providers.base import Found
from remote.mother.questions import begin
from tasks.names import host_task
from tasks.run.context import Run

PATIENCE = 60.0
"""Seconds after which a host is said not to answer. A manager without a leader takes twenty and more to say so."""


@dataclass(frozen=True)
class ManagerReading:
    """A host, asked for its part in the swarm.

    Args:
        swarm: The swarm, as its engine describes it; empty if the engine does not answer.
        on_disk: Whether its engine has a manager's state.
        services: The services of which containers run there.
        error: Why the host does not answer; empty if it does.
        engine_error: Why its engine does not.
        nodes: The swarm's nodes, if it knows of a leader.

    """

    swarm: Json = field(default_factory=dict)
    on_disk: bool = False
    services: tuple[str, ...] = ()
    error: str = ""
    engine_error: str = ""
    nodes: tuple[Json, ...] = ()

    @property
    def leads(self) -> bool:
        """Whether it is a manager of a swarm that has a leader."""
        return any((node.get("ManagerStatus") or {}).get("Leader") for node in self.nodes)

    @property
    def is_manager(self) -> bool:
        """Whether it is a manager, be it one that waits for a leader."""
        state = self.swarm.get("LocalNodeState", "inactive")
        return bool(self.swarm.get("ControlAvailable")) or (self.on_disk and state not in {"inactive", ""})


def members(run: Run) -> list[Host]:
    """Return the hives that are made, and the hosts that became members of the swarm and left the stage."""
    hosts = [hive for hive in run.stage.hives if run.state.host_record(hive) is not None]
    for short in run.state.members():
        record = run.state.read(host_task(short), HostRecord)
        if record is not None and short not in {host.short for host in hosts}:
            hosts.append(Host(short, record.name, record.address, is_hive=True, is_repository=False))
    return hosts


def read_managers(
    run: Run, hosts: Collection[Host], things: Mapping[str, Found]
) -> dict[Host, ManagerReading]:
    """Ask hosts at the same time. One that its provider knows not to run is not asked."""
    asked, readings = {}, {}
    run.connections.write_ssh_files(
        {
            host.short: record
            for host in hosts
            if host not in run.stage.hosts
            and (record := run.state.read(host_task(host.short), HostRecord)) is not None
        }
    )
    for host in hosts:
        down = known_down(run, host, things)
        if down is not None:
            readings[host] = down
        else:
            asked[host] = begin(partial(_read_manager, run, host))
    for host, reading in asked.items():
        try:
            readings[host] = reading.result(PATIENCE)
        except TimeoutError:
            readings[host] = ManagerReading(error=f"does not answer within {PATIENCE:.0f} s")
    return {host: readings[host] for host in hosts}


def known_down(run: Run, host: Host, things: Mapping[str, Found]) -> ManagerReading | None:
    """Return the reading of a host that its provider knows not to run; None where it has to be asked."""
    thing = things.get(host.short)
    if run.provider.owns and things and thing is None:
        return ManagerReading(error="is gone at the provider")
    return ManagerReading(error="does not run") if thing is not None and not thing.running else None


def _read_manager(run: Run, host: Host) -> ManagerReading:
    """Ask a host, then its engine."""
    from remote.swarm import old_swarm

    connection = run.connections.to(host)
    try:
        on_disk = old_swarm.is_manager_on_disk(connection)
    except SkepError as error:
        return ManagerReading(error=f"does not answer ({_without(host, error)})")
    try:
        with closing(run.connections.reader(host)) as engine:
            swarm = engine.info().get("Swarm") or {}
            names = [labels_of(each).get(SERVICE_LABEL, "") for each in engine.containers()]
            nodes: list[Json] = []
            if swarm.get("ControlAvailable") and not swarm.get("Error"):
                with suppress(SkepError):
                    nodes = engine.nodes()
    except SkepError as error:
        return ManagerReading(on_disk=on_disk, engine_error=_without(host, error))
    return ManagerReading(swarm, on_disk, tuple(sorted(set(filter(None, names)))), nodes=tuple(nodes))


def _without(host: Host, error: SkepError) -> str:
    """Return the first line of an error without the host's name before it, and a hint for another place."""
    return reason_of(error).splitlines()[0].removeprefix(f"{host.short}: ").partition(" (try: ")[0]
