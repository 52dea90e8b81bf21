"""Which services are spread unevenly, and which of them may move."""

from typing import Any

import pytest

from model.labels import PINNED_LABEL, SERVICE_LABEL, SPREAD_LABEL, TASK_ID_LABEL
from model.site_file.load import load, select
from model.stage import Stage
from tasks.operate.rebalance import balance
from tasks.operate.site_reading import EngineReading, SiteReading, SwarmReading

SITE = """\
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
number_of_hosts = 3
separate_repository = false
[volumes.data]
hosts = ["hive0"]
[volumes.shared]
driver_opts = { type = "nfs", device = ":/export", o = "addr=10.0.0.9" }
[images.web]
from = "debian:12"
[services.web]
image = "web"
endpoint_mode = "dnsrr"
[services.api]
image = "web"
endpoint_mode = "dnsrr"
update_config = { order = "start-first" }
[services.db]
image = "web"
endpoint_mode = "dnsrr"
volumes = [{ source = "data", target = "/data" }]
[services.files]
image = "web"
endpoint_mode = "dnsrr"
volumes = [{ source = "shared", target = "/data" }]
[services.mounted]
image = "web"
endpoint_mode = "dnsrr"
volumes = [{ type = "bind", source = "/srv", target = "/data", hosts = "each" }]
[services.door]
image = "web"
endpoint_mode = "dnsrr"
ports = [{ target_port = 80, published_port = 80, mode = "host" }]
[services.each]
image = "web"
mode = "global"
endpoint_mode = "dnsrr"
"""
HIVES = 3


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return a stage of three hives."""
    path = tmp_path_factory.mktemp("site") / "site.toml"
    path.write_text(SITE)
    return select(load(path), "private")


def reading(
    tasks: dict[str, str],
    *,
    drained: str = "",
    silent: str = "",
    reserved: int = 0,
    web: dict[str, Any] | None = None,
    **placement: Any,
) -> SiteReading:
    """Return readings of hives with tasks.

    Args:
        tasks: Service to the numbers of the hives that its tasks run on: `"001"`.
        drained: A hive that takes no tasks.
        silent: A hive that does not answer.
        reserved: The memory that each task of web reserves; a hive has 10.
        web: More of service web.
        placement: The placement of web.

    """
    on: dict[str, list[dict[str, object]]] = {f"hive{n}": [] for n in range(HIVES)}
    for name, places in tasks.items():
        for place in places:
            labels = {SERVICE_LABEL: name, TASK_ID_LABEL: name}
            on[f"hive{place}"].append({"State": "running", "Labels": labels, "Status": "Up"})
    resources = {"Reservations": {"MemoryBytes": reserved}} if reserved else {}
    services: dict[str, Any] = {
        name: {
            "ID": name,
            "Spec": {
                "Name": name,
                "Mode": {"Replicated": {"Replicas": len(places)}},
                "TaskTemplate": {
                    "Placement": placement if name == "web" else {},
                    "Resources": resources if name == "web" else {},
                },
            },
        }
        for name, places in tasks.items()
    }
    services.get("web", {}).update(web or {})
    nodes = {
        f"node{n}": {
            "ID": f"node{n}",
            "Spec": {"Role": "manager", "Availability": "drain" if drained == f"hive{n}" else "active"},
            "Description": {"Hostname": f"p-hive{n}.example", "Resources": {"MemoryBytes": 10}},
            "Status": {"State": "ready"},
        }
        for n in range(HIVES)
    }
    of_swarm: dict[str, list[dict[str, Any]]] = {
        name: [{"ID": name, "DesiredState": "running"}] for name in tasks
    }
    if "web" in tasks:
        of_swarm["web"] += [
            {
                "ID": "another",
                "NodeID": f"node{place}",
                "DesiredState": "running",
                "Spec": {"Resources": resources},
            }
            for place in tasks["web"]
        ]
    engines: dict[str, EngineReading | str] = {
        short: "no answer" if short == silent else EngineReading({}, containers)
        for short, containers in on.items()
    }
    return SiteReading({}, engines, SwarmReading("hive0", nodes, services, of_swarm))


@pytest.mark.parametrize(
    ("tasks", "moves"),
    [
        ({"web": "012"}, {}),
        ({"web": "0012"}, {}),
        ({"web": "000"}, {"web": "3 of its tasks on hive0, 0 on hive1"}),
        ({"web": "0", "api": "0", "each": "012"}, {"web": "3 tasks in all on hive0, 1 on hive1"}),
        ({"web": "0", "api": "1", "each": "012"}, {}),
        # As after an outage of one of three: two tasks each, and the third hive is empty.
        ({"web": "01", "api": "01"}, {"web": "2 tasks in all on hive0, 0 on hive2"}),
        # What may come out no better than it was is left: it would be moved to and fro.
        ({"web": "01", "each": "0012"}, {}),
    ],
)
def test_moves(stage: Stage, tasks: dict[str, str], moves: dict[str, str]) -> None:
    """A service with two tasks more on one hive than on another; or one that evens out the hives' totals for sure."""
    assert {move.service: move.reason for move in balance(stage, reading(tasks)).moves} == moves


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        ({"db": "00"}, "its data is on the hosts that it runs on"),
        ({"mounted": "00"}, "its data is on the hosts that it runs on"),
        ({"door": "00"}, "it publishes ports of its hosts"),
    ],
)
def test_what_is_bound_stays(stage: Stage, tasks: dict[str, str], why: str) -> None:
    """Data of a host and ports of a host keep a service where it is, and the reason is told."""
    found = balance(stage, reading(tasks))

    assert found.moves == ()
    assert [*found.staying.values()] == [why]


