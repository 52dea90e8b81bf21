"""The swarm's figures; and that `doit status` says the same of the same listings."""

from pathlib import Path
from typing import Any

import pytest

from agent.errors import AgentError
from agent.observe.engine_reader import EngineReader
from agent.observe.exposition import Exposition
from agent.observe.observe_config import ObserveConfig, ObservedService
from agent.observe.rounds import running_tasks
from agent.observe.swarm_figures import swarm_figures, wanted_tasks
from model.labels import BACKUP_STOP_LABEL, DISCONNECTED_LABEL, MOVING_LABEL, ONE_OFF_LABEL, SERVICE_LABEL
from model.site_file.load import load, select
from model.stage import Stage
from tasks.operate.service_status import service_statuses
from tasks.operate.site_reading import EngineReading, SiteReading, SwarmReading
from tasks.operate.site_view import SiteView, short_names
from tests.doubles.observed_engine import observed_engine

SITE = """\
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
number_of_hosts = 3
separate_repository = false
[images.web]
from = "debian:12"
[services.web]
image = "web"
replicas = 3
endpoint_mode = "dnsrr"
[services.each]
image = "web"
mode = "global"
endpoint_mode = "dnsrr"
"""
CONSTRAINTS = [
    "node.role==manager",
    "node.role != worker",
    "node.hostname == P-HIVE1.example",
    "node.hostname != p-hive1.example",
    "node.id == node2",
    "node.labels.disk==SSD",
    "node.labels.disk != ssd",
    "node.labels.Disk == ssd",
    "engine.labels.os == linux",
    "node.platform.os==linux",
    "node.platform.arch != aarch64",
    "node.ip == 10.0.0.0/30",
    "node.ip != 10.0.0.1",
    "node.ip == 10.0.0.2",
    "node.ip == fe80::/10",
    "node.ip == 0.0.0.0/0",
    "node.what == x",
    "node.role",
    "== manager",
]


def node(n: int, *, state: str = "ready", availability: str = "active") -> dict[str, Any]:
    """Return a node; the first one has a disk."""
    return {
        "ID": f"node{n}",
        "Spec": {
            "Role": "manager" if n < 2 else "worker",
            "Availability": availability,
            "Labels": {"disk": "ssd"} if n == 0 else None,
        },
        "Description": {
            "Hostname": f"p-hive{n}.example",
            "Platform": {"OS": "linux", "Architecture": "x86_64"},
            "Engine": {"EngineVersion": "26.1.5", "Labels": {"os": "linux"} if n else {}},
            "Resources": {"NanoCPUs": 1, "MemoryBytes": 1},
        },
        "Status": {"State": state, "Addr": f"10.0.0.{n + 1}"},
        **({"ManagerStatus": {"Reachability": "reachable" if n == 0 else "unreachable"}} if n < 2 else {}),
    }


def service(name: str, mode: dict[str, Any], *constraints: str, **labels: str) -> dict[str, Any]:
    """Return a service."""
    template = {"ContainerSpec": {"Image": "web"}, "Placement": {"Constraints": list(constraints)}}
    return {"ID": name, "Spec": {"Name": name, "Mode": mode, "TaskTemplate": template, "Labels": labels}}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return a stage of three hives."""
    path = tmp_path_factory.mktemp("site") / "site.toml"
    path.write_text(SITE)
    return select(load(path), "private")


def config(stage: Stage) -> ObserveConfig:
    """Return the observer's configuration for it."""
    services = {"web": ObservedService("web", 3), "each": ObservedService("each", 3)}
    hosts = {host.name: host.short for host in stage.hosts}
    return ObserveConfig(hosts=hosts, services=services, managers=3, owner=stage.labels)


NODES = [
    [node(n) for n in range(3)],
    [node(0), node(1, state="down"), node(2)],
    [node(0), node(1, availability="drain"), node(2, availability="pause")],
]
SERVICES = [
    [],
    [service("web", {"Replicated": {"Replicas": 0}}), service("each", {"Global": {}})],
    [service("web", {"Replicated": {}}), service("old", {"Replicated": {"Replicas": 2}})],
    *([service("each", {"Global": {}}, each)] for each in CONSTRAINTS),
    [service("each", {"Global": {}}, *CONSTRAINTS[:2])],
]


@pytest.mark.parametrize("services", SERVICES, ids=range(len(SERVICES)))
@pytest.mark.parametrize("nodes", NODES, ids=range(len(NODES)))
def test_status_wants_the_same(
    stage: Stage, services: list[dict[str, Any]], nodes: list[dict[str, Any]]
) -> None:
    """Of each service the observer and `doit status` have the same number of tasks that are to run."""
    swarm = SwarmReading(
        nodes={each["ID"]: each for each in nodes}, services={each["Spec"]["Name"]: each for each in services}
    )
    view = SiteView(stage, SiteReading({}, {}, swarm), short_names(stage, swarm))
    status = {each.name: each.wanted for each in service_statuses(view)}
    assert wanted_tasks(services, nodes, config(stage)) == status


