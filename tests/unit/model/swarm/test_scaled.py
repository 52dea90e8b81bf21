"""How long a number of tasks holds that somebody gave a service."""

import pytest

from model.labels import SCALED_LABEL, SCALED_UNTIL_LABEL
from model.swarm.scaled import is_scale_over, scale_labels, scale_words


def test_a_service_that_nobody_scaled() -> None:
    """It has nothing to take back."""
    assert not is_scale_over({"a": "b"}, 10)
    assert scale_words({"a": "b"}) == ""


@pytest.mark.parametrize(
    ("labels", "is_over", "words"),
    [
        (scale_labels(3), True, "scaled to 3 until the next run"),
        (scale_labels(3, keep=True), False, "scaled to 3 until its definition changes"),
        (scale_labels(3, until=11), False, "scaled to 3 until 1970-01-01"),
        (scale_labels(3, until=10), True, "scaled to 3 until 1970-01-01"),
        ({SCALED_LABEL: "3", SCALED_UNTIL_LABEL: "some day"}, True, "scaled to 3 until the next run"),
    ],
)
def test_how_long_it_holds(labels: dict[str, str], words: str, *, is_over: bool) -> None:
    """Until the next run; with a time until then; with `keep` as long as the definition stays."""
    assert is_scale_over(labels, 10) is is_over
    assert scale_words(labels).startswith(words)
