"""Networks that are replaced under their services: these come out of it, and back as they were."""

import re
from typing import Any

import pytest

from model.errors import ServiceError
from model.site import Ipam, Network
from model.site.networks import MTU
from model.stage import Host
from remote.swarm import allocation
from remote.swarm.overlay_networks import NOWHERE, connected, disconnected, ensure_network

LABELS = {"skep.site": "example", "skep.key": "k", "own": "1"}


def spec(mode: dict[str, Any]) -> dict[str, Any]:
    """Return the specification of a service in networks `front` and `back`."""
    return {
        "Name": "web",
        "Labels": dict(LABELS),
        "Mode": mode,
        "TaskTemplate": {
            "ContainerSpec": {"Image": "web"},
            "Placement": {"Constraints": ["node.role==manager"], "Platforms": [{"OS": "linux"}]},
            "Networks": [{"Target": "f1", "Aliases": ["www"]}, {"Target": "b1"}],
        },
    }


@pytest.mark.parametrize("mode", [{"Replicated": {"Replicas": 3}}, {"Global": {}}])
def test_a_service_is_put_back_as_it_was(mode: dict[str, Any]) -> None:
    """Number of tasks, constraints and aliases are those of before, the network is the new one; the key stays away."""
    out, labels = disconnected(spec(mode), "front", "f1")

    assert out["TaskTemplate"]["Networks"] == [{"Target": "b1"}]
    assert out["Mode"] == ({"Replicated": {"Replicas": 0}} if "Replicated" in mode else mode)
    assert NOWHERE in out["TaskTemplate"]["Placement"]["Constraints"]
    assert "skep.key" not in labels

    back, labels = connected({**out, "Labels": labels}, "front", "f2")

    assert labels == {"skep.site": "example", "own": "1"}
    assert back["Mode"] == mode
    assert back["TaskTemplate"] == {
        **spec(mode)["TaskTemplate"],
        "Networks": [{"Target": "f2", "Aliases": ["www"]}, {"Target": "b1"}],
    }


@pytest.mark.parametrize("order", [("front", "back"), ("back", "front")])
def test_a_run_that_was_killed_is_taken_up(order: tuple[str, str]) -> None:
    """Taken out of two networks, a service runs as before only when it is back in both, whichever comes first."""
    mode = {"Replicated": {"Replicas": 3}}
    now, labels = disconnected(spec(mode), "front", "f1")
    now, labels = disconnected({**now, "Labels": labels}, "back", "b1")
    new = {"front": "f2", "back": "b2"}

    half, labels = connected({**now, "Labels": labels}, order[0], new[order[0]])

    assert half["Mode"] == {"Replicated": {"Replicas": 0}}
    assert NOWHERE in half["TaskTemplate"]["Placement"]["Constraints"]

    whole, labels = connected({**half, "Labels": labels}, order[1], new[order[1]])

    assert whole["Mode"] == mode
    assert whole["TaskTemplate"]["Placement"] == spec(mode)["TaskTemplate"]["Placement"]
    assert sorted(each["Target"] for each in whole["TaskTemplate"]["Networks"]) == ["b2", "f2"]
    assert labels == {"skep.site": "example", "own": "1"}


# -- whether the swarm gives them addresses ----------------------------------------------------------------------------

HIVE = Host("hive0", "p-hive0", "10.0.0.1", is_hive=True, is_repository=False)
KEYED = {"skep.site": "example", "skep.key": "k1"}


class Engine:
    """A manager's engine that allocates networks, or does not."""

    def __init__(self, *networks: dict[str, Any], allocates: bool = True, used: bool = False) -> None:
        self.api = self
        self.all = {network["Id"]: network for network in networks}
        self.allocates = allocates
        self.used = used
        self.options: dict[str, str] | None = None

    def networks(self, names: list[str] | None = None) -> list[dict[str, Any]]:
        """List them; of names the engine takes the beginning."""
        return [each for each in self.all.values() if not names or each["Name"].startswith(names[0])]

    def create_network(
        self, name: str, *, ipam: Any, labels: dict[str, str], options: Any, **_: Any
    ) -> dict[str, str]:
        """Make one."""
        self.options = options
        made = network(name, labels=labels, subnet=ipam["Config"][0]["Subnet"] if ipam else "10.0.1.0/24")
        if not self.allocates:
            made |= {"Driver": "", "IPAM": {"Driver": "", "Options": None, "Config": None}}
        self.all[made["Id"]] = made
        return {"Id": made["Id"]}

    def inspect_network(self, number: str) -> dict[str, Any]:
        """Return one."""
        return self.all[number]

    def remove_network(self, number: str) -> None:
        """Remove one."""
        del self.all[number]

    def services(self, filters: Any = None) -> list[dict[str, Any]]:
        """List a service that is in all of them."""
        joined = [{"Target": number} for number in self.all]
        found = {"Spec": {"Name": "web", "Labels": {}, "TaskTemplate": {"Networks": joined}}}
        return [found] if self.used and filters is None else []


