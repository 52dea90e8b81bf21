"""The scripts of bench/ are not run by any check: at least what they import from here must be there."""

import ast
from pathlib import Path

import pytest

from tests.unit.source_tree import LAYERS

ROOT = Path(__file__).parents[2]


def names_in(module: str) -> set[str]:
    """Return the names that a module has: what it defines, what it imports, and the modules below it."""
    folder = ROOT.joinpath(*module.split("."))
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    nodes = ast.walk(ast.parse(path.read_text())) if path.exists() else ()
    names = {below.stem for below in folder.glob("*")}
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.parametrize("script", sorted((ROOT / "bench").glob("*.py")), ids=lambda path: path.name)
def test_what_a_script_imports_is_there(script: Path) -> None:
    """Each name that a script takes from skep or its tests exists, also where a function imports it."""
    missing = [
        f"{script.name}:{node.lineno}: {node.module} has no {alias.name}"
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {*LAYERS, "tests"}
        for alias in node.names
        if alias.name not in names_in(str(node.module))
    ]

    assert missing == []
