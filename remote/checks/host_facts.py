"""Facts about a host, read before services are deployed: its kernel, listeners, mounts, published ports. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from shlex import quote

from model.json_types import Json
from model.labels import SERVICE_LABEL, labels_of

_SCRIPT = """\
export LC_ALL=C
echo = ip_vs
[ -e /proc/net/ip_vs ] || modprobe -q ip_vs || :
[ ! -e /proc/net/ip_vs ] || echo yes
echo = incarnation
cat /proc/sys/kernel/random/boot_id
stat -c %y /var/run/docker.pid 2>/dev/null || :
echo = listeners
ss -Hlntup 2>/dev/null || :
"""


def script(filesystems: Iterable[str], paths: Iterable[str]) -> str:
    """Return the script that reads a host's facts; `parse` reads its output.

    Args:
        filesystems: Types of file systems to be mounted there.
        paths: Paths to be mounted into containers.

    """
    mounted = "\n".join(
        f"grep -qw {quote(name)} /proc/filesystems || modprobe -q {quote(name)} 2>/dev/null || :\n"
        f"grep -qw {quote(name)} /proc/filesystems || echo {quote(name)}"
        for name in filesystems
    )
    there = "\n".join(f"[ -e {quote(path)} ] || echo {quote(path)}" for path in paths)
    return f"{_SCRIPT}echo = unmountable\n{mounted}\necho = missing\n{there}\n"


_USERS = re.compile(r'users:\(\("([^"]+)"')
_DOCKERS = {"docker-proxy", "dockerd"}

HostPort = tuple[int, str]
"""A port and its protocol."""


@dataclass(frozen=True)
class HostFacts:
    """Facts about a host.

    Args:
        has_ip_vs: Whether its kernel can do virtual IPs and the routing mesh.
        incarnation: A text that changes when the host, or its engine, is started anew.
        listeners: Port to the program that listens there, without the ports that Docker publishes.
        unmountable: The types of file systems that its kernel does not know.
        missing: The paths that do not exist.
        published: Port to the container that publishes it, and the service of that container, if it has one.

    """

    has_ip_vs: bool = False
    incarnation: str = ""
    listeners: Mapping[HostPort, str] = field(default_factory=dict)
    published: Mapping[HostPort, tuple[str, str]] = field(default_factory=dict)
    unmountable: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


def parse(text: str, containers: Iterable[Json] = ()) -> HostFacts:
    """Return a host's facts.

    Args:
        text: The output of `script`.
        containers: The running containers, as its engine lists them.

    """
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
        _published(containers),
        frozenset(parts.get("unmountable", [])),
        frozenset(parts.get("missing", [])),
    )


def _listeners(lines: list[str]) -> dict[HostPort, str]:
    """Return the programs that listen, but for Docker."""
    listeners: dict[HostPort, str] = {}
    for line in lines:
        words = line.split()
        protocol, port = words[0], words[4].rpartition(":")[2]
        users = _USERS.search(line)
        program = users[1] if users else "the kernel"
        if port.isdecimal() and program not in _DOCKERS:
            listeners.setdefault((int(port), protocol), program)
    return listeners


def _published(containers: Iterable[Json]) -> dict[HostPort, tuple[str, str]]:
    """Return the containers that publish ports."""
    return {
        (port["PublicPort"], port["Type"]): (
            container["Names"][0].lstrip("/"),
            labels_of(container).get(SERVICE_LABEL, ""),
        )
        for container in containers
        for port in container.get("Ports") or ()
        if port.get("PublicPort")
    }