def network(
    name: str, subnet: str = "10.20.1.0/24", labels: dict[str, str] | None = None, scope: str = "swarm"
) -> dict[str, Any]:
    """Return a network as an engine describes it."""
    return {
        "Id": f"id-{name}",
        "Name": name,
        "Scope": scope,
        "Driver": "overlay",
        "Labels": labels or {},
        "IPAM": {"Config": [{"Subnet": subnet}]},
    }


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a network wait a moment for its addresses."""
    monkeypatch.setattr(allocation, "ALLOCATION_TIMEOUT", 0.1)


def ensure(engine: Engine, subnet: str | None, *others: Any, **options: str) -> str:
    """Make network `b` in a swarm of this manager and other engines."""
    client: Any = engine
    ipam = Ipam(subnet=subnet) if subnet is not None else None
    wanted = Network(ipam=ipam, driver_opts=options)
    return ensure_network((HIVE, client), "b", wanted, KEYED, lambda _line: None, lambda: [client, *others])


def test_a_network_is_done_when_the_swarm_has_given_it_addresses() -> None:
    """The engine then shows driver and subnet."""
    engine = Engine()

    assert ensure(engine, "10.20.0.0/24") == "id-b"
    assert ensure(engine, "10.20.0.0/24") == "id-b"


@pytest.mark.parametrize(
    ("sizes", "made_with"),
    [(["1500", "1500"], None), (["1500", "1450", "1400"], "1400"), (["1450", "9001"], "1450")],
)
def test_its_packets_fit_into_the_smallest_of_the_hives_networks(
    sizes: list[str], made_with: str | None
) -> None:
    """Whichever manager is asked to make it; what site.toml says comes first."""
    own, *others = ({**network("bridge", subnet="10.1.0.0/24"), "Options": {MTU: size}} for size in sizes)
    engine = Engine(own)
    engines = [Engine(other) for other in others]

    ensure(engine, None, *engines)
    assert engine.options == ({MTU: made_with} if made_with else None)

    del engine.all["id-b"]
    ensure(engine, None, *engines, **{MTU: "1300"})
    assert engine.options == {MTU: "1300"}


@pytest.mark.usefixtures("fast")
def test_a_network_that_gets_no_addresses_is_removed() -> None:
    """Seen: it was there and called done, and each service in it waited for six minutes."""
    engine = Engine(allocates=False)

    with pytest.raises(
        ServiceError, match=r"network b to get its addresses from the swarm: they are taken, or none"
    ):
        ensure(engine, None)
    assert engine.all == {}


@pytest.mark.parametrize(
    ("name", "scope", "is_refused"),
    [("a", "swarm", True), ("ingress", "swarm", True), ("docker_gwbridge", "local", True), ("bridge", "local", True),
     ("compose_default", "local", False)],
)  # fmt: skip
def test_a_subnet_that_another_network_has_is_refused_before_anything_is_made(
    name: str, scope: str, *, is_refused: bool
) -> None:
    """Also one of somebody else, that no file shows. A bridge of one host's alone is in nobody's way."""
    engine = Engine(network(name, scope=scope))

    if is_refused:
        words = f"networks.b.ipam: 10.20.0.0/16 overlaps with 10.20.1.0/24 of network {name}: choose another subnet"
        with pytest.raises(ServiceError, match=re.escape(words)):
            ensure(engine, "10.20.0.0/16")
    else:
        ensure(engine, "10.20.0.0/16")
    assert ("id-b" in engine.all) is not is_refused


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("used", [True, False])
def test_a_network_without_addresses_that_is_there_is_not_taken_for_good(*, used: bool) -> None:
    """An older skep called it done. It goes if nobody is in it; else the message has the way out."""
    there = {**network("b", labels=KEYED), "Driver": "", "IPAM": {"Config": None}}
    engine = Engine(there, used=used, allocates=False)

    with pytest.raises(ServiceError, match="web wait for it.*replace=b" if used else "get its addresses"):
        ensure(engine, "10.20.0.0/24")
    assert ("id-b" in engine.all) is used
