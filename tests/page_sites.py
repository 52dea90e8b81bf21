"""Sites whose page is drawn in tests: readings made up as hosts give them, judged and composed by skep's own code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from model.history import AT_WORK, HistoryLine
from model.labels import REVISION_LABEL, SERVICE_LABEL, TASK_ID_LABEL
from model.site_file.load import load, select
from model.stage import Stage
from tasks.explain.recorded_status import FOLLOWS, RecordedStatus
from tasks.explain.status import FAILED, NEVER, STALE, UP_TO_DATE
from tasks.operate.host_reading import FileSystem, HostReading, VolumeFill
from tasks.operate.site_reading import EngineReading, SiteReading, SwarmReading
from tasks.operate.site_status import site_status
from tasks.page.page_backups import page_backups
from tasks.page.page_data import (
    PageAlarm,
    PageChart,
    PageData,
    PageLog,
    PageLogLine,
    PageSeries,
    PageSource,
    Unread,
)
from tasks.page.site_page import page_phases, site_page

AT = 1_796_040_000.0
"""When all readings are taken: 2026-11-30 12:00 UTC."""
HEAD = """\
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
number_of_hosts = {hosts}
separate_repository = false
"""
PHASES = {
    "build_infra": "make the hosts, and the networks and disks that they need",
    "setup_hosts": "set up each host in small steps, and join the hives into a swarm",
    "build_images": "build the container images, one layer for each role",
    "build_networks": "make the overlay networks",
    "build_volumes": "make the volumes on the hosts that hold them",
    "deploy_services": "deploy the services, and wait until they run",
    "initialize_services": "load first data with scripts inside the running services",
}


@dataclass(frozen=True)
class Wanted:
    """A service of a made-up site.

    Args:
        name: Its name.
        places: Task number to the number of the host that it is on.
        networks: Its networks.
        volumes: Its volumes.
        health: The engine's words on its containers' health.
        update: The swarm's word on its last update.

    """

    name: str
    places: Mapping[int, int]
    networks: Sequence[str] = ()
    volumes: Sequence[str] = ()
    health: str = ""
    update: str = ""


@dataclass(frozen=True)
class MadeUp:
    """A made-up site.

    Args:
        hosts: How many hosts it has.
        services: Its services.
        volumes: Volume to the number of its host.
        networks: Its networks.
        silent: The numbers of the hosts that don't answer.
        past: Its history.

    """

    hosts: int
    services: Sequence[Wanted] = ()
    volumes: Mapping[str, int] = field(default_factory=dict)
    networks: Sequence[str] = ()
    silent: frozenset[int] = frozenset()
    past: Sequence[HistoryLine] = ()

    def stage(self, directory: Path) -> Stage:
        """Return its stage, read from a site.toml in a directory."""
        lines = [HEAD.format(hosts=self.hosts)]
        lines += [f"[networks.{name}]" for name in self.networks]
        lines += [
            f'[volumes.{name}]\nhosts = ["hive{host}"]\nbackup = false' for name, host in self.volumes.items()
        ]
        lines += ['[images.web]\nfrom = "debian:12"'] if self.services else []
        for each in self.services:
            mounts = ", ".join(f'{{ source = "{name}", target = "/{name}" }}' for name in each.volumes)
            lines.append(
                f'[services.{each.name}]\nimage = "web"\nreplicas = {len(each.places)}\nendpoint_mode = "dnsrr"\n'
                f"networks = {list(each.networks)!r}\nvolumes = [{mounts}]"
            )
        path = directory / "site.toml"
        path.write_text("\n".join(lines) + "\n")
        return select(load(path), "private")

    def reading(self, stage: Stage) -> SiteReading:
        """Return its readings."""
        up = [n for n in range(self.hosts) if n not in self.silent]
        return SiteReading(
            hosts={f"hive{n}": self._host(stage, n) for n in up}
            | {f"hive{n}": f"hive{n} does not answer within 8 s" for n in self.silent},
            engines={f"hive{n}": self._engine(stage, n) for n in up}
            | {f"hive{n}": f"hive{n}: its Docker Engine does not answer" for n in self.silent},
            swarm=SwarmReading(
                manager=f"hive{up[0]}",
                nodes={f"node{n}": self._node(n) for n in range(self.hosts)},
                services={each.name: _service(each) for each in self.services},
                tasks={f"id-{each.name}": [*_tasks(each)] for each in self.services},
                networks={
                    name: {"Id": name, "Name": name, "IPAM": {"Config": [{"Subnet": f"10.0.{n}.0/24"}]}}
                    for n, name in enumerate(stage.networks, 1)
                },
            )
            if up
            else "no manager of the swarm answers",
            at=AT,
        )

    def page(self, directory: Path) -> PageData:
        """Return what its page shows of what runs."""
        stage = self.stage(directory)
        reading = self.reading(stage)
        status = site_status(stage, stage.hosts, reading)
        return site_page(stage, {host.short for host in stage.hosts}, reading, status, self.past)

    def _host(self, stage: Stage, n: int) -> HostReading:
        disk = FileSystem(250 * 10**9, (40 + 13 * n) * 10**9, (210 - 13 * n) * 10**9, 0.1)
        fills = {
            stage.docker_volume(name): VolumeFill(disk, 3 * 10**8)
            for name, host in self.volumes.items()
            if host == n
        }
        return HostReading(
            clock=AT,
            load=(0.42 + n / 4,),
            cpus=4,
            uptime=86_400.0 * (3 + n),
            memory=8 * 10**9,
            available=5 * 10**9,
            disks={"/": disk},
            volumes=fills,
        )

    def _engine(self, stage: Stage, n: int) -> EngineReading:
        containers = [
            {
                "Id": f"{each.name}-{number}",
                "State": "running",
                "Status": f"Up 3 hours {each.health}".rstrip(),
                "Created": AT - 10_800,
                "Labels": {SERVICE_LABEL: each.name, TASK_ID_LABEL: f"{each.name}-{number}"},
            }
            for each in self.services
            for number, host in each.places.items()
            if host == n
        ]
        volumes = frozenset(stage.docker_volume(name) for name, host in self.volumes.items() if host == n)
        return EngineReading(
            {"ServerVersion": "26.1.5", "Swarm": {"LocalNodeState": "active", "ControlAvailable": True}},
            containers,
            volumes,
        )

    def _node(self, n: int) -> dict[str, Any]:
        is_silent = n in self.silent
        return {
            "ID": f"node{n}",
            "Spec": {"Role": "manager", "Availability": "active", "Labels": {}},
            "Description": {"Hostname": f"p-hive{n}.example"},
            "Status": {"State": "down" if is_silent else "ready"},
            "ManagerStatus": {
                "Leader": n == 0,
                "Reachability": "unreachable" if is_silent else "reachable",
            },
        }


def _service(each: Wanted) -> dict[str, Any]:
    image = f"p-hive2.example:5000/{each.name}:{'a' * 64}@sha256:{'b' * 64}"
    return {
        "ID": f"id-{each.name}",
        "Spec": {
            "Name": each.name,
            "Labels": {REVISION_LABEL: "4"},
            "Mode": {"Replicated": {"Replicas": len(each.places)}},
            "TaskTemplate": {
                "ContainerSpec": {"Image": image},
                "Networks": [{"Target": name} for name in each.networks],
            },
        },
        "UpdateStatus": {"State": each.update} if each.update else {},
    }


def _tasks(each: Wanted) -> list[dict[str, Any]]:
    """Return a service's tasks; those of host -1 wait for a place."""
    return [
        {
            "ID": f"{each.name}-{number}",
            "Slot": number,
            "NodeID": "" if host < 0 else f"node{host}",
            "DesiredState": "running",
            "Spec": _service(each)["Spec"]["TaskTemplate"],
            "Status": {
                "State": "pending" if host < 0 else "running",
                "Timestamp": "2026-11-30T09:00:00.000000000Z",
                **({"Err": "no suitable node (1 node is down)"} if host < 0 else {}),
            },
        }
        for number, host in each.places.items()
    ]


