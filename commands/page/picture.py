"""The site as a picture: hosts with the tasks on them, the volumes there, and the networks between them. SVG.

It is drawn twice, for wide and for narrow screens, and shows nothing that the page's tables don't have in words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from commands.operate.status_lines import size_words
from commands.page.markup import Markup, el
from commands.page.network_lines import NetworkLine, network_lines
from tasks.page.page_data import PageData
from tasks.page.site_parts import PageHost, PageTask, PageVolume

NOWHERE = "no host yet"
_CHIP_HEIGHT, _GAP, _PAD, _HEAD = 42, 8, 12, 44
_DOT, _DOTS = 11, 8
"""Between two tasks of a chip, and how many are drawn."""
_ROW = 20
"""Of the head of a network."""
_WIDEST = 1.3
"""How much wider than the least a chip gets where there is room."""
_LETTER = 7.1
_SMALL_LETTER = 6.0
"""The width of a letter, on the average."""


@dataclass(frozen=True)
class Form:
    """A form of the picture.

    Args:
        name: `wide` or `narrow`: the class by which the style sheet shows it.
        width: Its width.
        chip: The least width of a chip: a service's tasks on a host.
        volume: The width of a volume.
        edges: The room between chips and volumes.
        bus: The room for each network's line.
        lines: How many such lines are drawn, so that they take a third of the width at most.

    """

    name: str
    width: float
    chip: float
    volume: float
    edges: float
    bus: float
    lines: int


WIDE = Form("wide", 1080, 168, 150, 56, 18, 14)
NARROW = Form("narrow", 360, 120, 96, 34, 10, 8)


@dataclass(frozen=True)
class _Box:
    """A host as it is laid out, from its own upper left corner.

    Args:
        host: The host.
        chips: Service to the place of its chip.
        chip: The width of a chip.
        volumes: Volume to its place.
        height: The box's height.

    """

    host: PageHost
    chips: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    chip: float = 0
    volumes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    height: float = 0


def picture(page: PageData, form: Form) -> Markup:
    """Return the picture of a site in one of its forms."""
    lines = network_lines(page.networks, page.services, form.lines)
    left = 12 + len(lines) * form.bus
    width = form.width - left - 2
    boxes = [_laid_out(page, host, form, width) for host in _hosts(page)]
    top = len(lines) * _ROW + 16.0
    corners: list[float] = []
    below = top
    for box in boxes:
        corners.append(below)
        below += box.height + 14
    height = max(below, top + 20)
    ids = f"picture-{form.name}"
    return el(
        "svg",
        el("title", f"The site {page.site} as a picture", id=f"{ids}-title"),
        el("desc", _description(page), id=f"{ids}-desc"),
        *_drawn_lines(lines, form, boxes, corners, left),
        *(_host(page, form, box, left, y, width) for box, y in zip(boxes, corners, strict=True)),
        xmlns="http://www.w3.org/2000/svg",
        class_=f"picture {form.name}",
        viewBox=f"0 0 {form.width:g} {height:g}",
        role="img",
        aria_labelledby=f"{ids}-title {ids}-desc",
    )


def _hosts(page: PageData) -> Iterator[PageHost]:
    """Yield the hosts, and one that stands for none, with the tasks that have no host yet."""
    yield from page.hosts
    waiting = tuple(task for service in page.services for task in service.waiting)
    if waiting:
        yield PageHost(NOWHERE, is_up=True, tasks=waiting, notes=("tasks that wait for a place",))


def _description(page: PageData) -> str:
    """Return the picture in words, for those who can't see it."""
    parts = []
    for host in _hosts(page):
        counts: dict[str, int] = {}
        for task in host.tasks:
            counts[task.service] = counts.get(task.service, 0) + 1
        on_it = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in counts.items())
        silent = "" if host.is_up else ", which does not answer,"
        parts.append(f"{host.name}{silent} has {on_it or 'no tasks'}")
    return ". ".join(parts) or "There are no hosts"


# -- hosts -------------------------------------------------------------------------------------------------------------


