"""The parts of a site as its page shows them. Times are seconds since 1970, sizes bytes. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PageTask:
    """A task that is to run: one container of a service.

    Args:
        service: The service.
        name: Its slot, `web.2`, or `web.hive0`.
        state: The swarm's word, `unknown` where its host does not answer, `lost` where it has no container, `paused`
            where that is.
        health: `healthy`, `unhealthy` or `starting`; empty without a health check.
        since: When it came into this state; None if that is not known.
        error: Why it does not run.

    """

    service: str
    name: str
    state: str
    health: str = ""
    since: float | None = None
    error: str = ""

    @property
    def is_well(self) -> bool:
        """Whether it does what it is to do."""
        is_saved = self.state == "paused" and not self.error
        return (self.state in {"running", "complete"} or is_saved) and self.health != "unhealthy"


@dataclass(frozen=True)
class PageHost:
    """A host.

    Args:
        name: Its short name.
        role: `leader`, `manager`, `worker` or `repository`; empty where the swarm does not say.
        is_repository: Whether it keeps images and backups.
        is_made: Whether it was made, as far as this checkout knows.
        is_up: Whether it answers.
        engine: The version of its Docker Engine; empty where that does not answer.
        load: The load of the last minute; None where it is not known, as the four below.
        cpus: Its processors.
        memory: Its memory.
        memory_used: What of it programs can't have any more.
        disk: The share of its fullest disk that is used, 0 to 1.
        uptime: Seconds since it was started.
        tasks: The tasks on it that are to run.
        notes: What is worth knowing and no fault.
        problems: What is wrong.

    """

    name: str
    role: str = ""
    is_repository: bool = False
    is_made: bool = True
    is_up: bool = False
    engine: str = ""
    load: float | None = None
    cpus: int | None = None
    memory: int | None = None
    memory_used: int | None = None
    disk: float | None = None
    uptime: float | None = None
    tasks: tuple[PageTask, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class PageDeployment:
    """The run that gave a service its present revision.

    Args:
        who: Who ran it, as `alice@laptop`.
        began: When, as `2026-11-29T17:00:00Z`.
        commit: The commit of the site; empty if it is not known.
        is_dirty: Whether the site had changes that were in no commit.
        job: The address of the CI job that ran it; empty if a person did.

    """

    who: str
    began: str
    commit: str = ""
    is_dirty: bool = False
    job: str = ""


@dataclass(frozen=True)
class PageService:
    """A service.

    Args:
        name: Its name.
        mode: As site.toml has it.
        wanted: How many tasks are to run; of a job, to have run.
        running: How many do.
        healthy: How many its health check calls so; None without one.
        since: When the youngest of its containers was made.
        revision: The number of its revision; None before the first good deployment.
        is_pinned: Whether it was rolled back and stays so.
        image: Its image.
        networks: The networks that it is in.
        volumes: The volumes that it mounts.
        deployed: The run that gave it its revision; None where the history does not have it.
        waiting: Its tasks that no host has yet.
        notes: What is worth knowing and no fault.
        problems: What is wrong.

    """

    name: str
    mode: str
    wanted: int
    running: int
    healthy: int | None = None
    since: float | None = None
    revision: int | None = None
    is_pinned: bool = False
    image: str = ""
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    deployed: PageDeployment | None = None
    waiting: tuple[PageTask, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class PageVolume:
    """A volume on a host.

    Args:
        name: Its name.
        host: The host.
        size: The bytes in it; None where they can't be counted quickly.
        disk: The share of its file system that is used, 0 to 1; None if that is not known.
        problems: What is wrong.

    """

    name: str
    host: str
    size: int | None = None
    disk: float | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class PageNetwork:
    """A network between services.

    Args:
        name: Its name.
        subnets: Its addresses.
        problems: What is wrong.

    """

    name: str
    subnets: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
