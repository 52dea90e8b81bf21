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


def test_what_a_stage_has_is_found_once() -> None:
    """Checks and templates ask for it with each service: a site with 3,000 would be read for a minute."""
    stage = stage_of()

    for name in ("services", "images", "volumes", "networks", "external_networks", "secrets", "configs"):
        assert getattr(stage, name) is getattr(stage, name)
