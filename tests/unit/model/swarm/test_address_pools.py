"""How `internal_cidr` is divided, and what a swarm that was made otherwise is told by."""

from typing import Any

import pytest

from model.swarm.address_pools import SwarmWants, differs, divide


def test_it_is_divided_as_hive_builder_does() -> None:
    """A quarter, a quarter, and from the middle on eighths; the last quarter stays free."""
    found = divide("172.31.252.0/22")

    assert str(found.overlay) == "172.31.252.0/24"
    assert str(found.ingress) == "172.31.253.0/24"
    assert str(found.gwbridge) == "172.31.254.0/25"
    assert str(found.docker0) == "172.31.254.128/25"
    assert found.bip == "172.31.254.129/25"


@pytest.mark.parametrize(
    ("cidr", "size"), [("10.254.0.0/16", 24), ("10.254.0.0/20", 24), ("10.254.0.0/24", 28)]
)
def test_there_is_room_for_several_networks(cidr: str, size: int) -> None:
    """A network of the site is a /24, or a quarter of a small pool."""
    assert divide(cidr).subnet_size == size


@pytest.mark.parametrize("cidr", ["10.0.0.0/25", "10.0.0.1/16", "fd00::/64", "nonsense"])
def test_what_can_not_be_divided(cidr: str) -> None:
    """Too small, with host bits, IPv6, no network at all."""
    with pytest.raises(ValueError, match=r"."):
        divide(cidr)


@pytest.mark.parametrize(
    ("wants", "cluster", "said"),
    [
        (SwarmWants(), {"DefaultAddrPool": ["10.0.0.0/16"], "DataPathPort": 4789}, ""),
        (SwarmWants(), {}, ""),
        (SwarmWants(divide("10.9.0.0/20")), {"DefaultAddrPool": ["10.9.0.0/22"]}, ""),
        (
            SwarmWants(divide("10.9.0.0/20")),
            {"DefaultAddrPool": ["10.0.0.0/16"]},
            "addresses out of 10.0.0.0/16, not 10.9.0.0/22",
        ),
        (SwarmWants(port=4790), {"DataPathPort": 0}, "data_path_port 4789, not 4790"),
        (
            SwarmWants(divide("10.9.0.0/20"), 4790),
            {},
            "addresses out of what was free, not 10.9.0.0/22 and data_path_port 4789, not 4790",
        ),
    ],
)
def test_a_swarm_that_was_made_otherwise(wants: SwarmWants, cluster: dict[str, Any], said: str) -> None:
    """Where site.toml asks for nothing, any addresses will do."""
    assert differs(wants, cluster) == said
