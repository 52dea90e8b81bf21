"""A graph in Graphviz' language (https://graphviz.org/doc/info/lang.html)."""

from collections.abc import Iterator

from commands.graph.colours import LIGHT
from tasks.explain.resource_graph import ResourceGraph, ResourceNode


def dot(graph: ResourceGraph, title: str) -> str:
    """Return a graph for `dot -Tsvg`, with a box around each phase."""
    return "".join(f"{line}\n" for line in _lines(graph, title))


def _lines(graph: ResourceGraph, title: str) -> Iterator[str]:
    yield f"digraph {_quoted(title)} {{"
    yield "  rankdir=LR;"
    yield f"  label={_quoted(title)};"
    yield '  node [shape=box, style="rounded,filled", fontname="sans-serif"];'
    for phase, nodes in graph.phases.items():
        yield f"  subgraph {_quoted(f'cluster_{phase}')} {{"
        yield f"    label={_quoted(phase)};"
        for node in nodes:
            yield f"    {_quoted(node.key)} [{_attributes(node)}];"
        yield "  }"
    for edge in graph.edges:
        style = "" if edge.is_made_from else " [style=dashed]"
        yield f"  {_quoted(edge.before)} -> {_quoted(edge.after)}{style};"
    yield "}"


def _attributes(node: ResourceNode) -> str:
    """Return a node's attributes."""
    colours = LIGHT[node.status]
    number = f" ({node.count})" if node.count > 1 else ""
    words = {
        "label": f"{node.name}{number}\n{node.status}",
        "fillcolor": colours.fill,
        "color": colours.line,
        "tooltip": "\n".join([node.key, *node.reasons]),
    }
    return ", ".join(f"{name}={_quoted(value)}" for name, value in words.items())


def _quoted(text: str) -> str:
    """Return a text as the language has it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
