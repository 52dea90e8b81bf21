"""How far logs have arrived, from the shipper's notes to the figures."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.errors import AgentError
from agent.observe.exposition import Exposition
from agent.observe.shipping_figures import shipping_figures


def figures_of(path: Path, notes: Any) -> list[str]:
    """Return the figures that notes make."""
    path.write_text(json.dumps(notes))
    figures = Exposition()
    shipping_figures(figures, path)
    return [line for line in figures.text().splitlines() if not line.startswith("#")]


def test_a_hive(tmp_path: Path) -> None:
    """Each part is told, also those that work."""
    assert figures_of(tmp_path / "notes", {"taken": 1.5, "failing": ["journal"]}) == [
        "skep_logs_taken_timestamp_seconds 1.5",
        'skep_logs_failed{part="journal"} 1',
        'skep_logs_failed{part="notes"} 0',
        'skep_logs_failed{part="services"} 0',
    ]


def test_the_repository_host(tmp_path: Path) -> None:
    """It tells of its collector as well."""
    lines = figures_of(tmp_path / "notes", {"taken": 1.5, "failing": [], "is_full": True})
    assert lines[-1] == "skep_logs_collector_full 1"


def test_a_host_that_ships_nothing(tmp_path: Path) -> None:
    """It has none of these figures, and nothing failed."""
    figures = Exposition()
    shipping_figures(figures, tmp_path / "none")
    assert figures.text() == ""


@pytest.mark.parametrize("notes", [None, {}, {"taken": "?", "failing": []}, {"taken": 1.0, "failing": None}])
def test_notes_that_are_none(tmp_path: Path, notes: Any) -> None:
    """They are said to be."""
    with pytest.raises(AgentError, match="notes"):
        figures_of(tmp_path / "notes", notes)
