"""Durations, sizes and ports, as people write them."""

import re
from dataclasses import dataclass

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"^([0-9]+(?:\.[0-9]+)?)([kmgt]?)b?$", re.IGNORECASE)
_FACTOR = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_PORT = re.compile(r"^(?:(\d{1,5}):)?(\d{1,5})(?:/(tcp|udp|sctp))?$")
LAST_PORT = 65535
FIRST_FREE_PORT = 61001
"""Where ports are chosen from that nobody named: hive-builder's first one, above what Linux itself hands out."""


def seconds(text: str) -> float:
    """Return a duration such as `1m30s` in seconds."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def age(text: str) -> int:
    """Return an age such as `12h` or `7d` in seconds."""
    return int(text[:-1]) * {"h": 3_600, "d": 86_400}[text[-1]]


def nanoseconds(text: str) -> int:
    """Return a duration in nanoseconds, the unit of Docker's API."""
    return round(seconds(text) * 1_000_000_000)


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