def _laid_out(page: PageData, host: PageHost, form: Form, width: float) -> _Box:
    """Return a host's box. Services with a volume here stand in the last column, so that no edge crosses a chip."""
    services = list(dict.fromkeys(task.service for task in host.tasks))
    volumes = [volume.name for volume in page.volumes if volume.host == host.name]
    uses = {each.name: set(each.volumes) & {*volumes} for each in page.services}
    users = [name for name in services if uses.get(name)]
    others = [name for name in services if not uses.get(name)]
    aside = form.edges + form.volume if volumes else 0
    room = width - 2 * _PAD - aside
    columns = max(1, int((room + _GAP) // (form.chip + _GAP)))
    chip = min((room + _GAP) / columns - _GAP, _WIDEST * form.chip)
    rows = -(-len(services) // columns)
    last = users + others[: max(0, rows - len(users))] if users else []
    before = [name for name in services if name not in last]
    free = columns - 1 if last else columns
    step_x, step_y = chip + _GAP, _CHIP_HEIGHT + _GAP
    if free:
        places = {
            name: (_PAD + n % free * step_x, _HEAD + n // free * step_y) for n, name in enumerate(before)
        }
    else:
        places = {name: (_PAD, _HEAD + (len(last) + n) * step_y) for n, name in enumerate(before)}
    edge = width - _PAD - aside - chip if columns > 1 else _PAD
    places |= {name: (edge, _HEAD + n * step_y) for n, name in enumerate(last)}
    volume_places = {name: (width - _PAD - form.volume, _HEAD + n * step_y) for n, name in enumerate(volumes)}
    lowest = max((y for _, y in (*places.values(), *volume_places.values())), default=_HEAD - step_y)
    return _Box(host, places, chip, volume_places, lowest + step_y + _PAD - _GAP / 2)


def _host(page: PageData, form: Form, box: _Box, left: float, top: float, width: float) -> Markup:
    """Return a host with all that is in it."""
    host = box.host
    state = "up" if host.is_up and not host.problems else "bad"
    tasks: dict[str, list[PageTask]] = {}
    for task in host.tasks:
        tasks.setdefault(task.service, []).append(task)
    volumes = {each.name: each for each in page.volumes if each.host == host.name}
    networks = {each.name: each.networks for each in page.services}
    chip = box.chip
    edges = [
        _edge(service.name, volume, box.chips[service.name], box.volumes[volume], chip)
        for service in page.services
        if service.name in box.chips
        for volume in service.volumes
        if volume in box.volumes
    ]
    return el(
        "g",
        el("rect", class_="box", width=width, height=box.height, rx=8),
        el("text", host.name, class_="name", x=_PAD, y=20),
        el("text", _fitted(_host_words(host), width - 2 * _PAD), class_="small", x=_PAD, y=36),
        *edges,
        *(_chip(name, tasks[name], networks.get(name, ()), place, chip) for name, place in box.chips.items()),
        *(_volume(volumes[name], page, place, form.volume) for name, place in box.volumes.items()),
        class_=f"host {state}",
        transform=f"translate({left:g} {top:g})",
    )


def _host_words(host: PageHost) -> str:
    """Return what is said of a host below its name."""
    if host.name == NOWHERE:
        return host.notes[0]
    if not host.is_made:
        return "not made yet"
    role = ", ".join(filter(None, (host.role, "repository" if host.is_repository else "")))
    if not host.is_up:
        return f"✕ does not answer{f' ({role})' if role else ''}"
    return f"{'! ' if host.problems else ''}{role or 'in no swarm'}"


def _chip(
    service: str, tasks: Sequence[PageTask], networks: Sequence[str], place: tuple[float, float], width: float
) -> Markup:
    """Return a service's tasks on a host: a square for each, full where all is well, crossed out where not."""
    shown = [_task(task, 10 + n * _DOT) for n, task in enumerate(tasks[:_DOTS])]
    after = 10 + len(shown) * _DOT + 2
    more = f"+{len(tasks) - _DOTS} " if len(tasks) > _DOTS else ""
    words = more + ", ".join(networks)
    is_well = all(task.is_well for task in tasks)
    tooltip = "\n".join(_task_words(task) for task in tasks)
    return el(
        "g",
        el("title", tooltip),
        el("rect", class_="box", width=width, height=_CHIP_HEIGHT, rx=5),
        el("text", _fitted(service, width - 18), class_="name", x=9, y=17),
        *shown,
        el("text", _fitted(words, width - after - 6, 6.2), class_="small", x=after, y=34) if words else None,
        class_=f"chip {'well' if is_well else 'bad'}",
        data_service=service,
        transform=f"translate({place[0]:g} {place[1]:g})",
    )


def _task(task: PageTask, x: float) -> Markup:
    """Return a task's square."""
    if task.is_well and task.health != "starting" and task.state != "paused":
        return el("rect", class_="task", x=x, y=26, width=8, height=8)
    if task.is_well or task.state not in {"failed", "rejected", "unknown", "lost", "paused", "running"}:
        return el("rect", class_="task starting", x=x + 0.75, y=26.75, width=6.5, height=6.5)
    return el("path", class_="task cross", d=f"M{x:g} 26l8 8m0 -8l-8 8")


def _task_words(task: PageTask) -> str:
    """Return a task for a tooltip."""
    health = f", {task.health}" if task.health else ""
    return f"{task.name}: {task.state}{health}{f' ({task.error})' if task.error else ''}"


def _volume(volume: PageVolume, page: PageData, place: tuple[float, float], width: float) -> Markup:
    """Return a volume, as a cylinder."""
    users = [each.name for each in page.services if volume.name in each.volumes]
    x, y, bend = place[0], place[1], 5
    low = y + _CHIP_HEIGHT - bend
    body = f"M{x:g} {y + bend:g}V{low:g}A{width / 2:g} {bend} 0 0 0 {x + width:g} {low:g}V{y + bend:g}"
    lid = f"A{width / 2:g} {bend} 0 0 0 {x:g} {y + bend:g}A{width / 2:g} {bend} 0 0 0 {x + width:g} {y + bend:g}"
    disk = f"disk {volume.disk:.0%} full" if volume.disk is not None else ""
    known = ", ".join(filter(None, (f"{size_words(volume.size)}B" if volume.size is not None else "", disk)))
    small = known if len(known) * _SMALL_LETTER <= width - 12 else disk or known
    return el(
        "g",
        el("title", f"volume {volume.name}, mounted by {', '.join(users) or 'no service'}"),
        el("path", class_="box", d=body + lid),
        el("text", _fitted(volume.name, width - 12), class_="name", x=x + 8, y=y + 22),
        el("text", _fitted(small, width - 12, _SMALL_LETTER), class_="small", x=x + 8, y=y + 34),
        class_=f"volume {'bad' if volume.problems else 'well'}",
        data_services=" ".join(users),
    )


def _edge(
    service: str, volume: str, chip: tuple[float, float], to: tuple[float, float], width: float
) -> Markup:
    """Return the line from a service's chip to a volume that it mounts."""
    x1, y1, x2, y2 = chip[0] + width, chip[1] + _CHIP_HEIGHT / 2, to[0], to[1] + _CHIP_HEIGHT / 2
    bow = (x2 - x1) / 2
    return el(
        "path",
        el("title", f"{service} mounts {volume}"),
        class_="mounts",
        data_services=service,
        d=f"M{x1:g} {y1:g}C{x1 + bow:g} {y1:g} {x2 - bow:g} {y2:g} {x2:g} {y2:g}",
    )


# -- networks ----------------------------------------------------------------------------------------------------------


def _drawn_lines(
    lines: Sequence[NetworkLine], form: Form, boxes: Sequence[_Box], corners: Sequence[float], left: float
) -> Iterator[Markup]:
    """Yield each line: its name, a line down, and a branch to each host with tasks in it."""
    for n, line in enumerate(lines):
        x, y = 8 + n * form.bus, 14 + n * _ROW
        branches = [
            corner + 14 + n * min(8.0, (box.height - 28) / len(lines))
            for box, corner in zip(boxes, corners, strict=True)
            if line.members & box.chips.keys()
        ]
        ends = max(branches, default=y)
        room = form.width - left - 12
        yield el(
            "g",
            el("title", line.tooltip),
            el("path", d=f"M{left + 4:g} {y:g}H{x:g}V{ends:g}"),
            *(el("path", d=f"M{x:g} {branch:g}H{left:g}") for branch in branches),
            el("circle", cx=x, cy=y, r=3),
            *(el("circle", cx=x, cy=branch, r=3) for branch in branches),
            el("text", _fitted(line.name, room), class_="small", x=left + 9, y=y + 4),
            class_=f"network {'well' if line.is_well else 'bad'}{' bundle' if line.is_bundle else ''}",
            data_services=" ".join(sorted(line.members)),
        )


def _fitted(words: str, width: float, letter: float = _LETTER) -> str:
    """Return a text, cut to what has room in a width."""
    letters = max(1, int(width / letter))
    return words if len(words) <= letters else f"{words[: letters - 1]}…"
