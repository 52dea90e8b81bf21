"""Checks of values that occur in several tables: references, addresses, names."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping

from model import templates
from model.images.reference import parse
from model.toml_text import short_text

IPV4 = 4
_SUITE = re.compile(r"[a-z][a-z0-9.-]*")
_URL = re.compile(r"(https?|ftp|file|copy|ssh)://?[^\s]+")


IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_reference(path: str, image: str | None) -> Iterator[str]:
    """Yield the mistake of an image's reference, if there is one."""
    try:
        if image is not None:
            parse(image)
    except ValueError as error:
        yield f"{path}: {image!r} is not an image reference, which has the form [registry/]name[:tag] ({error})"


def check_suite(path: str, suite: str) -> Iterator[str]:
    """Yield the mistake of a text that is not the name of a suite of Debian or Ubuntu."""
    if not _SUITE.fullmatch(suite):
        yield f"{path}: {short_text(suite)} is not a suite (example: bookworm)"


def check_url(path: str, url: str) -> Iterator[str]:
    """Yield the mistake of a text that is not the address of a package mirror."""
    if not _URL.fullmatch(url):
        yield f"{path}: {short_text(url)} is not the address of a mirror (example: http://deb.debian.org/debian)"


def check_hosts(path: str, hosts: Mapping[str, str]) -> Iterator[str]:
    """Yield the mistakes in lines for `/etc/hosts`."""
    for name, address in hosts.items():
        if not (templates.is_template(address) or is_address(address)):
            gateway = ": the swarm does not know it, write the address" if address == "host-gateway" else ""
            yield f"{path}.{name}: {address!r} is not an address{gateway}"


def check_servers(path: str, servers: Iterable[str]) -> Iterator[str]:
    """Yield the mistakes in a list of name servers."""
    for i, server in enumerate(servers):
        if not (templates.is_template(server) or is_address(server)):
            yield f"{path}[{i}]: {server!r} is not an address"


def is_address(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def check_variables(path: str, environment: Iterable[str]) -> Iterator[str]:
    """Yield the mistakes in the names of environment variables, which can't hold a `=`."""
    for name in environment:
        if not name or "=" in name:
            yield f"{path}: {name!r} is not a variable's name"


def known_are(names: Iterable[str]) -> str:
    """Return the known names, for the end of a message."""
    listed = ", ".join(sorted(names))
    return f" (there are: {listed})" if listed else " (there are none)"
