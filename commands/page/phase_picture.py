"""The phases as a graph: which is made from which, and how far each is up to date. SVG, for wide and narrow screens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from commands.page.markup import Markup, el
from tasks.explain.resource_graph import WORST_FIRST
from tasks.explain.status import UP_TO_DATE
from tasks.page.page_data import PagePhase

_MARGIN = 6
_USUALLY = {
    "setup_hosts": ("build_infra",),
    "build_images": ("setup_hosts",),
    "build_networks": ("setup_hosts",),
    "build_volumes": ("setup_hosts",),
    "deploy_services": ("build_images", "build_networks", "build_volumes"),
    "initialize_services": ("deploy_services",),
}
"""What a phase comes after on most sites."""
Place = tuple[float, float]
"""The upper left corner of a node."""


@dataclass(frozen=True)
class GraphForm:
    """A form of the graph.

    Args:
        name: `wide`, from left to right, or `narrow`, from above to below: the class by which it is shown.
        width: The width of a node.
        height: Its height.
        between: The room between two nodes in the direction of time.
        beside: The room between two nodes that are beside each other.
        size: Of its letters.

    """

    name: str
    width: float
    height: float
    between: float
    beside: float
    size: int

    @property
    def is_wide(self) -> bool:
        """Whether time goes from left to right."""
        return self.name == "wide"


WIDE_GRAPH = GraphForm("wide", 168, 46, 48, 12, 13)
NARROW_GRAPH = GraphForm("narrow", 118, 44, 28, 4, 10)


def phase_picture(phases: Sequence[PagePhase], form: GraphForm) -> Markup:
    """Return the graph of the phases in one of its forms."""
    levels = _levels(phases)
    rows: dict[int, list[str]] = {}
    for name, level in levels.items():
        rows.setdefault(level, []).append(name)
    most = max(len(row) for row in rows.values())
    along, across = (form.width, form.height) if form.is_wide else (form.height, form.width)
    breadth = most * (across + form.beside) - form.beside
    places: dict[str, Place] = {}
    for level, row in rows.items():
        free = breadth - (len(row) * (across + form.beside) - form.beside)
        for n, name in enumerate(row):
            far = _MARGIN + level * (along + form.between)
            aside = _MARGIN + free / 2 + n * (across + form.beside)
            places[name] = (far, aside) if form.is_wide else (aside, far)
    length = 2 * _MARGIN + len(rows) * (along + form.between) - form.between
    width, height = (length, breadth + 2 * _MARGIN) if form.is_wide else (breadth + 2 * _MARGIN, length)
    before = {each.name: each.after for each in phases}
    ids = f"phases-{form.name}"
    return el(
        "svg",
        el("title", "The phases as a graph", id=f"{ids}-title"),
        el("desc", _description(phases), id=f"{ids}-desc"),
        *(
            _edge(places[dep], places[name], form)
            for name, deps in before.items()
            for dep in deps
            if dep in places and not _is_implied(dep, name, before)
        ),
        *(_node(each, places[each.name], form) for each in phases),
        xmlns="http://www.w3.org/2000/svg",
        class_=f"picture graph {form.name}",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{ids}-title {ids}-desc",
    )


def _levels(phases: Sequence[PagePhase]) -> dict[str, int]:
    """Return each phase's place in time: behind all that it comes after; with nothing to make, where it usually is."""
    levels: dict[str, int] = {}
    for phase in phases:
        after = [name for name in phase.after if name in levels] or _USUALLY.get(phase.name, ())
        levels[phase.name] = max((levels[name] + 1 for name in after if name in levels), default=0)
    return levels


def _is_implied(dep: str, name: str, before: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a phase comes after another by way of a third one."""

    def reaches(start: str) -> bool:
        return dep in before.get(start, ()) or any(reaches(each) for each in before.get(start, ()))

    return any(reaches(other) for other in before[name] if other != dep)


def _node(phase: PagePhase, place: Place, form: GraphForm) -> Markup:
    """Return a phase, with its worst status in words."""
    worst = next((status for status in WORST_FIRST if status in phase.counts), "")
    words = f"{phase.counts[worst]} {worst}" if worst else "nothing to make"
    sign = "" if worst in {"", UP_TO_DATE} else "! "
    x, y = place[0] + form.width / 2, place[1]
    return el(
        "g",
        el("rect", class_="box", x=place[0], y=place[1], width=form.width, height=form.height, rx=6),
        el("text", phase.name, class_=f"name size-{form.size}", x=x, y=y + 19, text_anchor="middle"),
        el("text", f"{sign}{words}", class_="small", x=x, y=y + 36, text_anchor="middle"),
        class_=f"phase {(worst or UP_TO_DATE).replace(' ', '-')}",
    )


def _edge(start: Place, end: Place, form: GraphForm) -> Markup:
    """Return the line from a phase to one that comes after it, with an arrow's head."""
    if form.is_wide:
        x1, y1, x2, y2 = start[0] + form.width, start[1] + form.height / 2, end[0], end[1] + form.height / 2
        bow = (x2 - x1) / 2
        path = f"M{x1:g} {y1:g}C{x1 + bow:g} {y1:g} {x2 - bow:g} {y2:g} {x2 - 7:g} {y2:g}"
        head = f"M{x2:g} {y2:g}l-8 -4v8z"
    else:
        x1, y1, x2, y2 = start[0] + form.width / 2, start[1] + form.height, end[0] + form.width / 2, end[1]
        bow = (y2 - y1) / 2
        path = f"M{x1:g} {y1:g}C{x1:g} {y1 + bow:g} {x2:g} {y2 - bow:g} {x2:g} {y2 - 7:g}"
        head = f"M{x2:g} {y2:g}l-4 -8h8z"
    return el("g", el("path", d=path), el("path", class_="head", d=head), class_="order")


def _description(phases: Sequence[PagePhase]) -> str:
    """Return the graph in words."""
    sentences = []
    for each in phases:
        after = f" comes after {', '.join(each.after)}" if each.after else ""
        counts = ", ".join(f"{count} {status}" for status, count in each.counts.items())
        sentences.append(f"{each.name}{after}: {counts or 'nothing to make'}")
    return ". ".join(sentences)
