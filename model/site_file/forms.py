"""Texts of `site.toml` that have a form of their own, and what they mean.

Nothing outside of `model/site_file/` reads them: `tests/unit/test_layers.py` holds that.
"""

import re
from typing import Annotated

from msgspec import Meta

Duration = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]+(\.[0-9]+)?(ms|h|m|s))+$",
        description="A duration with its unit, as in `90s`, `1m30s`, `500ms`.",
    ),
]
Age = Annotated[
    str,
    Meta(pattern=r"^[1-9][0-9]*[hd]$", description="Hours or days, as in `12h` or `7d`."),
]

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str) -> float:
    """Return a duration such as `1m30s` in seconds."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(duration))


def age(text: str) -> int:
    """Return an age such as `12h` or `7d` in seconds."""
    return int(text[:-1]) * {"h": 3_600, "d": 86_400}[text[-1]]
