"""Names of things in a cloud account."""

from model.hosts.cloud_name import cloud_name
from tests.unit.model.hosts.cloud_stage import stage_of

"""What things are called."""


def test_no_two_stages_of_an_account_share_a_name() -> None:
    """Neither where their names put together are the same, nor where they are cut."""
    names = [
        cloud_name(stage_of(stage, site), "hive0", limit=limit)
        for limit in (63, 24)
        for site, stage in (("a", "b-c"), ("a-b", "c"), ("a.b", "c"), ("a" * 60, "c"), ("a" * 61, "c"))
    ]

    assert len(set(names)) == 10
    assert [len(name) <= limit for name, limit in zip(names, [63] * 5 + [24] * 5, strict=True)] == [True] * 10
    assert names[0].startswith("skep-a-b-c-hive0-")
