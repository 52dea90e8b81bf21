"""A site's page, composed of the readings that `doit status` judges and of what `doit list` knows. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from model.history import AT_WORK, HistoryLine
from model.stage import Stage
from tasks.explain.recorded_status import RecordedStatus
from tasks.explain.resource_graph import WORST_FIRST, ResourceGraph, resource_graph
from tasks.operate.host_reading import HostReading
from tasks.operate.service_status import HEALTHY, STARTING, UNHEALTHY, ServiceStatus
from tasks.operate.service_tasks import ServiceTask, service_tasks
from tasks.operate.site_reading import SiteReading, SwarmReading
from tasks.operate.site_status import HostStatus, SiteStatus
from tasks.page.page_data import PageData, PagePhase, PageResource, PageRun
from tasks.page.site_parts import (
    PageDeployment,
    PageHost,
    PageNetwork,
    PageService,
    PageTask,
    PageVolume,
)

_HEALTH = {HEALTHY: "healthy", UNHEALTHY: "unhealthy", STARTING: "starting"}


def site_page(
    stage: Stage, made: Collection[str], reading: SiteReading, status: SiteStatus, past: Sequence[HistoryLine]
) -> PageData:
    """Return what a page shows of the running site: its hosts, services, volumes and networks.

    Args:
        stage: The stage.
        made: The short names of its hosts that are made.
        reading: The readings.
        status: What they mean.
        past: The stage's history, the oldest first.

    """
    tasks = {each.name: list(_tasks(stage, reading, each)) for each in status.services}
    return PageData(
        site=stage.site_name,
        stage=stage.name,
        read_at=reading.at,
        can_tell=status.can_tell,
        is_made=bool(made),
        problems=tuple(status.problems),
        hosts=tuple(
            _host(stage, each, [task for some in tasks.values() for task in some], is_made=each.name in made)
            for each in status.hosts
        ),
        services=tuple(_service(stage, reading, each, tasks[each.name], past) for each in status.services),
        volumes=tuple(
            PageVolume(
                each.name,
                each.host,
                each.fill.size if each.fill else None,
                each.fill.disk.fill if each.fill else None,
                each.problems,
            )
            for each in status.volumes
        ),
        networks=tuple(PageNetwork(each.name, each.subnets, each.problems) for each in status.networks),
        run=_run(past),
    )


def page_phases(
    phases: Mapping[str, str], statuses: Mapping[str, RecordedStatus], before: Mapping[str, Collection[str]]
) -> tuple[PagePhase, ...]:
    """Return the phases with their resources.

    Args:
        phases: Phase to what it does, in order.
        statuses: Task to its status, in the order of the phases.
        before: Task to the tasks that have to be done before it.

    """
    graph = resource_graph(statuses, before, every_step=False)
    counts: dict[str, dict[str, int]] = {name: {} for name in phases}
    for status in WORST_FIRST:
        for each in statuses.values():
            if each.status == status:
                of_phase = counts[each.task.partition(":")[0]]
                of_phase[status] = of_phase.get(status, 0) + 1
    return tuple(_phase(name, words, graph, counts[name]) for name, words in phases.items())


def _phase(name: str, words: str, graph: ResourceGraph, counts: dict[str, int]) -> PagePhase:
    """Return one phase."""
    phase_of = {node.key: node.phase for node in graph.nodes}
    after = {
        phase_of[edge.before]: True
        for edge in graph.edges
        if phase_of[edge.after] == name != phase_of[edge.before]
    }
    return PagePhase(
        name,
        words,
        tuple(each for each in graph.phases if each in after),
        counts,
        tuple(
            PageResource(node.name, node.key, node.status, node.count, node.reasons)
            for node in graph.phases.get(name, ())
        ),
    )


# -- what runs ---------------------------------------------------------------------------------------------------------


def _tasks(stage: Stage, reading: SiteReading, service: ServiceStatus) -> Iterator[tuple[str, PageTask]]:
    """Yield the tasks of a service that are to run, each with its host; an empty one where it has none yet."""
    for task in service_tasks(stage, reading, service.name):
        if task.is_wanted:
            yield task.host, _task(service.name, task)


def _task(service: str, task: ServiceTask) -> PageTask:
    """Return a task."""
    health = next((word for part, word in _HEALTH.items() if part in task.status), "")
    return PageTask(service, task.name, task.state, health, task.since, task.error)


def _host(
    stage: Stage,
    status: HostStatus,
    tasks: Sequence[tuple[str, PageTask]],
    *,
    is_made: bool,
) -> PageHost:
    """Return a host."""
    reading = status.reading if isinstance(status.reading, HostReading) else None
    known = reading if reading is not None and reading.memory else None
    return PageHost(
        name=status.name,
        role=status.role,
        is_repository=status.name == stage.repository_short,
        is_made=is_made,
        is_up=status.up,
        engine=status.engine,
        load=reading.load[0] if reading is not None and reading.load else None,
        cpus=reading.cpus if reading is not None else None,
        memory=known.memory if known else None,
        memory_used=known.memory - known.available if known else None,
        disk=max((each.fill for each in reading.disks.values()), default=None) if reading else None,
        uptime=reading.uptime if reading is not None else None,
        tasks=tuple(task for host, task in tasks if host == status.name),
        notes=status.notes,
        problems=status.problems,
    )


def _service(
    stage: Stage,
    reading: SiteReading,
    status: ServiceStatus,
    tasks: Sequence[tuple[str, PageTask]],
    past: Sequence[HistoryLine],
) -> PageService:
    """Return a service."""
    defined = stage.services.get(status.name)
    mounts = defined.volumes if defined is not None else ()
    return PageService(
        name=status.name,
        mode=status.mode,
        wanted=status.wanted,
        running=status.running,
        healthy=status.healthy,
        since=status.since,
        revision=status.revision,
        is_pinned=status.pinned,
        image=status.image,
        networks=_networks(stage, reading, status.name),
        volumes=tuple(
            dict.fromkeys(
                mount.source for mount in mounts if mount.type == "volume" and mount.source is not None
            )
        ),
        deployed=_deployment(status, past),
        waiting=tuple(task for host, task in tasks if not host),
        notes=status.notes,
        problems=status.problems,
    )


def _networks(stage: Stage, reading: SiteReading, service: str) -> tuple[str, ...]:
    """Return the networks that a service is in: as the swarm has it, else as site.toml does."""
    if isinstance(reading.swarm, SwarmReading):
        found = reading.swarm.services.get(service)
        template = found["Spec"]["TaskTemplate"] if found else {}
        joined = {each.get("Target") for each in template.get("Networks") or ()}
        return tuple(name for name, each in reading.swarm.networks.items() if each["Id"] in joined)
    defined = stage.services.get(service)
    return tuple(stage.networks_of(defined)) if defined is not None else ()


def _deployment(status: ServiceStatus, past: Sequence[HistoryLine]) -> PageDeployment | None:
    """Return the run that gave a service its present revision."""
    if status.revision is None:
        return None
    for line in reversed(past):
        if line.revisions.get(status.name) == status.revision:
            return PageDeployment(line.who, line.began, line.commit, line.is_dirty, line.job)
    return None


def _run(past: Sequence[HistoryLine]) -> PageRun | None:
    """Return the run that is at work."""
    last = past[-1] if past else None
    if last is None or last.outcome != AT_WORK:
        return None
    return PageRun(last.who, last.command, last.began)
