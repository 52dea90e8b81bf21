"""What a stage says of its hosts."""

from tests.unit.model.hosts.cloud_stage import stage_of


def test_public_addresses() -> None:
    """All hosts have one, or none, or those that are named."""
    for wanted, expected in (
        (True, [True] * 4),
        (False, [False] * 4),
        (["hive1"], [False, True, False, False]),
    ):
        stage = stage_of(public_addresses=wanted)
        assert [stage.has_public_address(host) for host in stage.hosts] == expected
