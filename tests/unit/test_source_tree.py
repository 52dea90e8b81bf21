"""What `source_tree` reads out of files, shown on small trees."""

import itertools
import textwrap
from pathlib import Path

import pytest

from tests.unit.source_tree import Import, SourceTree, circles, longest_chain, reachable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a repository of two layers, with each kind of import."""
    files = {
        "model/__init__.py": "",
        "model/site/__init__.py": "from model.site.hosts import Host",
        "model/site/hosts.py": "class Host: ...",
        "model/stage.py": "import json\nfrom model.site import Host, hosts",
        "tasks/step.py": """
            from typing import TYPE_CHECKING
            if TYPE_CHECKING:
                from model.stage import Stage
            else:
                from model.site.hosts import Host
            class Step:
                def run(self):
                    try:
                        from docker.errors import NotFound
                        from model import stage
                    except ImportError:
                        pass
        """,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
    return tmp_path


def test_modules_have_dotted_names(root: Path) -> None:
    """A package's own file goes by its folder's name."""
    tree = SourceTree(root)

    assert {name: str(path) for name, path in tree.paths.items()} == {
        "model": "model/__init__.py",
        "model.site": "model/site/__init__.py",
        "model.site.hosts": "model/site/hosts.py",
        "model.stage": "model/stage.py",
        "tasks.step": "tasks/step.py",
    }


def test_an_import_knows_when_it_runs(root: Path) -> None:
    """Told apart are imports at the top, those inside functions, and those for types alone."""
    assert SourceTree(root).imports["tasks.step"] == [
        Import("typing.TYPE_CHECKING", 1, in_function=False, for_types=False),
        Import("model.stage.Stage", 3, in_function=False, for_types=True),
        Import("model.site.hosts.Host", 5, in_function=False, for_types=False),
        Import("docker.errors.NotFound", 9, in_function=True, for_types=False),
        Import("model.stage", 10, in_function=True, for_types=False),
    ]


def test_the_graph_has_what_runs(root: Path) -> None:
    """Imports inside functions count, unless they are left out; those for types don't, nor packages from elsewhere."""
    tree = SourceTree(root)

    assert tree.graph() == {
        "model": set(),
        "model.site": {"model.site.hosts"},
        "model.site.hosts": set(),
        "model.stage": {"model.site", "model.site.hosts"},
        "tasks.step": {"model.site.hosts", "model.stage"},
    }
    assert tree.graph(at_import_only=True)["tasks.step"] == {"model.site.hosts"}


def test_circles_are_found_one_by_one() -> None:
    """Each circle is a path in the direction of the imports; cut there, none is left."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"e", "a"}, "e": {"d"}}

    found = circles(graph)

    assert sorted(len(circle) for circle in found) == [3, 4]
    for circle in found:
        assert circle[0] == circle[-1]
        assert all(target in graph[name] for name, target in itertools.pairwise(circle))
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_the_longest_chain() -> None:
    """From the module that nobody imports down to the one that imports nobody."""
    graph = {"a": {"b", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}

    assert longest_chain(graph) == ["a", "b", "c", "d"]


def test_what_an_import_brings() -> None:
    """The module, and all below it, by any way; circles don't matter."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}

    assert reachable(graph, "a") == {"a", "b", "c"}
