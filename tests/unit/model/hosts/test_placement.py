"""The locations of a stage's hosts in a cloud: subnets, zones, addresses."""

from model import site as types
from model.hosts.placement import host_locations, subnets
from model.stage import Stage
from tests.unit.model.hosts.cloud_stage import stage_of


def where(stage: Stage) -> list[tuple[str, str, str]]:
    """Return address, subnet and zone of each host."""
    return [
        (place.address, place.subnet.cidr, place.zone)
        for place in (stage.location(host) for host in stage.hosts)
    ]


"""Subnets, zones, addresses."""


def test_by_default_there_is_a_subnet_in_each_zone_and_hosts_go_round() -> None:
    """A fourth host is in the first zone again; addresses are counted up in each subnet from the eleventh."""
    assert where(stage_of()) == [
        ("10.1.0.10", "10.1.0.0/26", "eu-central-1a"),
        ("10.1.0.74", "10.1.0.64/26", "eu-central-1b"),
        ("10.1.0.138", "10.1.0.128/26", "eu-central-1c"),
        ("10.1.0.11", "10.1.0.0/26", "eu-central-1a"),
    ]
    assert [host.address for host in stage_of().hosts] == [address for address, _, _ in where(stage_of())]


def test_zones_that_are_given() -> None:
    """Two zones cut the network in two; one does not cut it."""
    two = stage_of(available_zones=["eu-central-1b", "eu-central-1c"])
    one = stage_of(available_zones=["eu-central-1b"])

    assert [plan.cidr for plan in subnets(two.config)] == ["10.1.0.0/25", "10.1.0.128/25"]  # type: ignore[arg-type]
    assert {zone for _, _, zone in where(two)} == {"eu-central-1b", "eu-central-1c"}
    assert [address for address, _, _ in where(one)] == [f"10.1.0.{n}" for n in (10, 11, 12, 13)]


def test_subnets_that_are_given() -> None:
    """Each has its zone, or the next one; names are the given ones, or counted."""
    stage = stage_of(
        subnets=[
            {"cidr": "10.1.0.0/28", "available_zone": "eu-central-1c"},
            {"cidr": "10.1.0.16/28", "name": "b"},
        ]
    )

    assert where(stage) == [
        ("10.1.0.10", "10.1.0.0/28", "eu-central-1c"),
        ("10.1.0.26", "10.1.0.16/28", "eu-central-1b"),
        ("10.1.0.11", "10.1.0.0/28", "eu-central-1c"),
        ("10.1.0.27", "10.1.0.16/28", "eu-central-1b"),
    ]
    assert [stage.location(host).subnet.name for host in stage.hosts] == ["subnet0", "b", "subnet0", "b"]


def test_addresses_that_are_given_say_the_subnet() -> None:
    """And so the zone."""
    stage = stage_of(ip_address_list=["10.1.0.70", "10.1.0.4"])

    assert where(stage) == [
        ("10.1.0.70", "10.1.0.64/26", "eu-central-1b"),
        ("10.1.0.4", "10.1.0.0/26", "eu-central-1a"),
    ]


def test_where_subnets_have_no_zone_hosts_have() -> None:
    """One network, and its hosts in turn in the zones, or wherever the cloud puts them."""
    config = types.CloudStage(instance_type="m1", cidr="10.1.0.0/24", available_zones=["a", "b"])
    free = types.CloudStage(instance_type="m1", cidr="10.1.0.0/24")

    assert [place.zone for place in host_locations(config, 3)] == ["a", "b", "a"]
    assert [(place.subnet.cidr, place.zone) for place in host_locations(free, 2)] == [("10.1.0.0/24", "")] * 2


def test_a_small_subnet_is_filled_from_its_first_free_address() -> None:
    """The cloud keeps the first four addresses and the last."""
    config = types.CloudStage(instance_type="m1", cidr="10.1.0.0/28")

    assert [place.address for place in host_locations(config, 11)] == [f"10.1.0.{n}" for n in range(4, 15)]
