"""How `internal_cidr` is divided, and what a swarm that was made otherwise is told by."""

from typing import Any

import pytest

from model.swarm.address_pools import SwarmOptions, address_pools, differing_options


def test_it_is_divided_as_hive_builder_does() -> None:
    """A quarter, a quarter, and from the middle on eighths; the last quarter stays free."""
    found = address_pools("172.31.252.0/22")

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
    assert address_pools(cidr).subnet_size == size


@pytest.mark.parametrize("cidr", ["10.0.0.0/25", "10.0.0.1/16", "fd00::/64", "nonsense"])
def test_what_can_not_be_divided(cidr: str) -> None:
    """Too small, with host bits, IPv6, no network at all."""
    with pytest.raises(ValueError, match=r"."):
        address_pools(cidr)


@pytest.mark.parametrize(
    ("options", "cluster", "said"),
    [
        (SwarmOptions(), {"DefaultAddrPool": ["10.0.0.0/16"], "DataPathPort": 4789}, ""),
        (SwarmOptions(), {}, ""),
        (SwarmOptions(address_pools("10.9.0.0/20")), {"DefaultAddrPool": ["10.9.0.0/22"]}, ""),
        (
            SwarmOptions(address_pools("10.9.0.0/20")),
            {"DefaultAddrPool": ["10.0.0.0/16"]},
            "addresses out of 10.0.0.0/16, not 10.9.0.0/22",
        ),
        (SwarmOptions(port=4790), {"DataPathPort": 0}, "data_path_port 4789, not 4790"),
        (
            SwarmOptions(address_pools("10.9.0.0/20"), 4790),
            {},
            "addresses out of what was free, not 10.9.0.0/22 and data_path_port 4789, not 4790",
        ),
    ],
)
def test_a_swarm_that_was_made_otherwise(options: SwarmOptions, cluster: dict[str, Any], said: str) -> None:
    """Where site.toml asks for nothing, any addresses will do."""
    assert differing_options(options, cluster) == said
