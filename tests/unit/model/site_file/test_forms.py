"""Texts with a form of their own."""

import pytest

from model.site_file.forms import age, seconds


@pytest.mark.parametrize(
    ("text", "number"), [("90s", 90), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), ("0s", 0)]
)
def test_a_duration_is_a_number_of_seconds(text: str, number: float) -> None:
    """Parts of a duration are added up."""
    assert seconds(text) == number


@pytest.mark.parametrize(("text", "number"), [("12h", 43_200), ("7d", 604_800)])
def test_an_age_is_a_number_of_seconds(text: str, number: int) -> None:
    """Hours and days."""
    assert age(text) == number
