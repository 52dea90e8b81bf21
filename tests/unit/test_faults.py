"""docs/faults.md quotes messages that skep has."""

import re
from pathlib import Path

import pytest

from tests.source_texts import GAP, whole

ROOT = Path(__file__).parents[2]


def quoted() -> list[str]:
    """Return the messages that the page quotes: what is in backticks in lines that begin in bold."""
    bold = re.findall(r"^\*\*.+$", (ROOT / "docs" / "faults.md").read_text(), re.MULTILINE)
    return [text for line in bold for text in re.findall(r"`([^`]+)`", line) if GAP in text or " " in text]


@pytest.mark.parametrize("message", quoted())
def test_each_quoted_message_is_one(message: str) -> None:
    """Each part between two gaps or colons is in a text of the source: what was printed is found on the page."""
    parts = [part.strip(" :") for part in re.split(f"{GAP}|: ", message)]

    assert [part for part in parts if part and part not in whole()] == []


def test_there_are_quotes() -> None:
    """The page has the form that is looked for."""
    assert len(quoted()) > 15
