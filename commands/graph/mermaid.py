"""A graph in Mermaid's language, which GitHub and GitLab draw (https://mermaid.js.org/syntax/flowchart.html)."""

from collections.abc import Iterator

from commands.graph.colours import LIGHT
from tasks.explain.resource_graph import WORST_FIRST, ResourceGraph


def mermaid(graph: ResourceGraph, title: str) -> str:
    """Return a graph as a flowchart, with a box around each phase."""
    return "".join(f"{line}\n" for line in _lines(graph, title))


def _lines(graph: ResourceGraph, title: str) -> Iterator[str]:
    # Keys have characters that its names can't have.
    names = {node.key: f"n{i}" for i, node in enumerate(graph.nodes)}
    yield "---"
    yield f"title: {_text(title)}"
    yield "---"
    yield "flowchart LR"
    for i, (phase, nodes) in enumerate(graph.phases.items()):
        yield f"  subgraph p{i}[{_text(phase)}]"
        for node in nodes:
            number = f" ({node.count})" if node.count > 1 else ""
            words = f"{node.name}{number}<br>{node.status}"
            yield f"    {names[node.key]}[{_text(words)}]:::{_class(node.status)}"
        yield "  end"
    for edge in graph.edges:
        yield f"  {names[edge.before]} {'-->' if edge.is_made_from else '-.->'} {names[edge.after]}"
    for status in WORST_FIRST:
        colours = LIGHT[status]
        yield f"  classDef {_class(status)} fill:{colours.fill},stroke:{colours.line},color:{colours.text}"


def _class(status: str) -> str:
    return status.replace(" ", "_")


def _text(text: str) -> str:
    """Return a text in quotes, in which a quote is an entity."""
    return '"' + text.replace("#", "#35;").replace('"', "#quot;") + '"'