# -- the sites ---------------------------------------------------------------------------------------------------------

SMALL = (
    Wanted("proxy", {1: 0, 2: 1, 3: 2}, ("front", "back"), (), "(healthy)"),
    Wanted("wiki", {1: 0, 2: 2}, ("back",), ("uploads",)),
    Wanted("database", {1: 0}, ("back",), ("tables", "uploads"), "(healthy)"),
    Wanted("mail", {1: 1}, ("front",), ("letters",)),
)
VOLUMES = {"tables": 0, "uploads": 0, "letters": 1}
PAST = (
    HistoryLine(
        who="alice@laptop",
        command="doit",
        began="2026-11-29T17:00:00Z",
        ended="2026-11-29T17:01:00Z",
        commit="1f2e3d4c5b6a",
        outcome="done",
        revisions={"proxy": 4, "wiki": 4, "database": 3},
    ),
    HistoryLine(
        who="gitlab",
        command="doit",
        job="https://ci.example/jobs/7",
        began="2026-11-30T08:59:00Z",
        ended="2026-11-30T09:01:00Z",
        commit="9a8b7c6d5e4f",
        is_dirty=True,
        outcome="done",
        revisions={"mail": 4, "database": 4},
    ),
)
WELL = MadeUp(3, SMALL, VOLUMES, ("front", "back"), past=PAST)
DEAD_HOST = replace(
    WELL,
    silent=frozenset({1}),
    services=(*SMALL, Wanted("search", {1: 2, 2: -1}, ("back",))),
)
DEPLOYING = replace(
    WELL,
    services=(
        replace(SMALL[0], update="updating", health="(health: starting)"),
        *SMALL[1:],
    ),
    past=(
        *PAST,
        HistoryLine(
            who="bob@desk",
            command="doit deploy_services",
            began="2026-11-30T11:59:30Z",
            outcome=AT_WORK,
        ),
    ),
)
EMPTY = MadeUp(3)
LARGE = MadeUp(
    5,
    tuple(
        Wanted(
            f"service-{n:02}",
            {number: (n + number) % 5 for number in range(1, 5)},
            (f"net-{n % 4}",),
            (f"data-{n:02}",) if n % 5 == 0 else (),
        )
        for n in range(50)
    ),
    {f"data-{n:02}": (n + 1) % 5 for n in range(0, 50, 5)},
    tuple(f"net-{n}" for n in range(4)),
)
MANY_NETWORKS = MadeUp(
    3,
    tuple(
        Wanted(
            f"service-{n:02}",
            {1: n % 3},
            (f"net-{n:02}", f"net-{(n + 7) % 50:02}"),
            ("data",) if n % 10 == 0 else (),
        )
        for n in range(50)
    ),
    {"data": 0},
    tuple(f"net-{n:02}" for n in range(50)),
)
HOSTILE = '<script>document.title = "taken"</script><img src=x onerror="document.title=1">"\'&\x1b[31m\u202e'
"""What a service may write into its log, or an alarm may say."""


