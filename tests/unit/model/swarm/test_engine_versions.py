"""Engines that are too old for what services say."""

from typing import Any

import pytest

from model.swarm.engine_versions import manager_problems, node_problems, version
from model.swarm.scheduling import Node
from tests.definitions import service_of

NODES = [Node("hive0", engine="20.10.24+dfsg1"), Node("hive1", engine="19.03.15"), Node("hive2")]


def said(*constraints: str, nodes: list[Node] = NODES, **keys: Any) -> list[str]:
    """Return what is said of service `web` with these keys."""
    service = service_of({"image": "web:1", **keys})
    return list(node_problems({"web": service}, {"web": constraints}, nodes))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("20.10.24+dfsg1", (20, 10)), ("19.03.15", (19, 3)), ("1.41", (1, 41)), ("dev", None), ("", None)],
)
def test_a_version_is_read(text: str, numbers: tuple[int, int] | None) -> None:
    """By its numbers, not as a text: 1.9 comes before 1.41."""
    assert version(text) == numbers


def test_a_manager_that_is_too_old() -> None:
    """Its host is said, what it has, and what has what is needed; a later one is well."""
    (line,) = manager_problems("hive0", "1.9")

    assert line.startswith(
        "hive0: its Docker Engine speaks API 1.9; services need 1.41, which Docker Engine 20.10"
    )
    assert list(manager_problems("hive0", "1.41")) == list(manager_problems("hive0", "1.100")) == []


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ({"ulimits": {"nofile": 1}}, "20.10"),
        ({"cap_add": ["NET_ADMIN"]}, "20.10"),
        ({"cap_drop": ["CHOWN"]}, "20.10"),
        ({"standalone": True}, "20.10"),
    ],
)
def test_what_an_engine_would_leave_out(keys: dict[str, Any], first: str) -> None:
    """It is said with its path and the hosts; one whose version is not known is not."""
    (line,) = said(**keys)

    assert line.startswith(
        f"services.web.{next(iter(keys))}: needs Docker Engine {first}, and is left out by that of "
    )
    assert "hive1 (19.03.15):" in line
    assert "hive2" not in line


def test_only_where_it_may_run() -> None:
    """An old engine on which a service never is does not matter, nor one that knows what it says."""
    labelled = [Node("hive0", labels={"new": "yes"}, engine="20.10.1"), Node("hive1", engine="18.06.1")]

    assert said("node.labels.new==yes", nodes=labelled, ulimits={"nofile": 1}) == []
    assert said(sysctls={"net.core.somaxconn": 1}, init=True) == []
    both = said(nodes=labelled, sysctls={"net.core.somaxconn": 1}, init=True)
    assert [line.partition(",")[0] for line in both] == [
        "services.web.sysctls: needs Docker Engine 19.03",
        "services.web.init: needs Docker Engine 18.09",
    ]
