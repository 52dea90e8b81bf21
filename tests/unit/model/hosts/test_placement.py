"""Where the hosts of a stage in a cloud are, what their firewall lets in, and what its things are called."""

from typing import Any

import pytest

from model import site as types
from model.checks import check
from model.hosts.cloud_name import cloud_name
from model.hosts.firewall import INSIDE, Rule, inbound, rule_inputs
from model.hosts.placement import host_locations, subnets
from model.site_file.load import parse_site
from model.stage import Stage


def stage_of(name: str = "production", site: str = "example.test", **config: Any) -> Stage:
    """Return a stage in a cloud whose subnets lie in one zone each."""
    services = config.pop("services", {})
    table = {
        "provider": "aws", "region": "eu-central-1", "instance_type": "t3.medium", "cidr": "10.1.0.0/24", **config
    }  # fmt: skip
    whole = parse_site({"site": site, "stages": {name: table}, "services": services})
    return Stage(whole, name, whole.stages[name])


def where(stage: Stage) -> list[tuple[str, str, str]]:
    """Return address, subnet and zone of each host."""
    return [
        (place.address, place.subnet.cidr, place.zone)
        for place in (stage.location(host) for host in stage.hosts)
    ]


def mistakes(stage: Stage, tmp_path: Any) -> list[str]:
    """Return what is wrong with a site."""
    return check(stage.site, tmp_path)


class TestPlaces:
    """Subnets, zones, addresses."""

    def test_by_default_there_is_a_subnet_in_each_zone_and_hosts_go_round(self) -> None:
        """A fourth host is in the first zone again; addresses are counted up in each subnet from the eleventh."""
        assert where(stage_of()) == [
            ("10.1.0.10", "10.1.0.0/26", "eu-central-1a"),
            ("10.1.0.74", "10.1.0.64/26", "eu-central-1b"),
            ("10.1.0.138", "10.1.0.128/26", "eu-central-1c"),
            ("10.1.0.11", "10.1.0.0/26", "eu-central-1a"),
        ]
        assert [host.address for host in stage_of().hosts] == [address for address, _, _ in where(stage_of())]

    def test_zones_that_are_given(self) -> None:
        """Two zones cut the network in two; one does not cut it."""
        two = stage_of(available_zones=["eu-central-1b", "eu-central-1c"])
        one = stage_of(available_zones=["eu-central-1b"])

        assert [plan.cidr for plan in subnets(two.config)] == ["10.1.0.0/25", "10.1.0.128/25"]  # type: ignore[arg-type]
        assert {zone for _, _, zone in where(two)} == {"eu-central-1b", "eu-central-1c"}
        assert [address for address, _, _ in where(one)] == [f"10.1.0.{n}" for n in (10, 11, 12, 13)]

    def test_subnets_that_are_given(self) -> None:
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

    def test_addresses_that_are_given_say_the_subnet(self) -> None:
        """And so the zone."""
        stage = stage_of(ip_address_list=["10.1.0.70", "10.1.0.4"])

        assert where(stage) == [
            ("10.1.0.70", "10.1.0.64/26", "eu-central-1b"),
            ("10.1.0.4", "10.1.0.0/26", "eu-central-1a"),
        ]

    def test_where_subnets_have_no_zone_hosts_have(self) -> None:
        """One network, and its hosts in turn in the zones, or wherever the cloud puts them."""
        config = types.CloudStage(instance_type="m1", cidr="10.1.0.0/24", available_zones=["a", "b"])
        free = types.CloudStage(instance_type="m1", cidr="10.1.0.0/24")

        assert [place.zone for place in host_locations(config, 3)] == ["a", "b", "a"]
        assert [(place.subnet.cidr, place.zone) for place in host_locations(free, 2)] == [
            ("10.1.0.0/24", "")
        ] * 2

    def test_a_small_subnet_is_filled_from_its_first_free_address(self) -> None:
        """The cloud keeps the first four addresses and the last."""
        config = types.CloudStage(instance_type="m1", cidr="10.1.0.0/28")

        assert [place.address for place in host_locations(config, 11)] == [
            f"10.1.0.{n}" for n in range(4, 15)
        ]

    @pytest.mark.parametrize(
        ("config", "expected"),
        [
            ({"cidr": "10.1.0.0/26"}, []),
            ({"cidr": "10.1.0.0/31"}, ["cidr: 10.1.0.0/31 is too small for subnets in 3 zones"]),
            ({"cidr": "10.1.0.0/30"}, ["cidr: 10.1.0.0/32 is too small for 2 hosts, since"]),
            (
                {"cidr": "10.1.0.0/28", "number_of_hosts": 12, "available_zones": ["eu-central-1a"]},
                ["cidr: 10.1.0.0/28 is too small for 12 hosts, since"],
            ),
            (
                {"cidr": "10.0.0.0/12"},
                ["cidr: 10.0.0.0/12 is of a size", *[f"subnets: 10.{n}.0.0/14" for n in (0, 4, 8)]],
            ),
            (
                {"cidr": "10.1.0.0/27"},
                ["subnets: 10.1.0.0/29 is of", "subnets: 10.1.0.8/29", "subnets: 10.1.0.16/29"],
            ),
            ({"cidr": None, "ip_address_list": ["10.1.0.9", "10.1.0.8"]}, ["cidr: a cloud's hosts need one"]),
            ({"cidr": "fd00::/64"}, ["cidr: a cloud's hosts need one, and of IPv4"]),
            ({"subnets": [{"cidr": "10.2.0.0/28"}]}, ["subnets[0].cidr: 10.2.0.0/28 is not within cidr"]),
            ({"subnets": [{"cidr": "10.1.0.7/28"}]}, ["subnets[0].cidr: 10.1.0.7/28 has host bits set"]),
            (
                {"subnets": [{"cidr": "10.1.0.0/25"}, {"cidr": "10.1.0.0/26"}]},
                ["subnets[1].cidr: 10.1.0.0/26 overlaps with 10.1.0.0/25 of subnets[0]"],
            ),
            (
                {"subnets": [{"cidr": "10.1.0.0/25", "name": "a"}, {"cidr": "10.1.0.128/25", "name": "a"}]},
                ["subnets: 'a' occurs twice"],
            ),
            (
                {"ip_address_list": ["10.1.0.3", "10.1.0.20"]},
                ["ip_address_list[0]: 10.1.0.3 is one that the cloud keeps"],
            ),
            (
                {"subnets": [{"cidr": "10.1.0.0/25"}], "ip_address_list": ["10.1.0.20", "10.1.0.200"]},
                ["ip_address_list[1]: 10.1.0.200 is in none of the subnets (10.1.0.0/25)"],
            ),
            ({"ip_address_list": ["10.1.0.20", "x"]}, ["ip_address_list[1]: 'x' does not appear to be"]),
            (
                {"disk_encrypted": False, "kms_key_id": "alias/x"},
                ["kms_key_id: encrypts nothing where disk_encrypted = false"],
            ),
            ({"public_addresses": ["hive9"]}, ["public_addresses[0]: 'hive9' is not one of its hosts"]),
        ],
    )
    def test_mistakes_have_their_path(
        self, config: dict[str, Any], expected: list[str], tmp_path: Any
    ) -> None:
        """What does not fit is said before anything is touched, with the key to change."""
        found = mistakes(stage_of(**{"services": {}, **config}), tmp_path)

        assert len(found) == len(expected), found
        for line, beginning in zip(found, expected, strict=True):
            assert line.startswith(f"stages.production.{beginning}")

    def test_public_addresses(self) -> None:
        """All hosts have one, or none, or those that are named."""
        for wanted, expected in (
            (True, [True] * 4),
            (False, [False] * 4),
            (["hive1"], [False, True, False, False]),
        ):
            stage = stage_of(public_addresses=wanted)
            assert [stage.has_public_address(host) for host in stage.hosts] == expected