def whole(page: PageData) -> PageData:
    """Return a page with all of its other parts: phases, backups, alarms, metrics, logs."""
    times = tuple(AT - 60 * (120 - n) for n in range(121))
    shorts = [host.name for host in page.hosts]
    return replace(
        page,
        phases=page_phases(PHASES, *recorded([each.name for each in page.services], shorts)),
        backups=page_backups(
            [each.name for each in page.services][:3],
            [
                _generation(
                    "proxy", "2026-11-28T01:00:00+00:00", {"at": "2026-11-29T02:00:00+00:00", "ok": True}
                ),
                _generation("proxy", "2026-11-30T01:00:00+00:00", None),
                _generation(
                    "wiki",
                    "2026-11-30T01:00:10+00:00",
                    {"at": "2026-11-30T02:00:00+00:00", "ok": False, "why": "restore_command ended with 1"},
                ),
            ],
        ),
        alarms=(
            PageAlarm(
                "ServiceShort",
                "2026-11-30T11:40:00Z",
                "wiki has 1 of 2 tasks",
                "",
                "wiki",
                "doit status wiki",
            ),
            PageAlarm(
                "DiskFills", "2026-11-30T10:00:00Z", HOSTILE, "hive2", is_silenced=True, quiet="silenced"
            ),
        ),
        charts=(
            PageChart(
                "load",
                "Load of each processor",
                "",
                times,
                tuple(
                    PageSeries(short, tuple(0.3 + n / 5 + (k * 7 % 11) / 40 for k in range(121)))
                    for n, short in enumerate(shorts)
                ),
            ),
            PageChart(
                "memory",
                "Memory used",
                "percent",
                times,
                tuple(
                    PageSeries(
                        short, tuple(None if 40 < k < 60 and n == 1 else 0.3 + n / 10 for k in range(121))
                    )
                    for n, short in enumerate(shorts)
                ),
            ),
        ),
        logs=(
            PageLog(
                "wiki",
                "1 of 2 tasks run",
                (
                    PageLogLine(
                        "2026-11-30T11:39:58.000000000Z", "wiki.1", "Traceback (most recent call last):"
                    ),
                    PageLogLine("2026-11-30T11:39:59.000000000Z", "wiki.1", HOSTILE),
                ),
                since="2026-11-30T11:40:00Z",
            ),
        ),
        sources={name: PageSource(AT) for name in ("history", "backups", "alarms", "charts")},
        unread=(Unread("History", "hive2 does not answer"),),
    )


