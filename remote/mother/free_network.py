"""A network for hosts on this machine that none of its routes overlaps with."""

import contextlib
import hashlib
import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path

ROUTES = Path("/proc/net/route")
_FROM = ipaddress.IPv4Network("172.28.0.0/14")
"""Where it is looked for: the upper part of RFC 1918's 172.16.0.0/12. Docker's own pools begin at 172.17, and grow."""


def free_network(name: str, table: Path = ROUTES) -> str:
    """Return a free /24.

    Args:
        name: The site's: two sites that are made before either is built get two networks.
        table: Linux's table of routes. Elsewhere, as on macOS, Docker's networks are inside its virtual machine.

    """
    taken = [network for _, network in routes(table)]
    found = list(_FROM.subnets(new_prefix=24))
    first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % len(found)
    candidates = [*found[first:], *found[:first]]
    return str(next((each for each in candidates if not any(map(each.overlaps, taken))), candidates[0]))


def routes(table: Path = ROUTES) -> Iterator[tuple[str, ipaddress.IPv4Network]]:
    """Yield this machine's IPv4 routes as interface and network, without the default ones.

    Args:
        table: Linux's table of routes. Elsewhere, as on macOS, there is none.

    """
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = table.read_text().splitlines()[1:]
    for line in lines:
        words = line.split()
        interface, destination, mask = words[0], words[1], words[7]
        if mask == "00000000":
            continue
        # The kernel prints them in the machine's byte order.
        address, netmask = (
            ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(word), sys.byteorder))
            for word in (destination, mask)
        )
        yield interface, ipaddress.IPv4Network(f"{address}/{netmask}", strict=False)