class TestFirewall:
    """What a cloud's firewall lets in."""

    SERVICES = {  # noqa: RUF012 - never changed
        "web": {"image": "debian:12", "ports": ["8080:80", "53:53/udp"]},
        "test": {"image": "debian:12", "ports": ["9:9"], "available_on": ["other"]},
    }

    def test_published_ports_are_those_of_the_stages_services(self) -> None:
        """Of another stage's services nothing is open; ssh is open to the networks that are given."""
        stage = stage_of(services=self.SERVICES, ssh_source_ips=["192.0.2.0/24", "2001:db8::/32"])

        outside = [rule for rule in inbound(stage) if rule.source != INSIDE]
        assert outside == [
            Rule("icmp", 0, "0.0.0.0/0"),
            Rule("tcp", 22, "192.0.2.0/24"),
            Rule("tcp", 8080, "0.0.0.0/0"),
            Rule("udp", 53, "0.0.0.0/0"),
        ]

    def test_inside_there_is_the_swarm_and_the_registry(self) -> None:
        """With ESP, for overlay networks that are encrypted; with the file system's port where there is one."""
        rules = [str(rule) for rule in inbound(stage_of()) if rule.source == INSIDE]

        assert rules == [
            "esp from the stage's hosts",
            "2377/tcp from the stage's hosts",
            "5000/tcp from the stage's hosts",
            "7946/tcp from the stage's hosts",
            "4789/udp from the stage's hosts",
            "7946/udp from the stage's hosts",
        ]
        assert Rule("tcp", 2049, INSIDE) in inbound(stage_of(nfs=True))

    def test_one_more_port_is_one_more_input(self) -> None:
        """So that `doit why` names the port."""
        before = rule_inputs(inbound(stage_of()))
        after = rule_inputs(inbound(stage_of(services=self.SERVICES)))

        assert after.keys() - before.keys() == {"8080/tcp from 0.0.0.0/0", "53/udp from 0.0.0.0/0"}


class TestNames:
    """What things are called."""

    def test_no_two_stages_of_an_account_share_a_name(self) -> None:
        """Neither where their names put together are the same, nor where they are cut."""
        names = [
            cloud_name(stage_of(stage, site), "hive0", limit=limit)
            for limit in (63, 24)
            for site, stage in (("a", "b-c"), ("a-b", "c"), ("a.b", "c"), ("a" * 60, "c"), ("a" * 61, "c"))
        ]

        assert len(set(names)) == 10
        assert [len(name) <= limit for name, limit in zip(names, [63] * 5 + [24] * 5, strict=True)] == [
            True
        ] * 10
        assert names[0].startswith("skep-a-b-c-hive0-")
