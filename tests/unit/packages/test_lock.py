"""The lists of pinned packages are those of pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from packages import lock

ROOT = Path(__file__).parents[3]
TABLE = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINE = re.compile(r"([a-z0-9-]+)==([^ ]+)( ; [^\\]+)? \\")


def pins(name: str) -> dict[str, str]:
    """Return a list's packages and versions."""
    lines = (ROOT / "packages" / f"{name}.txt").read_text().splitlines()
    return {found[1]: found[2] for line in lines if (found := LINE.fullmatch(line))}


def test_lists_are_made_from_these_requirements() -> None:
    """`./setup python packages/lock.py` was run after the last change of a requirement."""
    assert lock.stale_lists(TABLE) == []


def test_a_changed_requirement_is_noticed() -> None:
    """Another range of a requirement, or a list that is not there, makes lists stale."""
    project = {**TABLE["project"], "dependencies": [*TABLE["project"]["dependencies"], "flask"]}
    extras = {**TABLE["project"]["optional-dependencies"], "other": []}

    assert "packages/run.txt" in lock.stale_lists({**TABLE, "project": project})
    assert "packages/other.txt" in lock.stale_lists(
        {**TABLE, "project": {**TABLE["project"], "optional-dependencies": extras}}
    )


@pytest.mark.parametrize("name", lock.names(TABLE))
def test_each_requirement_is_pinned_in_its_range(name: str) -> None:
    """Whatever pyproject.toml asks for is in the list, in a version that it takes."""
    project = TABLE["project"]
    asked = project["dependencies"] if name == lock.BASE else project["optional-dependencies"][name]
    found = {**pins(lock.BASE), **pins(name)}
    for each in map(Requirement, asked):
        assert each.specifier.contains(found[each.name.lower()]), each


@pytest.mark.parametrize("name", lock.names(TABLE))
def test_each_pin_has_hashes_and_no_address(name: str) -> None:
    """A list names packages, versions and hashes, and not where they come from: each machine has its own index."""
    lines = (ROOT / "packages" / f"{name}.txt").read_text().splitlines()[2:]

    assert [line for line in lines if not (LINE.fullmatch(line) or "--hash=sha256:" in line)] == []
    assert len([line for line in lines if "--hash" in line]) >= len(pins(name)) > 0
