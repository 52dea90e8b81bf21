"""README: short, and every figure in it was measured."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
SCREENS = 2 * 50


def measured() -> list[tuple[str, str]]:
    """Return each figure of the table of peers with its row, the row's name left out."""
    table = README.split("## Beside what people use now", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "hive-builder" not in line]
    return [(figure, row) for row in rows for figure in re.findall(r"\d+(?:\.\d+)? s\b", row)]


@pytest.mark.parametrize(("figure", "row"), measured())
def test_each_figure_was_measured(figure: str, row: str) -> None:
    """It stands in bench/README.md, with how it was taken."""
    assert figure in (ROOT / "bench" / "README.md").read_text(), row


def test_there_are_figures() -> None:
    """The table has the form that is looked for."""
    assert len(measured()) > 12


def test_it_fits_on_two_screens() -> None:
    """At most, with its picture left out."""
    assert len(README.splitlines()) <= SCREENS