def test_data_on_a_server_binds_nobody(stage: Stage) -> None:
    """A volume that every hive reaches is free to move, and a global service is never uneven."""
    found = balance(stage, reading({"files": "000", "each": "000"}))

    assert [move.service for move in found.moves] == ["files"]
    assert found.staying == {}


@pytest.mark.parametrize(
    ("web", "placement", "why"),
    [
        ({"Spec": {"Labels": {PINNED_LABEL: "1"}}}, {}, "it is rolled back, and pinned (doit rollback)"),
        ({}, {"Preferences": [{"Spread": {}}]}, "its placement preferences say where it runs"),
        ({"UpdateStatus": {"State": "updating"}}, {}, "it is being updated"),
        ({"Spec": {"Replicas": 4}}, {}, "3 of its 4 tasks run (doit status)"),
    ],
)
def test_what_somebody_is_at_stays(
    stage: Stage, web: dict[str, Any], placement: dict[str, Any], why: str
) -> None:
    """A service that is pinned, is being updated or does not run is not touched; nor one with a spread of its own."""
    there = reading({"web": "000"}, **placement)
    assert not isinstance(there.swarm, str)
    service = there.swarm.services["web"]
    spec = web.get("Spec", {})
    service["Spec"]["Labels"] = spec.get("Labels", {})
    service["Spec"]["Mode"]["Replicated"]["Replicas"] = spec.get("Replicas", 3)
    service.update({name: value for name, value in web.items() if name != "Spec"})

    found = balance(stage, there)

    assert (found.moves, found.staying) == ((), {"web": why})


def test_only_hives_that_may_have_it_count(stage: Stage) -> None:
    """A drained or silent hive, and one that a constraint leaves out, is no place to move to."""
    assert balance(stage, reading({"web": "01"}, drained="hive2")).moves == ()
    assert balance(stage, reading({"web": "01"}, silent="hive2")).moves == ()
    assert balance(stage, reading({"web": "00"}, Constraints=("node.hostname==p-hive0.example",))).moves == ()


@pytest.mark.parametrize(
    ("tasks", "more", "why"),
    [
        ({"web": "000"}, {}, ""),
        ({"api": "0", "each": "0012"}, {}, ""),
        (
            {"web": "0", "each": "0012"},
            {},
            'it has one task, and update_config.order is not "start-first"',
        ),
        ({"web": "000"}, {"MaxReplicas": 1}, "max_replicas_per_node is 1"),
        ({"web": "000"}, {"MaxReplicas": 2}, ""),
        ({"web": "000"}, {"reserved": 10}, ""),
        ({"web": "000"}, {"reserved": 11}, "no hive has room for what one task more reserves"),
    ],
)
def test_start_first_where_it_may(
    stage: Stage, tasks: dict[str, str], more: dict[str, Any], why: str
) -> None:
    """A new task runs before the old one ends, unless two at once were never wanted, or there is no room for one."""
    (move,) = balance(stage, reading(tasks, **more)).moves

    assert move.stop_first == why


@pytest.mark.parametrize(
    ("tasks", "placement", "template", "extra"),
    [
        ({"web": "0012"}, {}, {}, None),
        ({"web": "000"}, {}, {}, 2),
        ({"web": "0011"}, {}, {}, 1),
        ({"web": "000"}, {"MaxReplicas": 1}, {}, 0),
        ({"web": "000"}, {}, {"ContainerSpec": {"Hostname": "web-{{.Task.Slot}}"}}, 0),
        ({"web": "01", "api": "01"}, {}, {}, 0),
    ],
)
def test_as_few_tasks_as_can_be(
    stage: Stage,
    tasks: dict[str, str],
    placement: dict[str, Any],
    template: dict[str, Any],
    extra: int | None,
) -> None:
    """Only those that move are replaced; all of them where that takes stop-first, or their numbers have to stay."""
    there = reading(tasks, **placement)
    assert not isinstance(there.swarm, str)
    there.swarm.services["web"]["Spec"]["TaskTemplate"].update(template)

    found = [move.extra for move in balance(stage, there).moves if move.service == "web"]

    assert found == ([] if extra is None else [extra])


def test_old_tasks_that_still_end_are_told(stage: Stage) -> None:
    """A service of which more or fewer tasks run than are wanted is not settled."""
    there = reading({"web": "0012", "api": "0"})
    assert not isinstance(there.swarm, str)
    there.swarm.services["web"]["Spec"]["Mode"]["Replicated"]["Replicas"] = 3

    assert balance(stage, there).unsettled == {"web"}


def test_one_service(stage: Stage) -> None:
    """Only the one that was asked for."""
    found = balance(stage, reading({"web": "000", "api": "111"}), "api")

    assert [move.service for move in found.moves] == ["api"]


def test_no_manager(stage: Stage) -> None:
    """Then nothing is known."""
    assert balance(stage, SiteReading({}, {}, "no manager")).moves == ()


def test_one_that_was_killed(stage: Stage) -> None:
    """Its tasks that are too many end first, and are no spread to go by."""
    killed = reading({"web": "00012", "api": "1"})
    assert not isinstance(killed.swarm, str)
    killed.swarm.services["web"]["Spec"]["Labels"] = {SPREAD_LABEL: "3"}

    found = balance(stage, killed)

    assert found.half_done == {"web": "has 2 tasks more for a while, of doit rebalance"}
    assert [move.service for move in found.moves if move.service == "web"] == []
