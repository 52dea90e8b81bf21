"""Units of numbers, and their form in site.toml."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

_FACTORS = {"T": 2**40, "G": 2**30, "M": 2**20, "K": 2**10}


def duration(seconds: float) -> str:
    """Return a duration with its unit: `500ms`, `90s`, `5m`, `2h`."""
    if seconds > 60:  # noqa: PLR2004 - a minute is written `60s`
        for unit, length in (("h", 3600), ("m", 60)):
            if seconds % length == 0:
                return f"{seconds / length:.12g}{unit}"
    return f"{seconds * 1000:.12g}ms" if 0 < seconds < 1 else f"{seconds:.12g}s"


def size(number: float) -> str:
    """Return a number of bytes with its unit: `512M`, `1G`, `1000`; the units are powers of 1,024."""
    for unit, factor in _FACTORS.items():
        if number and number % factor == 0:
            return f"{number // factor:.0f}{unit}"
    return f"{number:.0f}"


def age(seconds: float) -> str:
    """Return an age in days or hours: `7d`, `12h`."""
    return f"{seconds // 86_400:.0f}d" if seconds % 86_400 == 0 else f"{seconds // 3_600:.0f}h"


@dataclass(frozen=True)
class Written:
    """The written form of a value in site.toml.

    Args:
        form: Returns what is written.

    """

    form: Callable[[Any], object]


Seconds = Annotated[float, Written(duration)]
Age = Annotated[float, Written(age)]
"""Seconds, written in days or hours."""
Bytes = Annotated[int, Written(size)]
