"""The status of a site, as its readings tell."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from model.json_types import Json
from model.labels import (
    BACKUP_STOP_LABEL,
    ONE_OFF_LABEL,
    PINNED_LABEL,
    REVISION_LABEL,
    SERVICE_LABEL,
    SPEC_LABEL,
    TASK_ID_LABEL,
)
from model.moments import engine_moment
from model.site_file.load import load, select
from model.stage import Stage
from model.swarm.scaled import scale_labels
from remote.swarm.spec import spec_digest
from tasks.operate.host_reading import FileSystem, HostReading, VolumeFill
from tasks.operate.service_tasks import service_tasks
from tasks.operate.site_reading import EngineReading, SiteReading, SwarmReading
from tasks.operate.site_status import SiteStatus, site_status

SITE = """\
site = "example"

[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
number_of_hosts = 3
separate_repository = false

[networks.back]

[volumes.data]
hosts = ["hive1"]

[images.web]
from = "debian:12"

[services.web]
image = "web"
replicas = 2
endpoint_mode = "dnsrr"
volumes = [{ source = "data", target = "/data" }]

[services.each]
image = "web"
mode = "global"
endpoint_mode = "dnsrr"
"""
DISK = FileSystem(1000, 100, 900, 0.1)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return a stage of three hives."""
    path = tmp_path_factory.mktemp("site") / "site.toml"
    path.write_text(SITE)
    return select(load(path), "private")


def node(n: int, *, state: str = "ready", availability: str = "active", reachable: bool = True) -> Json:
    """Return a node, which is a manager."""
    return {
        "ID": f"node{n}",
        "Spec": {"Role": "manager", "Availability": availability, "Labels": {}},
        "Description": {"Hostname": f"p-hive{n}.example"},
        "Status": {"State": state},
        "ManagerStatus": {"Leader": n == 0, "Reachability": "reachable" if reachable else "unreachable"},
    }


def service(name: str, mode: Json, **labels: str) -> Json:
    """Return a service of the swarm."""
    image = f"p-hive2.example:5000/web:{'a' * 64}@sha256:{'b' * 64}"
    template = {"ContainerSpec": {"Image": image}, "Networks": [{"Target": "net"}]}
    return {
        "ID": f"id-{name}",
        "Spec": {"Name": name, "Mode": mode, "TaskTemplate": template, "Labels": labels},
    }


def task(
    name: str, number: int, on: int | None, *, state: str = "running", error: str = "", wanted: bool = True
) -> Json:
    """Return a task."""
    return {
        "ID": f"{name}-{number}-{state}",
        "Slot": number,
        "ServiceID": f"id-{name}",
        "NodeID": "" if on is None else f"node{on}",
        "DesiredState": "running" if wanted else "shutdown",
        "Status": {"State": state, "Err": error, "Timestamp": f"2026-11-29T01:00:0{number}.5Z"},
    }


def container(name: str, number: int, *, state: str = "running", status: str = "Up 3 hours") -> Json:
    """Return a container of a task, as the host's engine lists it."""
    return {
        "Id": f"{name}{number}" + "0" * 60,
        "State": state,
        "Status": status,
        "Created": 1000 + number,
        "Labels": {SERVICE_LABEL: name, TASK_ID_LABEL: f"{name}-{number}-running"},
    }


def engine(*containers: Json, volumes: tuple[str, ...] = (), swarm: str = "active") -> EngineReading:
    """Return an engine's readings."""
    return EngineReading(
        {"ServerVersion": "26.1.5", "Swarm": {"LocalNodeState": swarm}}, containers, frozenset(volumes)
    )


def well(**changes: Any) -> SiteReading:
    """Return the readings of a site that runs well, with changes."""
    host = HostReading(cpus=2, load=(0.5,), memory=1000, available=500, disks={"/": DISK})
    whole = SiteReading(
        hosts={
            "hive0": host,
            "hive1": replace(host, volumes={"data": VolumeFill(DISK, 50)}),
            "hive2": host,
        },
        engines={
            "hive0": engine(container("web", 1), container("each", 1)),
            "hive1": engine(container("web", 2), container("each", 2), volumes=("data",)),
            "hive2": engine(container("each", 3)),
        },
        swarm=SwarmReading(
            manager="hive0",
            nodes={f"node{n}": node(n) for n in range(3)},
            services={
                "web": service("web", {"Replicated": {"Replicas": 2}}, **{REVISION_LABEL: "4"}),
                "each": service("each", {"Global": {}}),
            },
            tasks={
                "id-web": [task("web", 1, 0), task("web", 2, 1)],
                "id-each": [task("each", n + 1, n) for n in range(3)],
            },
            networks={"back": {"Id": "net", "Name": "back", "IPAM": {"Config": [{"Subnet": "10.0.1.0/24"}]}}},
        ),
    )
    return replace(whole, **changes)


def status_of(stage: Stage, reading: SiteReading) -> SiteStatus:
    """Return the status of a stage whose hosts are all made."""
    return site_status(stage, stage.hosts, reading)


def changed(reading: SiteReading, **changes: Any) -> SiteReading:
    """Return readings with changes in the swarm's."""
    assert isinstance(reading.swarm, SwarmReading)
    return replace(reading, swarm=replace(reading.swarm, **changes))


def test_a_site_that_runs_well(stage: Stage) -> None:
    """Nothing is wrong; each thing is there with its numbers."""
    status = status_of(stage, well())
    web, each = status.services

    assert status.problems == []
    assert [host.role for host in status.hosts] == ["leader", "manager", "manager"]
    assert [host.containers for host in status.hosts] == [2, 2, 1]
    assert (web.wanted, web.running, web.revision, web.pinned) == (2, 2, 4, False)
    assert web.image == f"web@{'b' * 12}"
    assert web.hosts == {"hive0": 1, "hive1": 1}
    assert web.since == 1002
    assert (each.wanted, each.running, each.healthy) == (3, 3, None)
    assert [(volume.name, volume.host, volume.fill) for volume in status.volumes] == [
        ("data", "hive1", VolumeFill(DISK, 50))
    ]
    assert [(network.subnets, network.services) for network in status.networks] == [(("10.0.1.0/24",), 2)]


def test_tasks_of_a_host_that_is_silent_do_not_count(stage: Stage) -> None:
    """The swarm may go on to call them running: they are missing, with the host's name."""
    reading = well()
    reading = replace(
        reading,
        hosts={**reading.hosts, "hive1": "hive1 does not answer within 8 s"},
        engines={**reading.engines, "hive1": "hive1: its Docker Engine does not answer within 8 s"},
    )
    status = status_of(stage, reading)

    assert [service.running for service in status.services] == [1, 2]
    assert "web: 1 of 2 tasks run (1 on hive1, which does not answer)" in status.problems
    assert "each: 2 of 3 tasks run (1 on hive1, which does not answer)" in status.problems
    assert "hive1: does not answer within 8 s" in status.problems
    assert not status.hosts[1].up
    tasks = service_tasks(stage, reading, "web")
    assert [(each.name, each.state, each.host) for each in tasks] == [
        ("web.1", "running", "hive0"),
        ("web.2", "unknown", "hive1"),
    ]


def test_a_task_without_a_container(stage: Stage) -> None:
    """A host that answers, and has no container of a task that the swarm calls running, has lost it."""
    reading = well()
    reading = replace(reading, engines={**reading.engines, "hive0": engine(container("each", 1))})

    assert status_of(stage, reading).services[0].running == 1
    [lost] = [each for each in service_tasks(stage, reading, "web") if each.name == "web.1"]
    assert (lost.state, lost.error) == ("lost", "hive0 has no container of it that runs")


@pytest.mark.parametrize("is_swarm_known", [True, False])
def test_a_task_that_is_paused(stage: Stage, *, is_swarm_known: bool) -> None:
    """It is there, and no task is lost; only one that no backup has paused is wrong, with the way out."""
    one = container("web", 1, state="paused", status="Up 3 hours (Paused)")
    first = engine(one, container("each", 1))
    swarm = well().swarm if is_swarm_known else "no manager of the swarm answers"
    by_backup, by_somebody = (
        well(swarm=swarm, engines={**well().engines, "hive0": replace(first, saved=saved)})
        for saved in (frozenset({one["Id"]}), frozenset({"another"}))
    )
    why = (
        "is paused, and by no backup: on hive0, docker unpause web100000000 has it go on; doit restart web has a new "
        "one"
    )

    saved, odd = (status_of(stage, reading) for reading in (by_backup, by_somebody))

    assert (saved.services[0].running, saved.services[0].hosts) == (2, {"hive0": 1, "hive1": 1})
    assert saved.services[0].notes == ("is paused while its files are saved, and goes on then",)
    assert saved.services[0].problems == ()
    assert saved.hosts[0].containers == 2
    assert (odd.services[0].running, odd.services[0].notes) == (2, ())
    assert odd.services[0].problems == (f"hive0: its container {why}",)
    for reading, error in ((by_backup, ""), (by_somebody, why)):
        [task] = [each for each in service_tasks(stage, reading, "web") if each.host == "hive0"]
        assert (task.state, task.is_wanted, task.error) == ("paused", True, error)


def test_why_fewer_tasks_run(stage: Stage) -> None:
    """The newest error of a task that does not run is the reason."""
    reading = well()
    reading = replace(
        reading, engines={**reading.engines, "hive1": engine(container("each", 2), volumes=("data",))}
    )
    tasks = {
        "id-web": [
            task("web", 1, 0),
            task("web", 2, 1, state="failed", error="task: non-zero exit (1)", wanted=False),
            task("web", 3, None, state="pending", error="no suitable node"),
        ],
        "id-each": [task("each", n + 1, n) for n in range(3)],
    }
    status = status_of(stage, changed(reading, tasks=tasks))

    assert status.problems == ["web: 1 of 2 tasks run (no suitable node)"]


@pytest.mark.parametrize(
    ("words", "healthy", "problems"),
    [
        ("Up 3 hours (healthy)", 1, []),
        ("Up 2 seconds (health: starting)", 0, []),
        ("Up 3 hours (unhealthy)", 0, ["web: 1 of 2 containers are unhealthy (doit logs web)"]),
    ],
)
def test_health(stage: Stage, words: str, healthy: int, problems: list[str]) -> None:
    """Only what its check calls healthy counts as such; what it calls unhealthy is wrong."""
    reading = well()
    first = engine(container("web", 1, status=words), container("each", 1))
    status = status_of(stage, replace(reading, engines={**reading.engines, "hive0": first}))

    assert status.services[0].healthy == healthy
    assert status.problems == problems


def test_no_manager_answers(stage: Stage) -> None:
    """What the hosts have is still counted, against site.toml; that there is no manager is wrong."""
    status = status_of(stage, well(swarm="no manager of the swarm answers: hive0: no leader"))

    assert status.problems == ["no manager of the swarm answers: hive0: no leader"]
    assert [(each.running, each.wanted) for each in status.services] == [(2, 2), (3, 3)]
    assert status.networks == ()
    sick = engine(container("web", 1, status="Up 2 min (unhealthy)"), container("each", 1))
    reading = well(swarm="no manager answers")
    status = status_of(stage, replace(reading, engines={**reading.engines, "hive0": sick, "hive1": "silent"}))
    assert status.problems[-3:] == [
        "web: 1 of 2 tasks run, as the hosts that answer say",
        "web: 1 of 1 containers are unhealthy (doit logs web)",
        "each: 2 of 3 tasks run, as the hosts that answer say",
    ]


def test_a_host_is_away_and_no_manager_answers(stage: Stage) -> None:
    """Which services are short of tasks is said by the hosts that answer; their engines may not know the swarm."""
    reading = well(swarm="no manager of the swarm answers")
    lost = "hive1: its Docker Engine does not answer within 8 s"
    waits = EngineReading(None, (container("web", 1), container("each", 1)), None)
    reading = replace(reading, engines={**reading.engines, "hive0": waits, "hive1": lost})
    status = status_of(stage, reading)

    assert "web: 1 of 2 tasks run, as the hosts that answer say" in status.problems
    assert "each: 2 of 3 tasks run, as the hosts that answer say" in status.problems
    assert (status.hosts[0].engine, status.hosts[0].containers, status.hosts[0].problems) == ("", 2, ())


def test_managers_that_the_leader_does_not_miss_yet(stage: Stage) -> None:
    """The hosts that don't answer this machine count: the leader goes on listing them as reachable for a while."""
    gone = "hive1: its Docker Engine does not answer within 8 s"
    one = replace(well(), engines={**well().engines, "hive1": gone})
    two = replace(one, engines={**one.engines, "hive2": gone})

    assert any("2 of 3 managers answer each other" in line for line in status_of(stage, one).problems)
    assert (
        "swarm: 1 of 3 managers answer, which is no majority: it can't be changed; if the others are lost for good: "
        "doit recover_swarm keep=HOST"
    ) in status_of(stage, two).problems


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        (
            [node(0), node(1), node(2, reachable=False)],
            "swarm: 2 of 3 managers answer each other; if one more is lost, ",
        ),
        ([node(0), node(1), node(2, state="down")], "hive2: the swarm sees it as down"),
        (
            [node(0), node(1), node(2, availability="drain")],
            "hive2: takes no tasks: its availability is drain",
        ),
    ],
)
def test_nodes(stage: Stage, nodes: list[Json], problem: str) -> None:
    """A manager that the others don't reach, a node that is down, and one that takes no tasks are wrong."""
    reading = changed(well(), nodes={each["ID"]: each for each in nodes})

    assert any(line.startswith(problem) for line in status_of(stage, reading).problems)