def test_status_runs_the_same(stage: Stage) -> None:
    """Both count containers that run; the observer leaves those out that are unhealthy or paused.

    Status says these besides. Of a backup's pause no alarm is given all the same: `skep_service_held`.
    """
    containers = [
        {"Id": f"c{number}", "State": state, "Status": words, "Labels": {SERVICE_LABEL: name}}
        for number, (name, state, words) in enumerate(
            (
                ("web", "running", "Up 3 hours"),
                ("web", "running", "Up 3 hours (healthy)"),
                ("web", "running", "Up 3 seconds (health: starting)"),
                ("web", "running", "Up 3 hours (unhealthy)"),
                ("web", "exited", "Exited (1) 2 minutes ago"),
                ("each", "paused", "Up 3 hours (Paused)"),
            )
        )
    ]
    reading = SiteReading({}, {"hive0": EngineReading(None, containers)}, "it does not answer")
    status = {each.name: each for each in service_statuses(SiteView(stage, reading))}
    assert (status["web"].running, status["each"].running) == (4, 1)
    assert any("1 of 4 containers are unhealthy" in problem for problem in status["web"].problems)
    assert running_tasks(containers, stage.services) == {"web": 3, "each": 0}


@pytest.mark.parametrize("label", [MOVING_LABEL, f"{DISCONNECTED_LABEL}back"])
def test_a_service_that_a_run_has_stopped(stage: Stage, label: str) -> None:
    """It wants what site.toml says: where the run went wrong that is told, as soon as its silence has ended."""
    stopped = service("web", {"Replicated": {"Replicas": 0}}, **{label: "{}"})
    assert wanted_tasks([stopped], NODES[0], config(stage)) == {"web": 3, "each": 3}


def test_a_service_that_a_backup_has_stopped(stage: Stage) -> None:
    """It wants what it had: if its hive dies meanwhile, it is told that it does not run."""
    stopped = service("web", {"Replicated": {"Replicas": 0}}, **{BACKUP_STOP_LABEL: "5"})
    assert wanted_tasks([stopped], NODES[0], config(stage)) == {"web": 5, "each": 3}


def test_jobs_and_one_off_tasks_want_nothing(stage: Stage) -> None:
    """They are to end."""
    services = [
        service("web", {"ReplicatedJob": {}}),
        service("web-once", {"Replicated": {"Replicas": 1}}, **{ONE_OFF_LABEL: "web"}),
    ]
    assert wanted_tasks(services, NODES[0], config(stage)) == {"each": 3}


def figures_of(path: Path, stage: Stage, **answers: Any) -> tuple[list[str], str]:
    """Return the figures that an engine's answers make, and what went wrong."""
    figures, problem = Exposition(), ""
    with observed_engine(path) as engine:
        engine.answers |= {f"/{name}": answer for name, answer in answers.items()}
        try:
            swarm_figures(EngineReader(engine.path), config(stage), figures)
        except AgentError as error:
            problem = str(error)
    return [line for line in figures.text().splitlines() if not line.startswith("#")], problem


def test_managers_and_nodes(stage: Stage, tmp_path: Path) -> None:
    """A manager tells of all: which are reachable, which nodes are ready, by the hosts' short names."""
    stranger = node(7)
    lines, problem = figures_of(tmp_path, stage, nodes=[*NODES[1], stranger])
    assert lines == [
        'skep_service_tasks_wanted{service="each"} 3',
        'skep_service_tasks_wanted{service="web"} 3',
        'skep_service_drift{service="each"} 1',
        'skep_service_drift{service="web"} 1',
        "skep_swarm_managers 3",
        "skep_swarm_managers_reachable 1",
        'skep_node_ready{host="hive0"} 1',
        'skep_node_ready{host="hive1"} 0',
        'skep_node_ready{host="hive2"} 1',
    ]
    assert problem == ""


def test_a_hive_that_somebody_removed_from_the_swarm(stage: Stage, tmp_path: Path) -> None:
    """It is not ready, and counts among the managers that the site is to have; so does one that was demoted."""
    lines, _ = figures_of(tmp_path, stage, nodes=NODES[0][:2])
    assert [line for line in lines if line.startswith(("skep_swarm", "skep_node"))] == [
        "skep_swarm_managers 3",
        "skep_swarm_managers_reachable 1",
        'skep_node_ready{host="hive0"} 1',
        'skep_node_ready{host="hive1"} 1',
        'skep_node_ready{host="hive2"} 0',
    ]


def test_a_swarm_with_more_managers_than_the_site_has(stage: Stage, tmp_path: Path) -> None:
    """The majority that it needs is that of those it has."""
    strangers = [node(0) | {"ID": f"stranger{n}", "Description": {"Hostname": f"x{n}"}} for n in range(3)]
    lines, _ = figures_of(tmp_path, stage, nodes=[*NODES[0], *strangers])
    assert "skep_swarm_managers 5" in lines


def test_a_worker(stage: Stage, tmp_path: Path) -> None:
    """It has nothing to tell, and that is no failure."""
    refusal = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state."
    assert figures_of(tmp_path, stage, nodes=refusal) == ([], "")


def test_no_leader(stage: Stage, tmp_path: Path) -> None:
    """The part fails, and no manager is reachable of as many as the site has."""
    lines, problem = figures_of(tmp_path, stage, nodes="rpc error: The swarm does not have a leader.")
    assert lines == ["skep_swarm_managers 3", "skep_swarm_managers_reachable 0"]
    assert "does not have a leader" in problem
