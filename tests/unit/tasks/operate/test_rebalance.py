"""Which services are spread unevenly, and which of them may move."""

import pytest

from model.labels import SERVICE_LABEL, TASK_ID_LABEL
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
[images.web]
from = "debian:12"
[services.web]
image = "web"
endpoint_mode = "dnsrr"
[services.api]
image = "web"
endpoint_mode = "dnsrr"
[services.db]
image = "web"
endpoint_mode = "dnsrr"
volumes = [{ source = "data", target = "/data" }]
[services.door]
image = "web"
endpoint_mode = "dnsrr"
ports = [{ target_port = 80, published_port = 80, mode = "host" }]
[services.each]
image = "web"
mode = "global"
endpoint_mode = "dnsrr"
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return a stage of three hives."""
    path = tmp_path_factory.mktemp("site") / "site.toml"
    path.write_text(SITE)
    return select(load(path), "private")


def reading(tasks: dict[str, str], *, drained: str = "", constraints: tuple[str, ...] = ()) -> SiteReading:
    """Return readings of hives with tasks.

    Args:
        tasks: Service to the numbers of the hives that its tasks run on: `"001"`.
        drained: A hive that takes no tasks.
        constraints: Those of web.

    """
    on: dict[str, list[dict[str, object]]] = {f"hive{n}": [] for n in range(3)}
    for name, places in tasks.items():
        for place in places:
            labels = {SERVICE_LABEL: name, TASK_ID_LABEL: name}
            on[f"hive{place}"].append({"State": "running", "Labels": labels, "Status": "Up"})
    services = {
        name: {
            "ID": name,
            "Spec": {
                "Name": name,
                "Mode": {"Replicated": {"Replicas": len(places)}},
                "TaskTemplate": {"Placement": {"Constraints": list(constraints) if name == "web" else []}},
            },
        }
        for name, places in tasks.items()
    }
    nodes = {
        f"node{n}": {
            "ID": f"node{n}",
            "Spec": {"Role": "manager", "Availability": "drain" if drained == f"hive{n}" else "active"},
            "Description": {"Hostname": f"p-hive{n}.example"},
            "Status": {"State": "ready"},
        }
        for n in range(3)
    }
    engines = {short: EngineReading({}, containers) for short, containers in on.items()}
    listed = {name: [{"ID": name, "DesiredState": "running"}] for name in tasks}
    return SiteReading({}, engines, SwarmReading("hive0", nodes, services, listed))


@pytest.mark.parametrize(
    ("tasks", "moves"),
    [
        ({"web": "012"}, {}),
        ({"web": "0012"}, {}),
        ({"web": "000"}, {"web": "3 of its tasks on hive0, 0 on hive1"}),
        ({"web": "0", "api": "0", "each": "012"}, {"web": "3 tasks in all on hive0, 1 on hive1"}),
        ({"web": "0", "api": "1", "each": "012"}, {}),
    ],
)
def test_moves(stage: Stage, tasks: dict[str, str], moves: dict[str, str]) -> None:
    """A service with two tasks more on one hive than on another, or one on a hive that has two more in all."""
    assert {move.service: move.reason for move in balance(stage, reading(tasks)).moves} == moves


def test_what_is_bound_stays(stage: Stage) -> None:
    """Data of a host and ports of a host keep a service where it is, and the reason is told."""
    found = balance(stage, reading({"db": "0", "door": "000", "each": "000"}))

    assert found.moves == ()
    assert found.staying["door"] == "it publishes ports of its hosts"
    bound = "its data is on the hosts that it runs on"
    assert found.staying.get("db", bound) == bound


def test_only_hives_that_may_have_it_count(stage: Stage) -> None:
    """A drained hive, and one that a constraint leaves out, is no place to move to."""
    assert balance(stage, reading({"web": "01"}, drained="hive2")).moves == ()
    assert balance(stage, reading({"web": "00"}, constraints=("node.hostname==p-hive0.example",))).moves == ()


def test_one_service(stage: Stage) -> None:
    """Only the one that was asked for."""
    found = balance(stage, reading({"web": "000", "api": "111"}), "api")

    assert [move.service for move in found.moves] == ["api"]


def test_no_manager(stage: Stage) -> None:
    """Then nothing is known."""
    assert balance(stage, SiteReading({}, {}, "no manager")).moves == ()
