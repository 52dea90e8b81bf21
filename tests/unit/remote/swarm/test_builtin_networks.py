"""A swarm's built-in networks, in networks whose packets are smaller than Ethernet's."""

from types import SimpleNamespace
from typing import Any

import pytest

from model.site.networks import MTU
from model.stage import Host
from model.swarm.address_pools import SwarmOptions, address_pools
from remote.swarm.builtin_networks import ensure_gwbridge, ensure_ingress, small_mtu

HOST = Host("hive0", "p-hive0", "10.0.0.1", is_hive=True, is_repository=False)


class Killed(BaseException):
    """The run was killed."""


class Engine:
    """An engine's networks.

    Args:
        mtu: Of its own bridge.

    """

    def __init__(self, mtu: str) -> None:
        self.made: list[dict[str, Any]] = [
            {"Id": "b", "Name": "bridge", "Options": {MTU: mtu}},
            {"Id": "i", "Name": "ingress", "Ingress": True, "Options": {},
             "IPAM": {"Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}]}},
        ]  # fmt: skip
        self.published: list[str] = []
        self.dies_before = ""
        self.api = self

    def services(self) -> list[dict[str, Any]]:
        """List a service with ports that are published in these modes."""
        return [{"Spec": {"EndpointSpec": {"Ports": [{"PublishMode": mode} for mode in self.published]}}}]

    def networks(self, names: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """List those of the names, or all."""
        return [one for one in self.made if not names or one["Name"] in names]

    def remove_network(self, identifier: str) -> None:
        """Remove one."""
        self.made = [one for one in self.made if one["Id"] != identifier]

    def create_network(self, name: str, **about: Any) -> None:
        """Make one; the engine has one of each name."""
        if name == self.dies_before:
            self.dies_before = ""
            raise Killed
        assert not self.networks((name,))
        made = {
            "Id": name,
            "Name": name,
            "Options": about["options"] or {},
            "Ingress": about.get("ingress", False),
        }
        self.made.append({**made, "IPAM": about.get("ipam") or {}})

    def option(self, name: str) -> str:
        """Return the MTU of a network."""
        [found] = self.networks((name,))
        return str(found["Options"].get(MTU, ""))


@pytest.mark.parametrize(("mtu", "expected"), [("1450", 1450), ("1500", 0), ("9001", 0), ("", 0)])
def test_the_engines_bridge_tells_the_mtu(mtu: str, expected: int) -> None:
    """That of Ethernet, or a larger one, changes nothing."""
    assert small_mtu(SimpleNamespace(api=Engine(mtu))) == expected


def test_the_way_out_of_services_has_the_networks_mtu() -> None:
    """It is made once, with addresses of the engine's own choice; one with another MTU is made anew."""
    engine, lines = Engine("1450"), list[str]()
    for _ in range(2):
        ensure_gwbridge(HOST, engine, SwarmOptions(), lines.append)
    assert engine.option("docker_gwbridge") == "1450"
    assert lines == ["made docker_gwbridge, packets of 1450 bytes at most"]

    pools = SwarmOptions(address_pools("10.9.0.0/20"))
    ensure_gwbridge(HOST, engine, pools, lines.append)
    assert engine.option("docker_gwbridge") == "1450"


def test_the_routing_mesh_has_it() -> None:
    """With the addresses that it had."""
    engine, lines = Engine("1450"), list[str]()
    for _ in range(2):
        ensure_ingress(HOST, engine, SwarmOptions(), lines.append)

    assert engine.option("ingress") == "1450"
    [found] = engine.networks(("ingress",))
    assert found["IPAM"]["Config"][0]["Subnet"] == "10.0.0.0/24"
    assert lines == [
        "removing network ingress with its addresses out of 10.0.0.0/24",
        "made network ingress, packets of 1450 bytes at most",
    ]


def test_so_it_has_with_the_sites_addresses() -> None:
    """It is made once, with both."""
    engine, lines = Engine("1450"), list[str]()
    pools = address_pools("10.9.0.0/20")
    for _ in range(2):
        ensure_ingress(HOST, engine, SwarmOptions(pools), lines.append)

    assert engine.option("ingress") == "1450"
    [found] = engine.networks(("ingress",))
    assert found["IPAM"]["Config"][0]["Subnet"] == str(pools.ingress)
    assert lines[1:] == [
        f"made network ingress with addresses out of {pools.ingress}, packets of 1450 bytes at most"
    ]


@pytest.mark.parametrize("mtu", ["1450", "1500"])
@pytest.mark.parametrize("options", [SwarmOptions(), SwarmOptions(address_pools("10.9.0.0/20"))])
def test_a_killed_run_leaves_no_swarm_without_a_routing_mesh(mtu: str, options: SwarmOptions) -> None:
    """Killed after the old network was removed, or found without one: the next run makes it."""
    engine = Engine(mtu)
    if mtu == "1500" and options.pools is None:
        # As somebody left it.
        engine.remove_network("i")
    engine.dies_before = "ingress"
    with pytest.raises(Killed):
        ensure_ingress(HOST, engine, options, lambda _: None)
    assert engine.networks(("ingress",)) == []

    ensure_ingress(HOST, engine, options, lambda _: None)

    assert engine.option("ingress") == ("1450" if mtu == "1450" else "")


def test_a_hive_whose_network_takes_less_has_it_made_anew() -> None:
    """Each hive sees to it as it joins: the smallest of their networks counts."""
    engine = Engine("1450")
    ensure_ingress(HOST, engine, SwarmOptions(), lambda _: None)
    engine.made[0]["Options"][MTU] = "1400"
    ensure_ingress(HOST, engine, SwarmOptions(), lambda _: None)
    assert engine.option("ingress") == "1400"

    for mtu in ("1450", "1500"):
        engine.made[0]["Options"][MTU] = mtu
        ensure_ingress(HOST, engine, SwarmOptions(), pytest.fail)


def test_one_that_services_publish_by_stays() -> None:
    """The swarm refuses to remove it; ports of the hosts' own don't count."""
    engine = Engine("1450")
    engine.published = ["host", "ingress"]
    ensure_ingress(HOST, engine, SwarmOptions(), pytest.fail)
    assert engine.option("ingress") == ""

    engine.published = ["host"]
    ensure_ingress(HOST, engine, SwarmOptions(), lambda _: None)
    assert engine.option("ingress") == "1450"


def test_elsewhere_nothing_is_asked_for() -> None:
    """With Ethernet's MTU the engine makes its networks itself, as ever."""
    engine = Engine("1500")
    ensure_gwbridge(HOST, engine, SwarmOptions(), pytest.fail)
    ensure_ingress(HOST, engine, SwarmOptions(), pytest.fail)

    assert [one["Name"] for one in engine.made] == ["bridge", "ingress"]
