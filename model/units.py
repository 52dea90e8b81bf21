"""The units of a site's numbers, and how people write those."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

_SIZE = re.compile(r"^([0-9]+(?:\.[0-9]+)?)([kmgt]?)b?$", re.IGNORECASE)
_FACTOR = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_PORT = re.compile(r"^(?:(\d{1,5}):)?(\d{1,5})(?:/(tcp|udp|sctp))?$")
LAST_PORT = 65535
FIRST_FREE_PORT = 61001
"""Where ports are chosen from that nobody named: hive-builder's first one, above what Linux itself hands out."""


def duration(seconds: float) -> str:
    """Return a duration with its unit: `500ms`, `90s`, `5m`, `2h`."""
    if seconds > 60:  # noqa: PLR2004 - a minute is written `60s`
        for unit, length in (("h", 3600), ("m", 60)):
            if seconds % length == 0:
                return f"{seconds / length:.12g}{unit}"
    return f"{seconds * 1000:.12g}ms" if 0 < seconds < 1 else f"{seconds:.12g}s"


@dataclass(frozen=True)
class Unit:
    """The unit of a number.

    Args:
        text: Returns a number with the unit, as people write it in site.toml.

    """

    text: Callable[[float], str]


Seconds = Annotated[float, Unit(duration)]


def size(text: str) -> int:
    """Return a size such as `512M` in bytes; the units are powers of 1,024."""
    found = _SIZE.match(text)
    if not found:
        msg = f"{text!r} is no size"
        raise ValueError(msg)
    return int(float(found[1]) * _FACTOR[found[2].lower()])


@dataclass(frozen=True)
class Port:
    """A published port.

    Args:
        target: The container's.
        published: The host's; 0 where it is to be chosen.
        protocol: `tcp`, `udp` or `sctp`.
        mode: `ingress` or `host`.

    """

    target: int
    published: int
    protocol: str = "tcp"
    mode: str = "ingress"


def short_port(text: str) -> Port:
    """Read a port in short form, `[published:]target[/protocol]`.

    Raises:
        ValueError: It is none; the message says why.

    """
    found = _PORT.match(text)
    if not found:
        msg = f"{text!r} is not of the form [published:]target[/protocol]"
        raise ValueError(msg)
    published, target = int(found[1] or 0), int(found[2])
    for number in (published, target) if found[1] else (target,):
        if not 1 <= number <= LAST_PORT:
            msg = f"{text!r}: {number} is not a port (1 to {LAST_PORT})"
            raise ValueError(msg)
    return Port(target, published, found[3] or "tcp")
