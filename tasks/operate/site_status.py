"""The status of a site, judged from its readings: hosts, services, volumes, networks, and what is wrong. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.json_types import Json
from model.stage import Host, Stage
from tasks.backup.repository_note import RepositoryNote
from tasks.logs.log_status import log_problems
from tasks.operate.backup_status import backup_problems
from tasks.operate.host_reading import HostReading, VolumeFill
from tasks.operate.service_status import ServiceStatus, service_statuses
from tasks.operate.site_reading import EngineReading, SiteReading
from tasks.operate.site_view import THERE, SiteView, short_names

FULL = 0.9
"""The share of a disk, or of its inodes, from which on it is full enough to say so."""
LITTLE_MEMORY = 0.05
"""The share of memory below which there is too little left."""
_REBOOT = "wants a restart, after an update of its packages"
MOST_SKEW = 5.0
"""Seconds by which a clock may be off: certificates and the swarm's logs begin to suffer."""


@dataclass(frozen=True)
class HostStatus:
    """A host.

    Args:
        name: Its short name.
        up: Whether it answers.
        reading: Its load, memory and disks, if it answers.
        engine: Its engine's version; empty where that does not answer.
        role: `leader`, `manager` or `worker` as the swarm has it, `repository` for a host that is in none.
        containers: The services' containers that run there, or are paused.
        notes: What is worth knowing and no fault.
        problems: What is wrong with it.

    """

    name: str
    up: bool = False
    reading: HostReading | None = None
    engine: str = ""
    role: str = ""
    containers: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class VolumeStatus:
    """A volume on a host.

    Args:
        name: Its name.
        host: The host's short name.
        fill: Its size and its file system; None if that is not known.
        problems: What is wrong with it.

    """

    name: str
    host: str
    fill: VolumeFill | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkStatus:
    """An overlay network.

    Args:
        name: Its name.
        subnets: Its addresses.
        services: How many services are in it.
        problems: What is wrong with it.

    """

    name: str
    subnets: tuple[str, ...]
    services: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class SiteStatus:
    """The status of a site.

    Args:
        hosts: Its hosts.
        services: Its services.
        volumes: Its volumes.
        networks: Its networks.
        swarm: What is wrong with the swarm itself.
        backups: What is wrong with the backups.
        can_tell: Whether at least one host answered.

    """

    hosts: tuple[HostStatus, ...]
    services: tuple[ServiceStatus, ...]
    volumes: tuple[VolumeStatus, ...]
    networks: tuple[NetworkStatus, ...]
    swarm: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    can_tell: bool = True

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, each with the name of what it is wrong with."""
        return [
            *self.swarm,
            *(f"{host.name}: {line}" for host in self.hosts for line in host.problems),
            *(f"{service.name}: {line}" for service in self.services for line in service.problems),
            *(
                f"volume {each.name} on {each.host}: {line}"
                for each in self.volumes
                for line in each.problems
            ),
            *(f"network {each.name}: {line}" for each in self.networks for line in each.problems),
            *self.backups,
        ]


def site_status(stage: Stage, made: Sequence[Host], reading: SiteReading) -> SiteStatus:
    """Return a site's status.

    Args:
        stage: The stage.
        made: Its hosts that are made; the others are problems of their own.
        reading: The readings of these.

    """
    swarm = reading.swarm
    view = SiteView(stage, reading, {} if isinstance(swarm, str) else short_names(stage, swarm))
    known = {host.short for host in made}
    logs = log_problems(stage, reading)
    return SiteStatus(
        hosts=tuple(
            _host(view, host, logs.get(host.short, ()), is_made=host.short in known) for host in stage.hosts
        ),
        services=tuple(service_statuses(view)),
        volumes=tuple(_volumes(view)),
        networks=tuple(_networks(view)),
        swarm=tuple(_swarm(view)),
        backups=tuple(backup_problems(stage, reading)),
        can_tell=any(isinstance(each, HostReading) for each in reading.hosts.values()),
    )


# -- the swarm and its hosts -------------------------------------------------------------------------------------------


def _swarm(view: SiteView) -> Iterator[str]:
    """Yield what is wrong with the swarm itself."""
    if isinstance(view.reading.swarm, str):
        if view.stage.hives:
            yield view.reading.swarm
        return
    managers = [node for node in view.swarm.nodes.values() if node.get("ManagerStatus")]
    answering = [node for node in managers if _answers(view, node)]
    spare = len(answering) - (len(managers) // 2 + 1)
    if len(answering) == len(managers):
        return
    if spare < 0:
        yield (
            f"swarm: {len(answering)} of {len(managers)} managers answer, which is no majority: it can't be changed; "
            "if the others are lost for good: doit recover_swarm keep=HOST"
        )
        return
    yield f"swarm: {len(answering)} of {len(managers)} managers answer each other; " + (
        f"{spare} more may be lost" if spare else "if one more is lost, the swarm can't be changed any more"
    )


def _answers(view: SiteView, node: Json) -> bool:
    """Return whether a manager answers the others, and this machine: a swarm goes on for a while with lost ones."""
    host = view.short_names.get(str(node["ID"]), "")
    return node["ManagerStatus"].get("Reachability") == "reachable" and not isinstance(
        view.reading.engines.get(host), str
    )


def _notes(view: SiteView, host: Host, reading: HostReading | str | None) -> Iterator[str]:
    """Yield what is worth knowing of a host, and no fault."""
    if not isinstance(reading, HostReading):
        return
    if reading.wants_reboot:
        yield _REBOOT
    clock = view.reading.at + view.reading.skew.get(host.short, 0.0)
    work = RepositoryNote.of(reading.jobs).work(clock) if host.is_repository else ""
    if work:
        yield f"its upkeep of the backups is at work for long: {work}"


def _host(view: SiteView, host: Host, logs: Sequence[str], *, is_made: bool) -> HostStatus:
    """Return a host's status; what is wrong with its logs is known."""
    reading, engine = view.reading.hosts.get(host.short), view.reading.engines.get(host.short)
    if not is_made:
        return HostStatus(host.short, problems=("is not made yet (doit build_infra)",))
    node = next(
        (view.swarm.nodes[identity] for identity, short in view.short_names.items() if short == host.short),
        None,
    )
    problems: list[str] = []
    if isinstance(reading, HostReading):
        problems += _full(reading)
        if abs(skew := view.reading.skew.get(host.short, 0.0)) > MOST_SKEW:
            problems.append(
                f"its clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}: see chronyc tracking"
            )
    else:
        problems.append(
            str(reading or "does not answer").removeprefix(f"{host.short}: ").removeprefix(f"{host.short} ")
        )
    if isinstance(engine, EngineReading):
        problems += _membership(host, engine, node)
    elif isinstance(reading, HostReading):
        problems.append(str(engine).removeprefix(f"{host.short}: "))
    problems += logs
    running = [
        container
        for container in (engine.containers if isinstance(engine, EngineReading) else ())
        if container.get("State") in THERE
    ]
    return HostStatus(
        name=host.short,
        up=isinstance(reading, HostReading),
        reading=reading if isinstance(reading, HostReading) else None,
        engine=str((engine.info or {}).get("ServerVersion", "")) if isinstance(engine, EngineReading) else "",
        role=_role(host, node),
        containers=len(running),
        notes=tuple(_notes(view, host, reading)),
        problems=tuple(problems),
    )


