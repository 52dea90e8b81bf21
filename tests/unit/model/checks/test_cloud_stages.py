"""Mistakes of stages in clouds."""

from typing import Any

import pytest

from model.checks import check
from model.stage import Stage
from tests.unit.model.hosts.cloud_stage import stage_of


def mistakes(stage: Stage, tmp_path: Any) -> list[str]:
    """Return what is wrong with a site."""
    return check(stage.site, tmp_path)


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
        ({"prices": {"t3.medium": 30, "GiB of disk": 0.1}}, []),
        (
            {"prices": {"GiB of discs": 1}},
            ["prices: 'GiB of discs' is nothing that the stage pays for"],
        ),
        ({"public_addresses": ["hive9"]}, ["public_addresses[0]: 'hive9' is not one of its hosts"]),
    ],
)
def test_mistakes_have_their_path(config: dict[str, Any], expected: list[str], tmp_path: Any) -> None:
    """What does not fit is said before anything is touched, with the key to change."""
    found = mistakes(stage_of(**{"services": {}, **config}), tmp_path)

    assert len(found) == len(expected), found
    for line, beginning in zip(found, expected, strict=True):
        assert line.startswith(f"stages.production.{beginning}")