def test_a_drained_hive_is_to_run_no_task_of_a_global_service(stage: Stage) -> None:
    """It does not count; one that is down does."""
    nodes = {each["ID"]: each for each in (node(0), node(1, availability="drain"), node(2, state="down"))}

    assert status_of(stage, changed(well(), nodes=nodes)).services[1].wanted == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"disks": {"/": FileSystem(1000, 950, 50)}}, "hive0: / is 95% full"),
        ({"disks": {"/": FileSystem(1000, 10, 990, 0.97)}}, "hive0: / has used 97% of its inodes"),
        ({"available": 10}, "hive0: 1% of its memory is left"),
    ],
)
def test_a_host_that_is_full(stage: Stage, change: dict[str, Any], problem: str) -> None:
    """A full disk, used-up inodes and little memory are wrong."""
    reading = well()
    host = reading.hosts["hive0"]
    assert isinstance(host, HostReading)
    full = replace(reading, hosts={**reading.hosts, "hive0": replace(host, **change)})

    assert status_of(stage, full).problems == [problem]


def test_a_clock_that_is_off(stage: Stage) -> None:
    """From some seconds on it is wrong, with its direction."""
    assert status_of(stage, well(skew={"hive1": -90.0, "hive2": 2.0})).problems == [
        "hive1: its clock is 90 s behind: see chronyc tracking"
    ]