def _role(host: Host, node: Json | None) -> str:
    """Return a host's part in the swarm."""
    if node is None:
        return "" if host.is_hive else "repository"
    manager = node.get("ManagerStatus") or {}
    role = "leader" if manager.get("Leader") else "manager" if manager else "worker"
    availability = node["Spec"].get("Availability", "active")
    return role if availability == "active" else f"{role}, {availability}"


def _full(reading: HostReading) -> Iterator[str]:
    """Yield which of a host's disks is full, and whether memory is short."""
    # Docker's directory is mostly on the root's file system.
    by_disk = {(disk.size, disk.used): (path, disk) for path, disk in reversed([*reading.disks.items()])}
    for path, disk in reversed([*by_disk.values()]):
        if disk.fill >= FULL:
            yield f"{path} is {disk.fill:.0%} full"
        if disk.inodes is not None and disk.inodes >= FULL:
            yield f"{path} has used {disk.inodes:.0%} of its inodes"
    if reading.memory and reading.available < LITTLE_MEMORY * reading.memory:
        yield f"{reading.available / reading.memory:.0%} of its memory is left"


def _membership(host: Host, engine: EngineReading, node: Json | None) -> Iterator[str]:
    """Yield what is wrong with a hive as a node of the swarm."""
    if not host.is_hive or engine.info is None:
        return
    swarm = engine.info.get("Swarm") or {}
    state = swarm.get("LocalNodeState", "inactive")
    if state != "active":
        reason = f": {swarm['Error']}" if swarm.get("Error") else ""
        yield f"is not in the swarm ({state}){reason}"
        return
    if node is None:
        return
    status = node.get("Status") or {}
    if status.get("State") not in {"ready", "unknown"}:
        message = f" ({status['Message']})" if status.get("Message") else ""
        yield f"the swarm sees it as {status.get('State')}{message}"
    if node["Spec"].get("Availability", "active") != "active":
        yield f"takes no tasks: its availability is {node['Spec']['Availability']}"


# -- volumes and networks ----------------------------------------------------------------------------------------------


def _volumes(view: SiteView) -> Iterator[VolumeStatus]:
    """Yield each volume on each of its hosts."""
    for name in view.stage.volumes:
        of_docker = view.stage.docker_volume(name)
        for host in view.stage.volume_hosts(name):
            reading, engine = view.reading.hosts.get(host.short), view.reading.engines.get(host.short)
            fill = reading.volumes.get(of_docker) if isinstance(reading, HostReading) else None
            problems = []
            listed = engine.volumes if isinstance(engine, EngineReading) else None
            if listed is not None and of_docker not in listed:
                problems.append("is not there (doit build_volumes)")
            elif fill is not None and fill.disk.fill >= FULL:
                problems.append(f"its file system is {fill.disk.fill:.0%} full")
            yield VolumeStatus(name, host.short, fill, tuple(problems))


def _networks(view: SiteView) -> Iterator[NetworkStatus]:
    """Yield each network."""
    if isinstance(view.reading.swarm, str):
        return
    for name in view.stage.networks:
        network = view.swarm.networks.get(name)
        if network is None:
            yield NetworkStatus(name, (), 0, ("is not there (doit build_networks)",))
            continue
        users = sum(
            any(
                target.get("Target") == network["Id"]
                for target in service["Spec"]["TaskTemplate"].get("Networks") or ()
            )
            for service in view.swarm.services.values()
        )
        subnets = tuple(
            str(each["Subnet"])
            for each in (network.get("IPAM") or {}).get("Config") or ()
            if "Subnet" in each
        )
        yield NetworkStatus(name, subnets, users, () if subnets else ("the swarm has given it no addresses",))
