"""Numbers as people write them."""

import pytest

from model.site_file.forms import seconds
from model.units import duration


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0s"), (0.25, "250ms"), (1.5, "1.5s"), (60, "60s"), (90, "90s"), (120, "2m"), (7200, "2h")],
)
def test_a_duration_is_written_in_the_largest_unit_that_fits(number: float, text: str) -> None:
    """What is written is a duration of site.toml, and the same one."""
    assert duration(number) == text
    assert seconds(text) == number
