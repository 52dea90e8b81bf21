"""The words on a service that was scaled."""

from types import SimpleNamespace
from typing import Any

import pytest

from model.swarm.scaled import scale_labels
from tasks.operate.adjusted_service import AdjustedService


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({}, "3 tasks, as site.toml says"),
        (
            scale_labels(3),
            (
                "scaled to 3 until the next run; site.toml says 2, and the next run goes back to that "
                "(until=2h or keep leaves it so)"
            ),
        ),
        (scale_labels(3, keep=True), "scaled to 3 until its definition changes; site.toml says 2"),
    ],
)
def test_site_toml_says_otherwise(labels: dict[str, str], words: str) -> None:
    """It is said with its own number, and what the next run does."""
    run: Any = SimpleNamespace(stage=SimpleNamespace(services={"web": SimpleNamespace(replicas=2)}))

    assert AdjustedService(run, "web")._scale_words(3, labels) == words
