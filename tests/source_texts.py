"""The texts of skep's source, against which documents are held that quote messages and names."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = ("model", "remote", "providers", "tasks", "commands")
GAP = "…"
"""Stands for a value in a message."""


@cache
def trees() -> tuple[ast.Module, ...]:
    """Return all modules, parsed."""
    return tuple(ast.parse(path.read_text()) for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


@cache
def all_texts() -> frozenset[str]:
    """Return each text of the source, with a gap for each value in it."""
    return frozenset(_texts())


@cache
def whole() -> str:
    """Return all texts as one."""
    return "\0".join(sorted(all_texts()))


@cache
def joined_names() -> frozenset[str]:
    """Return the names that the source joins to paths."""
    return frozenset(
        str(node.right.value)
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and isinstance(node.right, ast.Constant)
    )


def _texts() -> Iterator[str]:
    """Yield them."""
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.sh"):
            yield re.sub(r"\$\w+|\$\{[^}]*\}", GAP, path.read_text())
