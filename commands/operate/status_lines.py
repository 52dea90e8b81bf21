"""The lines of `doit status`: tables of hosts, services, volumes and networks, with what is wrong in red below."""

import time
from collections.abc import Iterable, Sequence

from commands.shared.console import BOLD, DIM, GREEN, RED, YELLOW, clean, fitted, paint
from tasks.operate.host_reading import HostReading
from tasks.operate.service_status import ServiceStatus
from tasks.operate.site_status import HostStatus, NetworkStatus, SiteStatus, VolumeStatus

NAMED = 8
"""Resources that the line of stale ones names."""
NARROW = 8
"""Letters that are left of a column that is cut."""
GAP = "  "
"""Between two columns."""

Cell = tuple[str, str]
"""A text and its style."""


def status_tables(status: SiteStatus, *, coloured: bool, width: int) -> list[str]:
    """Return the tables of a site's status.

    Args:
        status: The status.
        coloured: Whether they have colours.
        width: The columns of a line.

    """
    tables = (
        (
            ("HOST", "ROLE", "LOAD", "MEMORY", "DISK", "UP", "ENGINE", "TASKS"),
            map(_host, status.hosts),
            "ENGINE",
        ),
        (
            ("SERVICE", "RUNNING", "HEALTHY", "SINCE", "REVISION", "IMAGE", "WHERE"),
            map(_service, status.services),
            "IMAGE",
        ),
        (
            ("VOLUME", "HOST", "SIZE", "DISK"),
            map(_volume, status.volumes),
            "VOLUME",
        ),
        (
            ("NETWORK", "SUBNET", "SERVICES"),
            map(_network, status.networks),
            "NETWORK",
        ),
    )
    lines: list[str] = []
    for head, rows, yields in tables:
        found = table(head, list(rows), coloured=coloured, width=width, yields=yields)
        lines += [*found, ""] if found else []
    return lines


def verdict_lines(status: SiteStatus, stale: Sequence[str], *, coloured: bool) -> list[str]:
    """Return the lines below the tables: notes, what is wrong, what is stale.

    Args:
        status: The status.
        stale: The names of resources that a run would look at.
        coloured: Whether they have colours.

    """
    noted = [
        *((each.name, each.notes) for each in status.hosts),
        *((each.name, each.notes) for each in status.services),
    ]
    lines = [paint(clean(f"{name} {note}"), DIM, on=coloured) for name, notes in noted for note in notes]
    problems = status.problems
    lines += [paint(f"! {clean(problem)}", RED, on=coloured) for problem in problems]
    if stale:
        names = ", ".join(stale[:NAMED]) + (f" and {len(stale) - NAMED} more" if len(stale) > NAMED else "")
        lines.append(paint(f"stale: {names} (doit plan)", YELLOW, on=coloured))
    if not problems:
        lines.append(paint("all is well", GREEN, on=coloured))
    return lines


def table(
    head: Sequence[str], rows: Sequence[Sequence[Cell]], *, coloured: bool, width: int, yields: str
) -> list[str]:
    """Return a table; nothing without rows.

    Args:
        head: The names of its columns.
        rows: Its rows.
        coloured: Whether it has colours.
        width: The columns of a line.
        yields: The column that is cut where lines would be too long, down to `NARROW`; then the last one is.

    """
    if not rows:
        return []
    cells = [[(text, BOLD) for text in head], *rows]
    widths = [max(len(row[column][0]) for row in cells) for column in range(len(head))]
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    narrow = head.index(yields)
    widths[narrow] = max(min(NARROW, widths[narrow]), widths[narrow] - max(0, excess))
    lines = []
    for row in cells:
        rest, parts = width, []
        for (text, style), wide in zip(row, widths, strict=True):
            shown = fitted(text, max(1, min(wide, rest)))
            parts.append(
                paint(shown, style, on=coloured and bool(style)) + " " * max(0, min(wide, rest) - len(shown))
            )
            rest -= wide + len(GAP)
            if rest < 1:
                break
        lines.append(GAP.join(parts).rstrip())
    return lines


def _host(host: HostStatus) -> list[Cell]:
    """Return a host's row."""
    name = (host.name, RED if host.problems else "")
    reading = host.reading
    if not isinstance(reading, HostReading):
        return [name, (host.role or "-", ""), ("down", RED), ("", ""), ("", ""), ("", ""), ("", ""), ("", "")]
    memory = (
        f"{size_words(reading.memory - reading.available)} of {size_words(reading.memory)}"
        if reading.memory
        else "-"
    )
    disk = max(reading.disks.values(), key=lambda each: each.fill, default=None)
    return [
        name,
        (host.role or "-", ""),
        (f"{reading.load[0]:.2f} of {reading.cpus}" if reading.load else "-", ""),
        (memory, ""),
        (f"{disk.fill:.0%} of {size_words(disk.size)}" if disk else "-", ""),
        (span(reading.uptime), ""),
        (host.engine or "down", "" if host.engine else RED),
        (str(host.containers), ""),
    ]


def _service(service: ServiceStatus) -> list[Cell]:
    """Return a service's row."""
    style = RED if service.problems else ""
    where = ", ".join(
        f"{count} on {host}" if count > 1 else host for host, count in sorted(service.hosts.items())
    )
    revision = "-" if service.revision is None else f"{service.revision}{' pinned' if service.pinned else ''}"
    return [
        (service.name, style),
        (f"{service.running} of {service.wanted}{' done' if service.mode.endswith('-job') else ''}", style),
        ("-" if service.healthy is None else str(service.healthy), ""),
        ("-" if service.since is None else span(time.time() - service.since), ""),
        (revision, YELLOW if service.pinned else ""),
        (service.image or "-", ""),
        (where or "-", ""),
    ]


def _volume(volume: VolumeStatus) -> list[Cell]:
    """Return a volume's row."""
    fill = volume.fill
    return [
        (volume.name, RED if volume.problems else ""),
        (volume.host, ""),
        ("-" if fill is None or fill.size is None else size_words(fill.size), ""),
        ("-" if fill is None else f"{fill.disk.fill:.0%} of {size_words(fill.disk.size)}", ""),
    ]


def _network(network: NetworkStatus) -> list[Cell]:
    """Return a network's row."""
    style = RED if network.problems else ""
    return [(network.name, style), (", ".join(network.subnets) or "-", ""), (str(network.services), "")]


def size_words(number: float) -> str:
    """Return a number of bytes in two or three figures."""
    for unit in ("B", "K", "M", "G", "T"):
        if number < 1000 or unit == "T":  # noqa: PLR2004 - four figures are hard to read
            return f"{number:.0f}{unit}" if unit in "BK" or number >= 10 else f"{number:.1f}{unit}"  # noqa: PLR2004
        number /= 1024
    return ""


def span(seconds: float) -> str:
    """Return a length of time, roughly."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def joined(lines: Iterable[str]) -> str:
    """Return lines as a text."""
    return "".join(f"{line}\n" for line in lines)