def test_things_that_are_missing(stage: Stage) -> None:
    """A service, a volume and a network that are not there are named with what makes them; so is a host."""
    reading = well()
    reading = replace(
        reading, engines={**reading.engines, "hive1": engine(container("web", 2), container("each", 2))}
    )
    reading = changed(reading, networks={}, services={})
    status = site_status(stage, stage.hosts[:2], reading)

    assert "web: is not deployed (doit deploy_services)" in status.problems
    assert "volume data on hive1: is not there (doit build_volumes)" in status.problems
    assert "network back: is not there (doit build_networks)" in status.problems
    assert "hive2: is not made yet (doit build_infra)" in status.problems


def test_a_volume_with_another_name_in_docker(tmp_path: Path) -> None:
    """An external one is found by that, on its host and with its fill."""
    path = tmp_path / "site.toml"
    path.write_text(SITE.replace("[volumes.data]", '[volumes.data]\nexternal = true\nname = "old-data"'))
    reading = well()
    hosts = {**reading.hosts, "hive1": HostReading(volumes={"old-data": VolumeFill(DISK, 50)})}
    engines = {
        **reading.engines,
        "hive1": engine(container("web", 2), container("each", 2), volumes=("old-data",)),
    }
    status = status_of(select(load(path), "private"), replace(reading, hosts=hosts, engines=engines))

    assert [(each.name, each.fill) for each in status.volumes] == [("data", VolumeFill(DISK, 50))]
    assert status.problems == []


