"""Placement constraints: what the swarm takes, and a line for what it would not, or what no node could meet."""

from pathlib import Path

import pytest

from model.swarm.constraints import Constraint, parse_constraint, with_full_name
from model.swarm.scheduling import Node, SchedulingRequest, unschedulable
from tests.unit.model.good_site import GOOD, problems


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("node.labels.disk==ssd", Constraint("node.labels.disk", "==", "ssd")),
        ("  node.labels.a.b-c_d  !=  x y ", Constraint("node.labels.a.b-c_d", "!=", "x y")),
        ("Node.Role == Manager", Constraint("Node.Role", "==", "Manager")),
        ("engine.labels.zone == a", Constraint("engine.labels.zone", "==", "a")),
        ("node.ip != 10.0.0.0/24", Constraint("node.ip", "!=", "10.0.0.0/24")),
        ("node.platform.arch == x86_64", Constraint("node.platform.arch", "==", "x86_64")),
    ],
)
def test_what_the_swarm_takes(text: str, found: Constraint) -> None:
    """Spaces round the operator, and any case of the key."""
    assert parse_constraint(text) == found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("node.role=manager", "'node.role=manager' is not a constraint, which has == or !=: write 'node.role =="),
        ("hive0", "'hive0' is not a constraint, which has == or !="),
        ("node.labels.a == b,c", "'node.labels.a == b,c' has a character that the swarm does not take in 'b,c'"),
        (
            "node.platform.os != windows, node.role==manager",
            "'node.platform.os != windows, node.role==manager' is several constraints: write each as a text of its",
        ),
        ("node.label.disk == ssd", "'node.label.disk == ssd': 'node.label.disk' is nothing that a node has"),
        ("node.labels. == ssd", "'node.labels. == ssd': 'node.labels.' is nothing that a node has"),
        ("node.labels.a/b == ssd", "'node.labels.a/b == ssd': 'node.labels.a/b' is nothing that a node has"),
        ("hostname == hive0", "'hostname == hive0': 'hostname' is nothing that a node has"),
        ("node.labels.disk ==", "'node.labels.disk ==' has no value"),
        ("node.labels.disk == 'ssd'", "\"node.labels.disk == 'ssd'\" has a character that the swarm does not take"),
        ("node.role == leader", "'node.role == leader': a node's role is manager or worker"),
        ("node.ip == hive0", "'node.ip == hive0': 'hive0' is neither an address nor a network"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_a_mistake_of_the_file(site_dir: Path, text: str, line: str) -> None:
    """It is told when site.toml is read: the swarm would say so when services are deployed, or never."""
    [found] = problems(site_dir, f'{GOOD}placement.constraints = ["node.role == manager", "{text}"]\n')

    assert found.startswith(f"services.web.placement.constraints[1]: {line}")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("node.hostname=hive0", "'node.hostname == hive0'"),
        ("node.hostname == 'hive0'", "'node.hostname == hive0'"),
        ("node.hostname !== hive0", "'node.hostname != hive0'"),
        ("node.hostname === hive0", "'node.hostname == hive0'"),
        ("node.hostname is not hive0", "'node.hostname != hive0'"),
        ("node.hostname: hive0", "'node.hostname == hive0'"),
        ("node.name == hive0", "'node.hostname == hive0'"),
        ("hostname==hive0", "'node.hostname == hive0'"),
        ("node!=hive0", "'node.hostname != hive0'"),
        ("node.arch == x86_64", "'node.platform.arch == x86_64'"),
        ("node.label.disk==ssd", "'node.labels.disk == ssd'"),
        ("node.labels.disk", "'node.labels.disk == true'"),
        ("storage==ssd", "'node.labels.storage == ssd'"),
        ("node.labels.a==1 && node.role=manager", "['node.labels.a == 1', 'node.role == manager']"),
        ("node.labels.a==1, node.role==manager", "['node.labels.a == 1', 'node.role == manager']"),
    ],
)
def test_other_spellings_are_told_with_the_swarms(text: str, meant: str) -> None:
    """Those of Swarm before Docker 1.12 and of other programs; what is proposed is a constraint."""
    with pytest.raises(ValueError, match=r"write ") as raised:
        parse_constraint(text)

    assert str(raised.value).endswith(meant)


@pytest.mark.parametrize(
    "text",
    ["node.hostname =~ hive.*", "node.labels.a > 1", "node.labels == x", "node.labels.a == ü", "hive0"],
)
def test_nothing_is_proposed_that_the_swarm_would_not_take(text: str) -> None:
    """What it has no such thing for is said to be none."""
    with pytest.raises(ValueError, match=r"is not a constraint|is nothing that|does not take") as raised:
        parse_constraint(text)

    assert "write " not in str(raised.value)


def test_one_or_the_other_is_a_label() -> None:
    """The swarm takes all constraints together."""
    with pytest.raises(
        ValueError, match=r": a node has to meet all constraints; for one or the other give the nodes"
    ):
        parse_constraint("node.hostname == hive0 || node.hostname == hive1")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("node.hostname == hive0", "node.hostname == p-hive0.example"),
        ("node.hostname!=HIVE1", "node.hostname != p-hive1.example"),
        ("node.hostname == p-hive0.example", "node.hostname == p-hive0.example"),
        ("node.hostname==other", "node.hostname==other"),
        ("node.labels.x == hive0", "node.labels.x == hive0"),
    ],
)
def test_a_host_has_its_short_name(text: str, found: str) -> None:
    """The swarm knows full names alone; other names and keys stay as they are."""
    assert with_full_name(text, {"hive0": "p-hive0.example", "hive1": "p-hive1.example"}) == found


def test_what_there_is_is_told_in_the_constraints_own_words() -> None:
    """So that the next one is right: values with their hives, and where there is no such label."""
    nodes = [
        Node("hive0", {"node.platform.arch": "x86_64"}, {"disk": "hdd"}),
        Node("hive1", {"node.platform.arch": "x86_64"}, {}),
    ]

    def told(*constraints: str) -> str:
        return next(unschedulable([SchedulingRequest("a", constraints)], nodes))

    assert told("node.platform.arch == amd64") == (
        "services.a.placement.constraints: no hive meets node.platform.arch == amd64 "
        "(there is node.platform.arch == x86_64 (hive0, hive1)): change it"
    )
    assert "(there is no node.labels.disk on hive1, node.labels.disk == hdd (hive0)): change it, or" in told(
        "node.labels.disk == ssd"
    )
