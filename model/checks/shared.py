"""Checks of values that occur in several tables: references, addresses, names."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping

from model import templates
from model.images.reference import parse
from model.toml_text import key_text, short_text

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
        yield f"{path}: {short_text(suite)} is not a suite (example: trixie)"


def check_url(path: str, url: str) -> Iterator[str]:
    """Yield the mistake of a text that is not the address of a package mirror."""
    if not _URL.fullmatch(url):
        yield f"{path}: {short_text(url)} is not the address of a mirror (example: http://deb.debian.org/debian)"


def check_hosts(path: str, hosts: Mapping[str, str]) -> Iterator[str]:
    """Yield the mistakes in lines for `/etc/hosts`."""
    for name, address in hosts.items():
        if not (templates.is_template(address) or is_address(address)):
            gateway = ": the swarm does not know it, write the address" if address == "host-gateway" else ""
            yield f"{path}.{key_text(name)}: {short_text(address)} is not an address{gateway}"


def check_servers(path: str, servers: Iterable[str]) -> Iterator[str]:
    """Yield the mistakes in a list of name servers."""
    for i, server in enumerate(servers):
        if not (templates.is_template(server) or is_address(server)):
            yield f"{path}[{i}]: {server!r} is not an address"


def is_address(text: str) -> bool:
    """Return whether a text is an IP address. One with a scope (`fe80::1%eth0`) holds on one machine alone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def is_link_local(text: str) -> bool:
    """Return whether a text is an IPv6 address that holds on one network alone, as `fe80::1`."""
    return is_address(text) and ":" in text and ipaddress.ip_address(text).is_link_local


def read_network(text: str, *, may_be_address: bool = False) -> IpNetwork:
    """Return a network as Docker, firewalls and clouds read it: `address/prefix`, without a netmask or a host's part.

    Args:
        text: The network.
        may_be_address: Whether an address alone is one as well, of one host.

    Raises:
        ValueError: It is none; the message says what to write.

    """
    address, slash, prefix = text.partition("/")
    if not is_address(address):
        raise ValueError(f"{short_text(text)} is not a network (example: 192.0.2.0/24)")
    if not slash and not may_be_address:
        raise ValueError(f"{text} has no prefix length: write {text}/24, or how large it is")
    if (mapped := getattr(ipaddress.ip_address(address), "ipv4_mapped", None)) is not None:
        raise ValueError(f"{text} is an IPv4 address written as IPv6: write {mapped} and its prefix length")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{short_text(text)} is not a network (example: 192.0.2.0/24)") from None
    if slash and prefix != str(network.prefixlen):
        raise ValueError(f"{text} has a netmask, and not the length of its prefix: write {network}")
    if network.network_address != ipaddress.ip_address(address):
        raise ValueError(f"{text} has host bits set: write {network}")
    return network


def check_variables(path: str, environment: Iterable[str]) -> Iterator[str]:
    """Yield the mistakes in the names of environment variables, which can't hold a `=`."""
    for name in environment:
        if not name or "=" in name:
            yield f"{path}: {name!r} is not a variable's name"


def known_are(names: Iterable[str]) -> str:
    """Return the known names, for the end of a message."""
    listed = ", ".join(sorted(names))
    return f" (there are: {listed})" if listed else " (there are none)"


def no_secret(names: Iterable[str]) -> str:
    """Return that a key names no secret. What it has is not shown: it may be a password."""
    return f"takes the name of a secret in [secrets], not a password, and there is none of this name{known_are(names)}"
