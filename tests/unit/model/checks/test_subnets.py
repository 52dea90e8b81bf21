"""Networks that the swarm could never give addresses, or too few."""

from pathlib import Path
from typing import Any

import pytest

from model.checks import check
from model.site_file.load import parse_site

THREE: dict[str, Any] = {"provider": "docker", "cidr": "192.0.2.0/24", "separate_repository": False}


def problems(networks: dict[str, Any], services: dict[str, Any] | None = None, **stage: Any) -> list[str]:
    """Return the mistakes of a site with these networks, on three hives."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": {**THREE, **stage}},
            "networks": networks,
            "services": {name: {"image": "a:1", **service} for name, service in (services or {}).items()},
        }
    )
    return check(site, Path())


def of(subnet: str, **more: Any) -> dict[str, Any]:
    """Return a network with a subnet."""
    return {"ipam": {"subnet": subnet, **more}}


def test_networks_that_overlap_are_a_mistake() -> None:
    """The swarm would give only one of them its addresses."""
    (line,) = problems({"a": of("10.20.1.0/24"), "b": of("10.20.0.0/16")})
    assert line == (
        "networks.b.ipam.subnet: 10.20.0.0/16 overlaps with 10.20.1.0/24 of networks.a.ipam.subnet: give one of them "
        "another"
    )
    several = {"ipam": {"config": [{"subnet": "10.30.0.0/24"}, {"subnet": "10.20.1.128/25"}]}}
    assert problems({"a": of("10.20.1.0/24"), "b": several})[0].startswith(
        "networks.b.ipam.config[1].subnet: "
    )
    assert problems({"a": of("10.20.1.0/24"), "b": of("10.20.2.0/24")}) == []


@pytest.mark.parametrize(
    ("subnet", "stage", "said"),
    [
        ("192.0.2.128/25", {}, "overlaps with stages.private.cidr, the hosts' own network: choose another"),
        (
            "10.0.0.0/25",
            {},
            "overlaps with 10.0.0.0/24, which Docker takes for ingress on the hives: choose another",
        ),
        ("10.0.0.0/8", {}, "overlaps with 10.0.0.0/24, which Docker takes for ingress"),
        ("172.17.9.0/24", {}, "overlaps with 172.17.0.0/16, which Docker takes for docker0"),
        ("172.18.9.0/24", {}, "overlaps with 172.18.0.0/16, which Docker takes for docker_gwbridge"),
        ("172.19.9.0/24", {}, ""),
        (
            "172.19.9.0/24",
            {"cidr": "172.17.3.0/24"},
            "overlaps with 172.19.0.0/16, which Docker takes for docker_gw",
        ),
        ("172.17.9.0/24", {"internal_cidr": "10.9.0.0/22"}, ""),
        (
            "10.9.0.0/25",
            {"internal_cidr": "10.9.0.0/22"},
            "overlaps with stages.private.internal_cidr (10.9.0.0/22)",
        ),
        (
            "10.9.1.0/25",
            {"internal_cidr": "10.9.0.0/22"},
            "overlaps with 10.9.1.0/24, which stages.private.internal_c",
        ),
        (
            "10.9.2.0/25",
            {"internal_cidr": "10.9.0.0/22"},
            "overlaps with 10.9.2.0/25, which stages.private.internal_c",
        ),
        (
            "10.9.3.0/24",
            {"internal_cidr": "10.9.0.0/22"},
            "overlaps with stages.private.internal_cidr (10.9.0.0/22)",
        ),
        (
            "10.7.0.0/24",
            {"provider": "prepared", "ip_address_list": ["10.7.0.9", "10.8.0.9"], "cidr": None},
            "has 10.7.0.9 in it, hive0's own address in stage private",
        ),
        (
            "10.7.1.0/24",
            {"provider": "aws", "region": "eu-central-1", "instance_type": "t3.micro", "cidr": "10.7.0.0/16"},
            "overlaps with stages.private.cidr, the hosts' own network",
        ),
    ],
)
def test_addresses_of_hosts_and_of_docker_are_no_networks(
    subnet: str, stage: dict[str, Any], said: str
) -> None:
    """Docker's own ones are known by `internal_cidr`, else by its defaults: the first free ones."""
    given = {key: value for key, value in {**THREE, **stage}.items() if value is not None}
    site = parse_site({"site": "example", "stages": {"private": given}, "networks": {"a": of(subnet)}})

    found = [line for line in check(site, Path()) if line.startswith("networks.")]

    assert [line.startswith(f"networks.a.ipam.subnet: {subnet} {said}") for line in found] == [True] * bool(
        said
    )


