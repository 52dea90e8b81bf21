"""A network for hosts on this machine that none of its routes overlaps with."""

import contextlib
import hashlib
import ipaddress
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

_ROUTES = Path("/proc/net/route")
_FROM = ipaddress.IPv4Network("172.28.0.0/14")
"""Where it is looked for: the upper part of RFC 1918's 172.16.0.0/12. Docker's own pools begin at 172.17, and grow."""


def free_network(name: str, routes: Path = _ROUTES) -> str:
    """Return a free /24.

    Args:
        name: The site's: two sites that are made before either is built get two networks.
        routes: Linux's table of routes. Elsewhere, as on macOS, there is none, and Docker's networks are inside its
            virtual machine.

    """
    taken = list(_taken(routes))
    found = list(_FROM.subnets(new_prefix=24))
    first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % len(found)
    candidates = [*found[first:], *found[:first]]
    return str(next((each for each in candidates if not any(map(each.overlaps, taken))), candidates[0]))


def _taken(routes: Path) -> Iterator[ipaddress.IPv4Network]:
    """Yield the networks that this machine has routes to, but for the default route."""
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = routes.read_text().splitlines()[1:]
    for line in lines:
        fields = line.split()
        if len(fields) < 8 or fields[7] == "00000000":  # noqa: PLR2004 - the columns of the table
            continue
        address, mask = (socket.inet_ntoa(int(fields[i], 16).to_bytes(4, sys.byteorder)) for i in (1, 7))
        yield ipaddress.IPv4Network(f"{address}/{mask}", strict=False)
