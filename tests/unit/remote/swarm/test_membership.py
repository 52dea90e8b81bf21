"""Joining a swarm right after an outage."""

from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError

from model.errors import HostError
from model.stage import Host
from model.swarm.address_pools import SwarmOptions
from remote.swarm import membership

NO_LEADER = "rpc error: code = Unknown desc = The swarm does not have a leader."


def host(name: str) -> Host:
    """Return a hive."""
    return Host(name, f"p-{name}", "10.0.0.1", is_hive=True, is_repository=False)


class Manager:
    """A manager whose swarm has a leader after some questions."""

    def __init__(self, without: int) -> None:
        self.api = self.nodes = self.swarm = self
        self._without = without

    def info(self) -> Any:
        """Return how it stands in its swarm."""
        self._without -= 1
        error = NO_LEADER if self._without > 0 else ""
        return {
            "Swarm": {"LocalNodeState": "active", "ControlAvailable": True, "NodeID": "node", "Error": error}
        }

    def list(self) -> list[str]:
        """List the nodes."""
        if self._without > 0:
            raise HostError(NO_LEADER)
        return ["node"]

    def inspect_swarm(self) -> dict[str, str]:
        """Describe the swarm."""
        assert self._without <= 0, NO_LEADER
        return {"ID": "cluster"}


@pytest.mark.parametrize("others", [{"hive1": Manager(3)}, {}])
def test_a_leader_is_waited_for(monkeypatch: pytest.MonkeyPatch, others: dict[str, Any]) -> None:
    """Managers that have no leader yet get a while to elect one, be it others or the hive itself; the log says so."""
    monkeypatch.setattr(membership, "ensure_ingress", lambda *_: None)
    said: list[str] = []
    hives = {short: (host(short), True) for short in others}
    record = membership.ensure_member(
        host("hive0"),
        hives,
        Manager(0 if others else 3),
        lambda other: others[other.short],
        said.append,
        SwarmOptions(),
    )
    assert (record.cluster, record.node) == ("cluster", "node")
    assert "The swarm does not have a leader" in said[0], said


def test_a_member_sees_to_the_routing_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a swarm that was made before: the run that made it may have been killed on the way."""
    seen: list[SwarmOptions] = []
    monkeypatch.setattr(
        membership, "ensure_ingress", lambda _host, _client, options, _log: seen.append(options)
    )
    client: Any = Manager(0)

    membership.ensure_member(host("hive0"), {}, client, lambda _: client, lambda _: None, SwarmOptions())

    assert seen == [SwarmOptions()]


def test_a_leader_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more than half of the managers are gone for good, the message says the way out."""
    monkeypatch.setattr(membership, "LEADER_TIMEOUT", 0)
    with pytest.raises(HostError, match="more than half of its managers are gone"):
        membership.ensure_member(
            host("hive0"),
            {"hive1": (host("hive1"), True)},
            SimpleNamespace(info=lambda: {"Swarm": {"LocalNodeState": "inactive"}}),
            lambda _other: Manager(9),
            lambda _line: None,
            SwarmOptions(),
        )


@pytest.mark.parametrize("said", [NO_LEADER, "context deadline exceeded"])
def test_a_swarm_without_a_leader_is_left(said: str) -> None:
    """The SDK's `client.swarm` asks the swarm when it is named; and an engine that still ends tasks is asked again.

    One that has left is not asked to leave once more.
    """
    refusals, left = [APIError("error", explanation=said)], list[bool]()

    class Client:
        """An engine whose swarm does not answer."""

        def __init__(self) -> None:
            self.api = SimpleNamespace(leave_swarm=self._leave)

        def info(self) -> dict[str, Any]:
            """Return the state of an engine that left, even where it could not say so."""
            return {"Swarm": {"LocalNodeState": "inactive" if left else "active"}}

        @property
        def swarm(self) -> Any:
            """Fail as the SDK does."""
            raise APIError("error", explanation=NO_LEADER)

        def _leave(self, *, force: bool) -> None:
            """Give up the first time; the answer of the second one is lost."""
            if refusals:
                raise refusals.pop()
            left.append(force)
            raise APIError("error", explanation="unexpected EOF")

    client: Any = Client()
    membership.leave(host("hive0"), client)

    assert left == [True]
