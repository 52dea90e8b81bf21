"""Numbers as people write them."""

import pytest

from model.site_file import forms
from model.units import age, duration, size


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0s"), (0.25, "250ms"), (1.5, "1.5s"), (60, "60s"), (90, "90s"), (120, "2m"), (7200, "2h")],
)
def test_a_duration_is_written_in_the_largest_unit_that_fits(number: float, text: str) -> None:
    """What is written is a duration of site.toml, and the same one."""
    assert duration(number) == text
    assert forms.seconds(text) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (1000, "1000"), (1024, "1K"), (1536 * 2**20, "1536M"), (2**30, "1G"), (2**41, "2T")],
)
def test_a_size_is_written_in_the_largest_unit_that_fits(number: int, text: str) -> None:
    """What is written is a size of site.toml, and the same one."""
    assert size(number) == text
    assert forms.size_in_bytes(text) == number


@pytest.mark.parametrize(("number", "text"), [(3_600, "1h"), (86_400, "1d"), (90_000, "25h")])
def test_an_age_is_written_in_days_where_they_are_whole(number: int, text: str) -> None:
    """What is written is an age of site.toml, and the same one."""
    assert age(number) == text
    assert forms.age(text) == number
