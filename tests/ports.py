"""Ports of this machine for servers that tests start: none that the kernel gives to connections by itself.

Such a one may be taken between the look for it and the server's start, and once more before the server starts anew.
"""

import random
import socket
from pathlib import Path

_LOWEST, _HIGHEST = 26_100, 32_767
"""Above those of OpenStack's services (`tests/openstack/cloud.py`), and below those that Linux gives to connections."""
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port on which nothing of an address listens; AssertionError if there is none."""
    given = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _HIGHEST + 1
    ports = range(_LOWEST, min(given, _HIGHEST + 1)) or range(_LOWEST, _HIGHEST + 1)
    # Two processes that look at once find two.
    for port in random.sample(ports, len(ports)):
        with socket.socket() as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    msg = f"no port of {address} is free"
    raise AssertionError(msg)
