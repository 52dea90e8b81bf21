"""What a host is like before services are put on it: its kernel, who listens on it, which engine it is. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from shlex import quote

_LOOK = """\
export LC_ALL=C
echo = ip_vs
[ -e /proc/net/ip_vs ] || modprobe -q ip_vs || :
[ ! -e /proc/net/ip_vs ] || echo yes
echo = incarnation
cat /proc/sys/kernel/random/boot_id
stat -c %y /var/run/docker.pid 2>/dev/null || :
echo = listeners
ss -Hlntup 2>/dev/null || :
echo = containers
docker ps --format '{{.Names}}|{{.Label "com.docker.swarm.service.name"}}|{{.Ports}}' 2>/dev/null || :
"""


def look(filesystems: Iterable[str], paths: Iterable[str]) -> str:
    """Return the script that looks at a host; `parse` reads what it prints.

    Args:
        filesystems: Kinds of file systems that are to be mounted there, if it can.
        paths: What is to be mounted into containers, if it is there.

    """
    mounted = "\n".join(
        f"grep -qw {quote(name)} /proc/filesystems || modprobe -q {quote(name)} 2>/dev/null || :\n"
        f"grep -qw {quote(name)} /proc/filesystems || echo {quote(name)}"
        for name in filesystems
    )
    there = "\n".join(f"[ -e {quote(path)} ] || echo {quote(path)}" for path in paths)
    return f"{_LOOK}echo = unmountable\n{mounted}\necho = missing\n{there}\n"


_USERS = re.compile(r'users:\(\("([^"]+)"')
_PUBLISHED = re.compile(r":(\d+)->\d+/(tcp|udp|sctp)")
_DOCKERS = {"docker-proxy", "dockerd"}

Where = tuple[int, str]
"""A port and its protocol."""


@dataclass(frozen=True)
class HostFacts:
    """What a host is like.

    Args:
        has_ip_vs: Whether its kernel can do virtual IPs and the routing mesh.
        incarnation: What changes when it, or its engine, is started anew.
        listeners: Port to the program that listens there; what Docker itself publishes is left out.
        unmountable: The file systems that its kernel does not know.
        missing: The paths that are not there.
        published: Port to the container that publishes it, and the service that this belongs to, if to one.

    """

    has_ip_vs: bool = False
    incarnation: str = ""
    listeners: Mapping[Where, str] = field(default_factory=dict)
    published: Mapping[Where, tuple[str, str]] = field(default_factory=dict)
    unmountable: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


def parse(text: str) -> HostFacts:
    """Return what the script of `look` printed."""
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("= "):
            lines = parts.setdefault(line[2:], [])
        elif line.strip():
            lines.append(line)
    return HostFacts(
        parts.get("ip_vs") == ["yes"],
        " ".join(parts.get("incarnation", [])),
        _listeners(parts.get("listeners", [])),
        _published(parts.get("containers", [])),
        frozenset(parts.get("unmountable", [])),
        frozenset(parts.get("missing", [])),
    )


def _listeners(lines: list[str]) -> dict[Where, str]:
    """Return who listens where, but for Docker."""
    found: dict[Where, str] = {}
    for line in lines:
        words = line.split()
        protocol, port = words[0], words[4].rpartition(":")[2]
        users = _USERS.search(line)
        program = users[1] if users else "the kernel"
        if port.isdecimal() and program not in _DOCKERS:
            found.setdefault((int(port), protocol), program)
    return found


def _published(lines: list[str]) -> dict[Where, tuple[str, str]]:
    """Return which container publishes what."""
    found: dict[Where, tuple[str, str]] = {}
    for line in lines:
        name, service, ports = line.split("|", 2)
        for port, protocol in _PUBLISHED.findall(ports):
            found[int(port), protocol] = (name, service)
    return found