def test_notes(stage: Stage) -> None:
    """A service that was scaled, one that is not in site.toml and a one-off task are worth a line, and no fault."""
    reading = well()
    services = {
        "web": service("web", {"Replicated": {"Replicas": 1}}, **scale_labels(1), **{PINNED_LABEL: "3"}),
        "each": service("each", {"Global": {}}),
        "old": service("old", {"Replicated": {"Replicas": 0}}),
        "web-run-1": service("web-run-1", {"Replicated": {"Replicas": 1}}, **{ONE_OFF_LABEL: "web"}),
        "web-run-2": service("web-run-2", {"Replicated": {"Replicas": 1}}, **{ONE_OFF_LABEL: "web"}),
    }
    assert isinstance(reading.swarm, SwarmReading)
    tasks = {
        **reading.swarm.tasks,
        "id-web-run-1": [task("web-run-1", 1, 0, state="starting")],
        "id-web-run-2": [task("web-run-2", 1, 0, state="failed", error="task: non-zero exit (1)")],
    }
    status = status_of(stage, changed(reading, services=services, tasks=tasks))
    notes = {each.name: each.notes for each in status.services}

    assert status.problems == []
    assert notes["web"] == ("replicas: 1, in site.toml 2: scaled to 1 until the next run",)
    assert notes["old"] == ("is not in site.toml (doit prune)",)
    assert notes["web-run-1"] == ("is a task of doit run web",)
    assert notes["web-run-2"] == ("is a task of doit run web, and has ended (doit prune)",)
    assert status.services[0].pinned


