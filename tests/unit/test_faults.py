"""docs/faults.md quotes messages that skep has."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("model", "remote", "providers", "tasks", "commands")
GAP = "…"


def quoted() -> list[str]:
    """Return the messages that the page quotes: what is in backticks in lines that begin in bold."""
    bold = re.findall(r"^\*\*.+$", (ROOT / "docs" / "faults.md").read_text(), re.MULTILINE)
    return [text for line in bold for text in re.findall(r"`([^`]+)`", line) if GAP in text or " " in text]


def said() -> Iterator[str]:
    """Yield each text of the source, with a gap for each value in it."""
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else GAP for part in node.values]
                    yield "".join(map(str, parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
        for path in (ROOT / layer).rglob("*.sh"):
            yield re.sub(r"\$\w+|\$\{[^}]*\}", GAP, path.read_text())


@cache
def all_said() -> tuple[str, ...]:
    """Return them all."""
    return tuple(said())


@pytest.mark.parametrize("message", quoted())
def test_each_quoted_message_is_one(message: str) -> None:
    """Each part between two gaps or colons is in a text of the source: what was printed is found on the page."""
    parts = [part.strip(" :") for part in re.split(f"{GAP}|: ", message)]

    assert [part for part in parts if part and not any(part in text for text in all_said())] == []


def test_there_are_quotes() -> None:
    """The page has the form that is looked for."""
    assert len(quoted()) > 15
