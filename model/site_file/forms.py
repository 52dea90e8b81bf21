"""Strings of `site.toml` with a syntax of their own, and their meaning.

Nothing outside of `model/site_file/` reads them: `tests/unit/test_layers.py` holds that.
"""

import re
from typing import Annotated

from msgspec import Meta

from model.site.base import LAST_PORT
from model.site.services import PublishedPort

Duration = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]+(\.[0-9]+)?(ms|h|m|s))+$",
        description="A duration with its unit, as in `90s`, `1m30s`, `500ms`.",
    ),
]
Age = Annotated[
    str,
    Meta(pattern=r"^[1-9][0-9]*[hd]$", description="An age in hours or days, as in `12h` or `7d`."),
]
Size = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]+(\.[0-9]+)?[kKmMgGtT]?[bB]?$",
        description="A size in bytes, or with a unit, as in `512M`.",
    ),
]

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|h|m|s)")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kmgt]?)b?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_PORT = re.compile(r"(?:(\d{1,5}):)?(\d{1,5})(?:/(tcp|udp|sctp))?")
_AT_ADDRESS = re.compile(
    r"(?:\d+\.\d+\.\d+\.\d+|\[?[0-9A-Fa-f:]*?::?[0-9A-Fa-f:]*?\]?|localhost):(\d*:?\d+(?:/\w+)?)"
)
_RANGE = re.compile(r"\d-\d")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str) -> float:
    """Return a duration such as `1m30s` in seconds."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(duration))


def age(text: str) -> int:
    """Return an age such as `12h` or `7d` in seconds."""
    return int(text[:-1]) * {"h": 3_600, "d": 86_400}[text[-1]]


def size_in_bytes(text: str) -> int:
    """Return a size such as `512M` in bytes; the units are powers of 1,024.

    Raises:
        ValueError: The text is not a size.

    """
    parts = _SIZE.fullmatch(text)
    if not parts:
        raise ValueError(f"{text!r} is not a valid size (example: 512M)")
    return int(float(parts[1]) * _FACTORS[parts[2].lower()])


def published_port(text: str) -> PublishedPort:
    """Return a port written in its short form, `[published:]target[/protocol]`.

    Raises:
        ValueError: The text is not of this form, or has a number that is not a port.

    """
    if (at := _AT_ADDRESS.fullmatch(text)) is not None:
        raise ValueError(
            f"{text!r}: the swarm publishes a port on all addresses of a host, never on one: write {at[1]!r}, or leave "
            "the port out, as services in a network reach each other without it"
        )
    if _RANGE.search(text):
        raise ValueError(f"{text!r} is a range: write each port by itself")
    parts = _PORT.fullmatch(text)
    if not parts:
        bare = text.strip().lower()
        meant = f": write {bare!r}" if _PORT.fullmatch(bare) else ""
        if "${" in text:
            meant = ": variables of a shell are not replaced: write the number"
        raise ValueError(f"{text!r} is not of the form [published:]target[/protocol]{meant}")
    published, target = int(parts[1] or 0), int(parts[2])
    for number in (published, target) if parts[1] else (target,):
        if not 1 <= number <= LAST_PORT:
            raise ValueError(f"{text!r}: {number} is not a port (1 to {LAST_PORT})")
    return PublishedPort(target, published, parts[3] or "tcp")