def _generation(service: str, time: str, test: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "id": f"{service[:3]}3f2a9c41",
        "service": service,
        "host": "hive0",
        "time": time,
        "bytes": 12_345_678,
        "test": test,
    }


def recorded(
    services: Sequence[str], hosts: Sequence[str]
) -> tuple[dict[str, RecordedStatus], dict[str, list[str]]]:
    """Return resources with their statuses, of which some are not up to date, and their order."""
    found = [RecordedStatus(f"build_infra:{short}", short, "", UP_TO_DATE) for short in hosts]
    found += [RecordedStatus(f"setup_hosts:{short}.docker", short, "", UP_TO_DATE) for short in hosts]
    set_up = [each.task for each in found if each.task.startswith("setup_hosts")]
    if services:
        first, *others = services
        found += [
            RecordedStatus("build_images:web", "", "", STALE, ("roles/web/setup.sh changed",)),
            RecordedStatus("build_networks:site", "", "", UP_TO_DATE),
            RecordedStatus("build_volumes:data@hive0", "hive0", "", UP_TO_DATE),
            RecordedStatus(f"deploy_services:{first}", "", "", FOLLOWS, ("build_images:web is stale",)),
            *(RecordedStatus(f"deploy_services:{name}", "", "", UP_TO_DATE) for name in others[:-1]),
            RecordedStatus(f"deploy_services:{services[-1]}", "", "", FAILED, ("its last run failed",)),
            RecordedStatus("initialize_services:first", "", "", NEVER),
        ]
    statuses = {each.task: each for each in found}
    built = ("build_images:web", "build_networks:site", "build_volumes:data@hive0")
    before: dict[str, list[str]] = {
        name: [f"build_infra:{statuses[name].host}"] if name.startswith("setup_hosts") else []
        for name in statuses
    }
    for name in statuses:
        if name in built:
            before[name] = set_up
        elif name.startswith("deploy_services"):
            before[name] = [*built]
        elif name.startswith("initialize_services"):
            before[name] = [f"deploy_services:{services[0]}"]
    return statuses, before