def test_a_service_that_somebody_else_changed(stage: Stage) -> None:
    """It is a note with the way to see what it is; a service that is being deployed has none."""
    services = {
        "web": service("web", {"Replicated": {"Replicas": 2}}, **{SPEC_LABEL: "of what was deployed"}),
        "each": service("each", {"Global": {}}),
    }
    status = status_of(stage, changed(well(), services=services))

    assert status.problems == []
    assert [each.notes for each in status.services] == [
        ("somebody else changed it (doit why deploy_services:web --live)",),
        (),
    ]


def test_a_service_that_a_backup_has_stopped(stage: Stage) -> None:
    """It is said why no task runs, which is no fault for six hours, and not that somebody else changed it."""
    before = service("web", {"Replicated": {"Replicas": 2}})["Spec"]
    labels = {SPEC_LABEL: spec_digest(before), BACKUP_STOP_LABEL: "2"}
    reading = changed(well(), services={"web": service("web", {"Replicated": {"Replicas": 0}}, **labels)})
    status = status_of(stage, replace(reading, engines={}))
    web = status.services[0]

    assert (web.wanted, web.running, web.problems) == (2, 0, ())
    assert web.notes == ("is stopped while its files are saved, and goes on then",)

    stopped = {
        **service("web", {"Replicated": {"Replicas": 0}}, **labels),
        "UpdatedAt": "2026-11-29T01:00:00.5Z",
    }
    reading = changed(well(), services={"web": stopped})
    web = status_of(
        stage, replace(reading, engines={}, at=engine_moment("2026-11-29T07:00:01Z") or 0)
    ).services[0]

    assert web.problems == ("a backup has stopped it, and has not started it again (doit starts it)",)
    assert web.notes == ()


def test_an_update_that_went_wrong(stage: Stage) -> None:
    """A service whose update is paused is wrong, with the swarm's words; one that was rolled back runs as before."""
    web = service("web", {"Replicated": {"Replicas": 2}})
    reading = well()
    assert isinstance(reading.swarm, SwarmReading)

    def status(state: str, message: str) -> SiteStatus:
        services = {
            **well_swarm.services,
            "web": {**web, "UpdateStatus": {"State": state, "Message": message}},
        }
        return status_of(stage, changed(reading, services=services))

    well_swarm = reading.swarm
    assert status("paused", "update paused due to failure").problems == [
        "web: its last update: paused: update paused due to failure"
    ]
    undone = status("rollback_completed", "rollback completed")
    assert (undone.problems, undone.services[0].notes) == ([], ("its last update was rolled back",))


def test_nobody_answers(stage: Stage) -> None:
    """Then it can't be told how the site is."""
    nobody = {host.short: f"{host.short}: no answer" for host in stage.hosts}
    status = status_of(stage, SiteReading(nobody, nobody, "no manager of the swarm answers"))

    assert not status.can_tell