@pytest.mark.parametrize(
    ("daemon", "subnet", "taken_for"),
    [
        ({}, "172.17.9.0/24", "docker0"),
        ({"bip": "192.168.7.1/24"}, "172.17.9.0/24", "docker_gwbridge"),
        ({"bip": "192.168.7.1/24"}, "172.18.0.0/24", ""),
        ({"bip": "172.17.0.1/16"}, "172.18.0.0/24", "docker_gwbridge"),
        ({"default-address-pools": [{"base": "192.168.8.0/21", "size": 24}]}, "172.17.0.0/24", ""),
        (
            {"bip": "192.168.7.1/24", "default-address-pools": [{"base": "192.168.8.0/21", "size": 24}]},
            "172.18.0.0/24",
            "",
        ),
        ({"bridge": "none"}, "172.18.0.0/24", ""),
        ({"log-driver": "journald"}, "172.18.0.0/24", "docker_gwbridge"),
    ],
)
def test_dockers_networks_are_where_its_settings_say(
    daemon: dict[str, Any], subnet: str, taken_for: str
) -> None:
    """With `bip` docker0 is elsewhere, and docker_gwbridge the first of the pools; other pools are not known here."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": THREE},
            "networks": {"a": of(subnet)},
            "setup_hosts": {"daemon": daemon},
        }
    )

    found = check(site, Path())

    assert [f"which Docker takes for {taken_for} on the hives" in line for line in found] == [True] * bool(
        taken_for
    )


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (of("127.0.0.0/24"), "ipam.subnet: 127.0.0.0/24 has loopback addresses in it"),
        (of("224.1.0.0/16"), "ipam.subnet: 224.1.0.0/16 has multicast addresses in it"),
        (of("169.254.7.0/24"), "ipam.subnet: 169.254.7.0/24 has link-local addresses in it"),
        (of("0.0.0.0/0"), "ipam.subnet: 0.0.0.0/0 has loopback addresses in it"),
        (
            of("10.20.0.0/24", gateway="10.20.0.255"),
            "ipam.gateway: 10.20.0.255 is the address of the network 10.20",
        ),
        (of("10.20.0.5/24"), "ipam.subnet: 10.20.0.5/24 has host bits set: write 10.20.0.0/24"),
        (of("10.20.0.0"), "ipam.subnet: 10.20.0.0 has no prefix length: write 10.20.0.0/24"),
        (of("10.20.0.0/255.255.255.0"), "ipam.subnet: 10.20.0.0/255.255.255.0 has a netmask"),
        (of("10.20.0.0/0.0.0.255"), "ipam.subnet: 10.20.0.0/0.0.0.255 has a netmask"),
        (of("10.20.0.0/33"), "ipam.subnet: '10.20.0.0/33' is not a network"),
        (of(" 10.20.0.0/24"), "ipam.subnet: ' 10.20.0.0/24' is not a network"),
        (of("10.20.0.0/24", gateway=""), "ipam.gateway: "),
        (of("10.20.0.0/24", ip_range="10.20.0.128"), "ipam.ip_range: 10.20.0.128 has no prefix length"),
    ],
)
def test_impossible_addresses_are_a_mistake(network: dict[str, Any], said: str) -> None:
    """No container can have them."""
    (line,) = problems({"a": network}, {"web": {"networks": ["a"]}})
    assert line.startswith(f"networks.a.{said}")


def test_addresses_without_a_subnet_are_one_mistake() -> None:
    """Nothing is said of the size of a network that has no subnet."""
    assert problems({"a": {"ipam": {}}}, {"web": {"networks": ["a"]}}) == [
        "networks.a.ipam: needs subnet, or config with several"
    ]


def test_a_network_has_room_for_what_is_in_it() -> None:
    """For each task, for the virtual address of each service, and for each hive that runs tasks in it."""
    services = {
        "web": {"networks": ["a"], "replicas": 2, "update_config": {"order": "start-first"}},
        "db": {"networks": ["a"], "endpoint_mode": "dnsrr"},
        "agent": {"networks": ["a"], "mode": "global", "endpoint_mode": "dnsrr"},
        "away": {"networks": ["b"], "replicas": 90},
    }
    # 6 tasks, 1 virtual address, 3 hives, 1 task that starts first.
    assert problems({"a": of("10.20.0.0/28"), "b": {}}, services) == []
    (line,) = problems({"a": of("10.20.0.0/29"), "b": {}}, services)
    assert line == (
        "networks.a.ipam: 10.20.0.0/29 has 5 addresses for containers, and stage private needs 11 (6 for tasks, "
        "1 for services, 3 for hives, 1 for tasks that start first): take a /28 or a larger one"
    )


@pytest.mark.parametrize(
    ("network", "replicas", "is_refused"),
    [
        (of("10.20.0.0/30"), 1, True),
        (of("10.20.0.0/32"), 0, True),
        (of("10.20.0.0/31"), 0, True),
        (of("10.20.0.0/24", ip_range="10.20.0.128/30"), 1, False),
        (of("10.20.0.0/24", ip_range="10.20.0.128/30"), 2, True),
        (of("10.20.0.0/24", ip_range="10.20.0.128/30", gateway="10.20.0.1"), 1, False),
        ({"ipam": {"config": [{"subnet": "10.20.0.0/29"}, {"subnet": "10.21.0.0/29"}]}}, 6, False),
        ({}, 240, False),
        ({}, 260, True),
    ],
)
def test_what_counts_are_the_addresses_that_containers_can_get(
    network: dict[str, Any], replicas: int, *, is_refused: bool
) -> None:
    """A part of the subnet, several subnets, and the size that Docker chooses."""
    assert bool(problems({"a": network}, {"web": {"replicas": replicas}})) == is_refused


def test_an_internal_cidr_has_room_for_few_networks() -> None:
    """Its first quarter is cut into four, where it is smaller than a /20."""
    (line,) = problems({name: {} for name in "abcde"}, internal_cidr="10.9.0.0/22")

    assert line == (
        "stages.private.internal_cidr: 10.9.0.0/22 has room for 4 networks without ipam, and there are 5 (a, b, c, d, "
        "e): take a larger one, or give some a subnet"
    )
    assert problems({name: {} for name in "abcde"}, internal_cidr="10.9.0.0/16") == []
    assert problems({name: {} for name in "abcd"}, internal_cidr="10.9.0.0/22") == []
