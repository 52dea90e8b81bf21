"""A graph as a picture: a column for each phase, light or dark as its reader's page is. It loads nothing."""

from collections.abc import Iterator, Mapping
from html import escape

from commands.graph.colours import DARK, LIGHT, Colours
from tasks.explain.resource_graph import WORST_FIRST, ResourceEdge, ResourceGraph, ResourceNode

_WIDTH, _HEIGHT = 184, 40
"""Of a node."""
_GAP, _BETWEEN = 12, 72
"""Between two nodes of a column, and between two columns."""
_MARGIN, _HEAD, _LEGEND = 16, 72, 40
_LETTERS = 24
"""Of a name that a node has room for; the whole is in its tooltip."""
_SWEEPS = 4
"""How often columns are put in order by those that they come after."""
_PAPER, _INK, _EDGE = ("#ffffff", "#16181c"), ("#24292f", "#e6e8eb"), ("#8a93a0", "#78818e")
"""Light and dark."""
_HEADER = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" \
aria-labelledby="title desc">"""
_ARROW = """\
<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">\
<path class="arrow" d="M0 0L8 4L0 8z"/></marker></defs>"""
_STYLE = """\
text {{ font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 13px; fill: {ink}; }}
.title {{ font-size: 17px; font-weight: 600; }}
.phase {{ font-weight: 600; }}
.status {{ font-size: 11px; }}
.paper {{ fill: {paper}; }}
.edge {{ fill: none; stroke: {edge}; stroke-width: 1.3; }}
.waits {{ stroke-dasharray: 4 4; stroke-opacity: 0.6; }}
.arrow {{ fill: {edge}; }}
"""
Places = Mapping[str, tuple[float, float]]


def svg(graph: ResourceGraph, title: str) -> str:
    """Return a graph as an SVG picture."""
    columns = _ordered(graph)
    places = {
        node.key: (_MARGIN + column * (_WIDTH + _BETWEEN), _HEAD + row * (_HEIGHT + _GAP))
        for column, nodes in enumerate(columns)
        for row, node in enumerate(nodes)
    }
    longest = max((len(nodes) for nodes in columns), default=0)
    width = 2 * _MARGIN + len(columns) * (_WIDTH + _BETWEEN) - _BETWEEN + _BETWEEN // 2
    height = _HEAD + longest * (_HEIGHT + _GAP) + _LEGEND
    lines = [
        _HEADER.format(width=width, height=height),
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(_description(graph))}</desc>',
        f"<style>\n{_style()}</style>",
        _ARROW,
        f'<rect class="paper" width="{width}" height="{height}"/>',
        f'<text class="title" x="{_MARGIN}" y="26">{escape(title)}</text>',
        *(_edge(edge, places) for edge in graph.edges),
    ]
    for nodes in columns:
        lines.append(
            f'<text class="phase" x="{places[nodes[0].key][0]}" y="{_HEAD - 14}">{escape(nodes[0].phase)}</text>'
        )
        lines += (_node(node, *places[node.key]) for node in nodes)
    lines += [*_legend(graph, height - _LEGEND // 2), "</svg>"]
    return "\n".join(lines) + "\n"


def _ordered(graph: ResourceGraph) -> list[list[ResourceNode]]:
    """Return the phases' nodes, each near the height of those that it comes after, so that few edges cross."""
    columns = [*graph.phases.values()]
    before: dict[str, list[str]] = {node.key: [] for node in graph.nodes}
    for edge in graph.edges:
        before[edge.after].append(edge.before)
        before[edge.before].append(edge.after)
    rows = {node.key: float(row) for nodes in columns for row, node in enumerate(nodes)}
    for _ in range(_SWEEPS):
        for nodes in columns:
            own = {node.key for node in nodes}
            heights = {
                node.key: [rows[key] for key in before[node.key] if key not in own] or [rows[node.key]]
                for node in nodes
            }
            nodes.sort(key=lambda node: sum(heights[node.key]) / len(heights[node.key]))
            rows |= {node.key: float(row) for row, node in enumerate(nodes)}
    return columns


def _edge(edge: ResourceEdge, places: Places) -> str:
    """Return the line of an edge; of two nodes in one column it goes round on their right."""
    (x1, y1), (x2, y2) = places[edge.before], places[edge.after]
    start, y1, y2 = x1 + _WIDTH, y1 + _HEIGHT / 2, y2 + _HEIGHT / 2
    if x1 == x2:
        bow = start + _BETWEEN / 2
        path = f"M{start} {y1}C{bow} {y1} {bow} {y2} {start + 1} {y2}"
    else:
        bow = max(_BETWEEN, (x2 - start) / 2)
        path = f"M{start} {y1}C{start + bow} {y1} {x2 - bow} {y2} {x2 - 1} {y2}"
    waits = "" if edge.is_made_from else " waits"
    return f'<path class="edge{waits}" d="{path}" marker-end="url(#end)"/>'


def _node(node: ResourceNode, x: float, y: float) -> str:
    """Return a node: its name, its status, and a tooltip with the rest."""
    name = node.name if len(node.name) <= _LETTERS else f"{node.name[: _LETTERS - 1]}…"
    status = f"{node.status} ({node.count} steps)" if node.count > 1 else node.status
    tooltip = "\n".join([f"{node.key}: {node.status}", *node.reasons])
    return (
        f'<g class="{_class(node.status)}"><title>{escape(tooltip)}</title>'
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{x + 10}" y="{y + 17}">{escape(name)}</text>'
        f'<text class="status" x="{x + 10}" y="{y + 32}">{escape(status)}</text></g>'
    )


def _legend(graph: ResourceGraph, y: float) -> Iterator[str]:
    """Yield what lines and colours mean, of those that are there."""
    x = float(_MARGIN)
    for is_made_from, words in ((True, "is made from"), (False, "waits for")):
        if any(edge.is_made_from is is_made_from for edge in graph.edges):
            waits = "" if is_made_from else " waits"
            yield f'<path class="edge{waits}" d="M{x} {y}h34" marker-end="url(#end)"/>'
            yield f'<text class="status" x="{x + 42}" y="{y + 4}">{words}</text>'
            x += 130
    present = {node.status for node in graph.nodes}
    for status in WORST_FIRST:
        if status in present:
            yield f'<g class="{_class(status)}"><rect x="{x}" y="{y - 7}" width="14" height="14" rx="3"/></g>'
            yield f'<text class="status" x="{x + 20}" y="{y + 4}">{status}</text>'
            x += 100


def _description(graph: ResourceGraph) -> str:
    """Return the picture in words, for those who can't see it."""
    counts = {
        status: sum(node.count for node in graph.nodes if node.status == status) for status in WORST_FIRST
    }
    states = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{sum(node.count for node in graph.nodes)} resources in {len(graph.phases)} phases: {states}"


def _style() -> str:
    """Return the style sheet, for light and for dark."""
    light, dark = (_STYLE.format(ink=_INK[i], paper=_PAPER[i], edge=_EDGE[i]) for i in (0, 1))
    return f"{light}{_statuses(LIGHT)}@media (prefers-color-scheme: dark) {{\n{dark}{_statuses(DARK)}}}\n"


def _statuses(colours: Mapping[str, Colours]) -> str:
    return "".join(
        f".{_class(status)} rect {{ fill: {each.fill}; stroke: {each.line}; }}\n"
        f".{_class(status)} text {{ fill: {each.text}; }}\n"
        for status, each in colours.items()
    )


def _class(status: str) -> str:
    return status.replace(" ", "-")
