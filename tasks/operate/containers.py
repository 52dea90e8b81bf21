"""The containers of a service, wherever they are, and the one that a person means."""

import time
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from functools import partial

from model.errors import HostError, ServiceError, SkepError
from model.json_types import Json
from model.labels import SERVICE_LABEL, TASK_ID_LABEL, TASK_NAME_LABEL
from model.stage import Host, Stage
from remote.backup.paused_containers import PAUSED, SAVED, listed_containers, paused_by_others
from remote.mother.questions import begin
from tasks.operate.named_host import no_hosts
from tasks.operate.site_view import RUNNING, THERE
from tasks.run.context import Run

PATIENCE = 8.0
"""Seconds after which a host is said not to answer."""
ENOUGH = 0.5
"""Seconds for which the other hosts' answers are waited for when one has a container that runs."""
ALL = "all"
CREATED = "created"
"""The state of a container that has not been started."""
_SHORTEST_ID = 6
"""Letters of a container's id that are enough to mean it."""
GATEWAY_NETWORK = "docker_gwbridge"
"""The bridge by which a host reaches its containers that are in overlay networks."""


@dataclass(frozen=True)
class ServiceContainer:
    """A container of a service.

    Args:
        service: The service.
        host: Its host.
        id: Its id.
        task: The task's name: `web.2`; of a global service with its host, `web.hive0`.
        state: The engine's word: `running`, `exited`.
        status: The engine's words: `Up 3 hours (healthy)`.
        created: When it was made, in seconds since 1970.
        image: Its image.
        is_saved: Whether it is paused by a backup, which saves its files.

    """

    service: str
    host: Host
    id: str
    task: str
    state: str
    status: str
    created: float
    image: str
    is_saved: bool = False

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self.state == RUNNING

    @property
    def is_there(self) -> bool:
        """Whether it runs, or is paused and goes on where it is."""
        return self.state in THERE

    @property
    def why_not_entered(self) -> str:
        """Why nothing can be done in it; empty if something can, as far as is known."""
        if self.state != PAUSED:
            return ""
        return f"{self.words} " + (
            SAVED if self.is_saved else paused_by_others(self.service, self.id, self.host.short)
        )

    @property
    def has_begun(self) -> bool:
        """Whether it runs or has run: a new container is there for a moment before it starts."""
        return self.state != CREATED

    @property
    def words(self) -> str:
        """Task, host and the first letters of the id, for messages."""
        return f"{self.task} on {self.host.short} ({self.id[:12]})"

    def is_meant(self, task: str | None) -> bool:
        """Return whether a person means it by `task=`: a task's number or name, a host, an id's beginning, or `all`."""
        if task is None or task == ALL:
            return True
        names = (self.task.rpartition(".")[2], self.host.short, self.host.name, self.task)
        return task in names or (len(task) >= _SHORTEST_ID and self.id.startswith(task))


@dataclass(frozen=True)
class ServiceContainers:
    """The containers of a service that were found.

    Args:
        containers: Those on hosts that answered, in the order of tasks, the newest of a task first.
        silent: Why others did not answer, a line for each.
        answered: The short names of the hosts that answered.

    """

    containers: tuple[ServiceContainer, ...]
    silent: tuple[str, ...]
    answered: frozenset[str] = frozenset()

    @property
    def running(self) -> tuple[ServiceContainer, ...]:
        """Those that run."""
        return tuple(each for each in self.containers if each.is_running)

    @property
    def paused(self) -> tuple[ServiceContainer, ...]:
        """Those that are paused."""
        return tuple(each for each in self.containers if each.state == PAUSED)


def find_containers(
    run: Run, service: str, *, patience: float = PATIENCE, enough: float | None = None
) -> ServiceContainers:
    """Ask all hosts that are made for the containers of a service, those that ended as well.

    Args:
        run: The run.
        service: The service.
        patience: Seconds for which a host's answer is waited for.
        enough: Seconds for which others are waited for once one has a container that runs; None is as for all.

    Raises:
        HostError: No host is made, as far as state/ knows.

    """
    hosts = [host for host in run.stage.hives if run.state.host_record(host) is not None]
    if not hosts:
        raise HostError(no_hosts(run.stage, "hive"))
    ends = time.monotonic() + patience
    waiting = {begin(partial(_ask, run, host, service)): host for host in hosts}
    found: list[ServiceContainer] = []
    silent, answered = [], set()
    while waiting and time.monotonic() < ends:
        for answer in wait(waiting, max(0.0, ends - time.monotonic()), FIRST_COMPLETED).done:
            host = waiting.pop(answer)
            try:
                found += answer.result()
                answered.add(host.short)
            except SkepError as error:
                silent.append(str(error))
        if enough is not None and any(each.is_running for each in found):
            ends, enough = min(ends, time.monotonic() + enough), None
    silent += [f"{host.short}: no answer within {patience:.0f} s" for host in waiting.values()]
    ordered = sorted(found, key=lambda each: (_natural(each.task), not each.is_there, -each.created))
    return ServiceContainers(tuple(ordered), tuple(silent), frozenset(answered))


