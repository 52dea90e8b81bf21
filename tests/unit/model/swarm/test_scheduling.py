"""Whether services fit onto nodes: constraints as the swarm reads them, replicas, reservations."""

import pytest

from model.swarm.scheduling import Node, SchedulingRequest, meets_constraint, unschedulable

GIB = 2**30
FACTS = {
    "node.id": "n0",
    "node.hostname": "p-hive0.example",
    "node.role": "manager",
    "node.ip": "10.0.0.10",
    "node.platform.os": "linux",
    "node.platform.arch": "x86_64",
}
NODES = [
    Node("hive0", FACTS, {"disk": "ssd"}, {"zone": "a"}, cpus=2, memory=4 * GIB),
    Node("hive1", {**FACTS, "node.id": "n1", "node.ip": "10.0.0.11"}, {}, {}, cpus=2, memory=2 * GIB),
]


@pytest.mark.parametrize(
    ("constraint", "met"),
    [
        ("node.id==n0", True),
        ("node.id!=n0", False),
        ("node.hostname == P-HIVE0.example", True),
        ("node.role==worker", False),
        ("node.platform.os==linux", True),
        ("node.platform.arch!=x86_64", False),
        ("node.labels.disk==ssd", True),
        ("node.labels.disk == SSD", True),
        ("node.labels.disk!=ssd", False),
        ("node.labels.none==ssd", False),
        ("node.labels.none!=ssd", True),
        ("engine.labels.zone==a", True),
        ("node.ip==10.0.0.0/24", True),
        ("node.ip!=10.0.0.0/24", False),
        ("node.ip==10.0.0.11", False),
        ("node.ip==nonsense", False),
        ("node.nothing==1", False),
        ("node.labels.disk=ssd", False),
        ("", False),
    ],
)
def test_constraints_are_read_as_the_swarm_does(constraint: str, *, met: bool) -> None:
    """Values in any case; a label that is not there is empty; what can't be read is met by nobody."""
    assert meets_constraint(constraint, NODES[0]) is met


def said(*services: SchedulingRequest, others: tuple[SchedulingRequest, ...] = ()) -> list[str]:
    """Return where the misfits are."""
    return [line.partition(": ")[0] for line in unschedulable(services, NODES, others)]


def test_what_fits() -> None:
    """Nothing is said where all can run."""
    assert (
        said(
            SchedulingRequest("a", ("node.labels.disk==ssd",), tasks=2, memory=GIB, cpus=0.5),
            SchedulingRequest("b", tasks=None, memory=GIB, cpus=0.5),
            SchedulingRequest("c", tasks=2, max_per_node=1),
        )
        == []
    )


def test_nobody_meets_it() -> None:
    """The constraints that no node meets are named, with the nodes that there are."""
    (line,) = unschedulable([SchedulingRequest("a", ("node.labels.disk==ssd", "node.role==worker"))], NODES)

    assert line.startswith(
        "services.a.placement.constraints: no hive meets node.role==worker (there is node.role == manager (hive0, hive"
    )


def test_each_is_met_but_not_all_by_one() -> None:
    """Two constraints that exclude each other are both named."""
    (line,) = unschedulable([SchedulingRequest("a", ("node.id==n0", "node.id==n1"))], NODES)

    assert "no hive meets node.id==n0 and node.id==n1" in line


def test_no_task_needs_no_node() -> None:
    """A service that is scaled to nothing is no problem."""
    assert said(SchedulingRequest("a", ("node.role==worker",), tasks=0)) == []


def test_too_many_for_their_nodes() -> None:
    """So many tasks, of which each node may run only some."""
    assert said(SchedulingRequest("a", ("node.id==n0",), tasks=2, max_per_node=1)) == ["services.a.replicas"]


@pytest.mark.parametrize(
    "wants",
    [
        SchedulingRequest("a", tasks=2, max_per_node=1, start_first=True),
        SchedulingRequest("a", tasks=2, one_per_node=True, start_first=True),
        SchedulingRequest("a", ("node.id==n0",), one_per_node=True, start_first=True),
        SchedulingRequest("a", tasks=None, one_per_node=True, start_first=True),
    ],
)
def test_no_room_for_an_update(wants: SchedulingRequest) -> None:
    """With the new task started first, an update needs a place that the old one does not have."""
    (line,) = unschedulable([wants], NODES)

    assert line.startswith('services.a.update_config.order: "start-first" needs room for one task more than ')
    assert line.endswith('no update would ever be done; take "stop-first", or leave room')


def test_room_for_an_update() -> None:
    """One free place is enough, however many tasks are updated at a time; and who stops first needs none."""
    assert said(SchedulingRequest("a", tasks=1, max_per_node=1, start_first=True)) == []
    assert said(SchedulingRequest("a", tasks=1, one_per_node=True, start_first=True)) == []
    assert said(SchedulingRequest("a", tasks=2, one_per_node=True)) == []
    assert said(SchedulingRequest("a", tasks=9, start_first=True)) == []


def test_a_drained_node_comes_back() -> None:
    """While a node is drained there is no room either, but that is no mistake in site.toml."""
    wants = SchedulingRequest("a", tasks=1, one_per_node=True, start_first=True)

    assert len(list(unschedulable([wants], NODES[:1]))) == 1
    assert list(unschedulable([wants], NODES[:1], drained=NODES[1:])) == []


def test_two_tasks_with_one_port() -> None:
    """A port of the node itself is taken by one task of a service."""
    (line,) = unschedulable([SchedulingRequest("a", ("node.id==n0",), tasks=2, one_per_node=True)], NODES)

    assert line == 'services.a.replicas: 2 don\'t fit: hive0 runs at most 1 (ports with mode = "host")'


def test_one_task_is_too_large() -> None:
    """More memory, or more processors, than any node has; of a global service than each has."""
    assert said(SchedulingRequest("a", memory=5 * GIB)) == ["services.a.mem_reservation"]
    assert said(SchedulingRequest("a", cpus=3)) == ["services.a.cpu_reservation"]
    assert said(SchedulingRequest("a", tasks=None, memory=3 * GIB)) == ["services.a.mem_reservation"]
    assert said(SchedulingRequest("a", memory=3 * GIB)) == []


def test_all_together_are_too_much() -> None:
    """What is bound to the same nodes is added up; what may run elsewhere is not counted there."""
    here = ("node.id==n1",)

    assert said(SchedulingRequest("a", here, memory=GIB), SchedulingRequest("b", here, memory=2 * GIB)) == [
        "services.a.mem_reservation"
    ]
    assert said(SchedulingRequest("a", here, memory=GIB), SchedulingRequest("b", memory=2 * GIB)) == []
    assert said(SchedulingRequest("a", tasks=9, memory=GIB)) == ["services.a.mem_reservation"]
    assert said(
        SchedulingRequest("a", tasks=3, memory=GIB), others=(SchedulingRequest("x", tasks=4, memory=GIB),)
    ) == ["services.a.mem_reservation"]


def test_others_are_not_judged() -> None:
    """A service that is not the stage's is nobody's mistake here."""
    assert said(others=(SchedulingRequest("x", memory=9 * GIB),)) == []