def test_a_host_that_the_swarm_does_not_reach(stage: Stage) -> None:
    """Its tasks were started elsewhere: those that it goes on to run don't count, and are named, as there are two."""
    reading = well()
    moved = task("web", 2, 1)
    moved["DesiredState"] = "shutdown"
    anew = task("web", 3, 2)
    engines = {**reading.engines, "hive2": engine(container("web", 3), container("each", 3))}
    reading = changed(
        replace(reading, engines=engines),
        nodes={f"node{n}": node(n, state="down" if n == 1 else "ready") for n in range(3)},
        tasks={
            "id-web": [task("web", 1, 0), moved, anew],
            "id-each": [task("each", n + 1, n) for n in range(3)],
        },
    )
    status = status_of(stage, reading)

    assert (status.services[0].running, status.services[0].hosts) == (2, {"hive0": 1, "hive2": 1})
    assert status.problems == [
        "hive1: the swarm sees it as down",
        "web: 1 more on hive1, which the swarm does not reach and has replaced elsewhere",
    ]


def test_a_task_that_is_being_ended(stage: Stage) -> None:
    """It does not count, and on a host that the swarm reaches nothing is wrong with it: it will be gone."""
    reading = well()
    ending = task("web", 9, 0, wanted=False)
    engines = {
        **reading.engines,
        "hive0": engine(*(container("web", n) for n in (1, 9)), container("each", 1)),
    }
    reading = changed(
        replace(reading, engines=engines),
        tasks={
            "id-web": [task("web", 1, 0), task("web", 2, 1), ending],
            "id-each": [task("each", n + 1, n) for n in range(3)],
        },
    )
    status = status_of(stage, reading)

    assert (status.services[0].running, status.problems) == (2, [])


@pytest.mark.parametrize(
    ("times", "of_now", "age", "is_wrong"),
    [(2, True, 60, True), (1, True, 60, False), (2, False, 60, False), (2, True, 700, False)],
)
def test_tasks_that_end_again_and_again(
    stage: Stage, times: int, *, of_now: bool, age: float, is_wrong: bool
) -> None:
    """One may just run at each look: ends of the present specification in one place, not long ago, are told."""
    reading = well()
    failed = [
        {**task("web", 1, 0, state="failed", error="task: non-zero exit (3)", wanted=False), "ID": f"old{n}"}
        for n in range(times)
    ]
    present = service("web", {"Replicated": {"Replicas": 2}})["Spec"]["TaskTemplate"]
    for each in failed:
        each["Spec"] = present if of_now else {"ContainerSpec": {"Image": "another"}}
    assert isinstance(reading.swarm, SwarmReading)
    tasks = {**reading.swarm.tasks, "id-web": [task("web", 1, 0), task("web", 2, 1), *failed]}
    ended = datetime(2026, 11, 29, 1, 0, 1, tzinfo=UTC).timestamp()
    status = status_of(stage, changed(replace(reading, at=ended + age), tasks=tasks))

    line = "web: ends again and again: 2 times within 10 min, the last time: task: non-zero exit (3) (doit logs web)"
    assert status.problems == ([line] if is_wrong else [])


@pytest.mark.parametrize(
    "error",
    [
        "cannot create a swarm scoped network when swarm is not active",
        "starting container failed: context canceled",
    ],
)
def test_tasks_that_an_engine_gave_up(stage: Stage, error: str) -> None:
    """They never ran, and say nothing of the service: a swarm whose hosts just came back is well."""
    reading = well()
    rejected = [
        {**task("web", 1, 0, state="rejected", error=error, wanted=False), "ID": f"old{n}"} for n in range(3)
    ]
    for each in rejected:
        each["Spec"] = service("web", {"Replicated": {"Replicas": 2}})["Spec"]["TaskTemplate"]
    assert isinstance(reading.swarm, SwarmReading)
    tasks = {**reading.swarm.tasks, "id-web": [task("web", 1, 0), task("web", 2, 1), *rejected]}
    at = datetime(2026, 11, 29, 1, 1, tzinfo=UTC).timestamp()

    assert status_of(stage, changed(replace(reading, at=at), tasks=tasks)).problems == []


def test_a_host_that_wants_a_restart(stage: Stage) -> None:
    """That is worth a line, and no fault."""
    reading = well()
    host = reading.hosts["hive0"]
    assert isinstance(host, HostReading)
    status = status_of(
        stage, replace(reading, hosts={**reading.hosts, "hive0": replace(host, wants_reboot=True)})
    )

    assert status.problems == []
    assert status.hosts[0].notes == ("wants a restart, after an update of its packages",)