def _ask(run: Run, host: Host, service: str) -> list[ServiceContainer]:
    """Return a service's containers on a host."""
    reader = run.connections.reader(host)
    try:
        listed, saved = listed_containers(
            run.connections.to(host),
            partial(reader.containers, all=True, filters={"label": f"{SERVICE_LABEL}={service}"}),
        )
    finally:
        reader.close()
    return [service_container(host, service, each, saved) for each in listed]


def service_container(
    host: Host, service: str, listed: Json, saved: Collection[str] = ()
) -> ServiceContainer:
    """Return a container of a service from its engine's listing, and the ids of those that a backup has paused."""
    labels = listed.get("Labels") or {}
    # `web.2.<task>`; of a global service `web.<node>.<task>`.
    slot = (
        str(labels.get(TASK_NAME_LABEL, ""))
        .removeprefix(f"{service}.")
        .removesuffix(f".{labels.get(TASK_ID_LABEL)}")
    )
    return ServiceContainer(
        service,
        host,
        str(listed["Id"]),
        f"{service}.{slot if slot.isdecimal() else host.short}",
        str(listed.get("State", "")),
        str(listed.get("Status", "")),
        float(listed.get("Created") or 0),
        str(listed.get("Image", "")),
        is_saved=listed["Id"] in saved,
    )


def _natural(task: str) -> tuple[str, int, str]:
    """Return a key that puts task 10 behind task 2."""
    name, _, slot = task.rpartition(".")
    return (name, int(slot), "") if slot.isdecimal() else (name, 0, slot)


def chosen(found: ServiceContainers, service: str, task: str | None) -> list[ServiceContainer]:
    """Return the containers that a person means: a healthy one that runs, the one of a task, or all that run.

    Args:
        found: The containers of the service.
        service: The service.
        task: A task's number, a host's name, a container's id, or `all`; None for any.

    Raises:
        ServiceError: None of it runs, or there is no such task, or it is paused.

    """
    running = list(found.running)
    meant = [each for each in running if each.is_meant(task)]
    for each in found.paused:
        if not meant and each.is_meant(task):
            raise ServiceError(each.why_not_entered)
    if not running:
        ended = found.containers[0] if found.containers else None
        last = f"; the last one: {ended.words}, {ended.status}" if ended else ""
        raise ServiceError(
            f"{service}: no container of it runs{last}{_silence(found)} (doit status {service})"
        )
    if task == ALL:
        return meant
    if not meant:
        there = ", ".join(f"{each.task} on {each.host.short}" for each in running)
        raise ServiceError(f"{service}: no task {task} runs; there are {there}{_silence(found)}")
    return sorted(meant, key=lambda each: "(healthy)" not in each.status)[:1]


def _silence(found: ServiceContainers) -> str:
    """Return which hosts were not asked with success, in words."""
    return f" ({'; '.join(found.silent)})" if found.silent else ""


def known_service(stage: Stage, name: str, *, or_host: bool = False) -> str:
    """Return a service's name as the swarm has it.

    Args:
        stage: The stage.
        name: The name.
        or_host: Whether a host could have been named as well, for the message.

    Raises:
        ServiceError: The stage has no such service.

    """
    if name not in stage.services:
        there = [*sorted(stage.services), *(host.short for host in stage.hosts if or_host)]
        kind = "service or host" if or_host else "service"
        raise ServiceError(f"stage {stage.name} has no {kind} {name}; there are {', '.join(there) or 'none'}")
    return name


def address_of(run: Run, container: ServiceContainer) -> str:
    """Return the address of a container at which its host reaches it.

    Raises:
        ServiceError: It has none: it is in internal networks only.

    """
    reader = run.connections.reader(container.host)
    try:
        described = reader.container(container.id)
        if described["HostConfig"].get("NetworkMode") == "host":
            return "127.0.0.1"
        gateway = reader.network(GATEWAY_NETWORK).get("Containers") or {}
    finally:
        reader.close()
    addresses = [
        str((gateway.get(container.id) or {}).get("IPv4Address", "")).partition("/")[0],
        *(str(each.get("IPAddress") or "") for name, each in _bridges(described).items()),
    ]
    found = next(filter(None, addresses), "")
    if not found:
        raise ServiceError(
            f"{container.words}: its host can't reach it, since it is in internal networks alone: use `doit exec`"
        )
    return found


def _bridges(described: Json) -> dict[str, Json]:
    """Return the networks of a container that are bridges of its host: those of a swarm have no gateway of the host."""
    networks = described["NetworkSettings"].get("Networks") or {}
    return {name: each for name, each in networks.items() if each.get("Gateway")}
