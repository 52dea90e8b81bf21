"""The table of disasters in docs/backup.md: each row was carried out by a test."""

import ast
import re

import pytest

from tests.pages import ROOT

HEADING = "## What is lost in which disaster\n"


def rows() -> list[str]:
    """Return what is gone, in each row."""
    section = (ROOT / "docs/backup.md").read_text().split(HEADING)[1].split("\n## ")[0]
    found = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    return [row for row in found if row != "what is gone"]


def carried_out() -> dict[str, list[str]]:
    """Return what is gone in tests that are marked with it, to those tests."""
    found: dict[str, list[str]] = {}
    for path in (ROOT / "tests/integration").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.disaster":
                        [row] = mark.args
                        found.setdefault(ast.literal_eval(row), []).append(node.name)
    return found


def test_there_is_a_table() -> None:
    """It has the form that is looked for."""
    assert "all of it" in rows()


@pytest.mark.parametrize("row", rows())
def test_each_row_was_carried_out(row: str) -> None:
    """By a test that is marked with its words."""
    assert row in carried_out()


def test_each_mark_has_its_row() -> None:
    """A test that is marked with words that the table does not have is of another time."""
    assert [row for row in carried_out() if row not in rows()] == []
