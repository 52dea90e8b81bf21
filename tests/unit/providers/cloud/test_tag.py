"""Tags that are descriptions."""

from providers.cloud.tag import parse_tag, tag
from tests.doubles.gcp.cloud import stage_of


def test_a_tag_is_read_by_its_own_stage_alone() -> None:
    """Name and key come back; another stage, and a description by a person, tell nothing. The longest fits."""
    stage, other = stage_of(), stage_of(name="staging")
    description = tag(stage, "hive0", "k" * 64)

    assert parse_tag(stage, description) == ("hive0", "k" * 64)
    assert parse_tag(other, description) == ("", "")
    assert parse_tag(stage, "the office network") == ("", "")
    assert parse_tag(stage, None) == ("", "")
    assert len(tag(stage, "address." + "h" * 63, "k" * 64)) <= 255
