"""The source tree as its files have it: the modules, what each of them imports, and how the imports hang together."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

LAYERS = ("agent", "model", "remote", "providers", "tasks", "commands", "dodo")
"""From the lowest to the highest."""


@dataclass(frozen=True)
class Import:
    """An import statement's target.

    Args:
        name: Its full dotted name: `from a.b import c` is `a.b.c`.
        line: The line it stands in.
        in_function: Whether it runs when a function is called.
        for_types: Whether it stands under `if TYPE_CHECKING`, so that it never runs.

    """

    name: str
    line: int
    in_function: bool
    for_types: bool

    @property
    def top(self) -> str:
        """The name's first part: a layer or a package from elsewhere."""
        return self.name.partition(".")[0]


class SourceTree:
    """A repository's modules, by their dotted names; a package's own is that of its folder.

    Args:
        root: The repository.

    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Each module's file, below the root."""
        found = {}
        for layer in LAYERS:
            for path in [*self._root.glob(f"{layer}.py"), *(self._root / layer).rglob("*.py")]:
                local = path.relative_to(self._root)
                parts = local.parent.parts if local.name == "__init__.py" else local.with_suffix("").parts
                found[".".join(parts)] = local
        return found

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """Each module as it is parsed: seconds, which only those pay who look."""
        return {name: ast.parse((self._root / path).read_text()) for name, path in self.paths.items()}

    @cached_property
    def imports(self) -> dict[str, list[Import]]:
        """What each module imports."""
        return {name: list(_imports(tree)) for name, tree in self.trees.items()}

    def module(self, name: str) -> str | None:
        """Return the module that a dotted name is, or is defined in; None for a package from elsewhere."""
        while name and name not in self.paths:
            name = name.rpartition(".")[0]
        return name or None

    def graph(self, *, at_import_only: bool = False) -> dict[str, set[str]]:
        """Return each module's imports of others of this tree, without those for types.

        Args:
            at_import_only: Leave out the imports inside functions.

        """
        return {
            name: {
                target
                for found in imports
                if not found.for_types and not (at_import_only and found.in_function)
                if (target := self.module(found.name)) not in {None, name}
            }
            for name, imports in self.imports.items()
        }

    def lines(self, module: str) -> Iterator[tuple[str, ast.AST]]:
        """Yield the nodes of a module that have a line, each with its place as `path:line`."""
        for node in ast.walk(self.trees[module]):
            if hasattr(node, "lineno"):
                yield f"{self.paths[module]}:{node.lineno}", node


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return circles of imports, each as a path that ends where it begins: with these cut, none is left."""
    left = {name: set(targets) for name, targets in graph.items()}
    found = []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            # graphlib's path goes from an imported module to the one that imports it.
            circle = list(reversed(error.args[1]))
            found.append(circle)
            left[circle[0]].discard(circle[1])
        else:
            return found


def longest_chain(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the longest chain of imports, from the module that nobody in it imports; the graph has no circles."""
    chains: dict[str, list[str]] = {}
    for name in TopologicalSorter(graph).static_order():
        below = max((chains[target] for target in graph.get(name, ())), key=len, default=[])
        chains[name] = [name, *below]
    return max(chains.values(), key=len, default=[])


def reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Return a module and all that importing it imports."""
    seen, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph.get(name, ()))
    return seen


def _imports(node: ast.AST, *, in_function: bool = False, for_types: bool = False) -> Iterator[Import]:
    """Yield the imports below a node."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, in_function, for_types)
        elif isinstance(child, ast.ImportFrom) and child.module:
            for alias in child.names:
                yield Import(f"{child.module}.{alias.name}", child.lineno, in_function, for_types)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for statement in child.body:
                yield from _imports(_wrapped(statement), in_function=in_function, for_types=True)
            for statement in child.orelse:
                yield from _imports(_wrapped(statement), in_function=in_function, for_types=for_types)
        else:
            function = in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, in_function=function, for_types=for_types)


def _wrapped(statement: ast.stmt) -> ast.Module:
    """Return a statement as the only child of a node."""
    return ast.Module([statement], [])
