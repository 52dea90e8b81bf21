"""The networks and published ports of a compose service."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from model.compose.keys import SERVICE
from model.compose.scalars import number, text, texts
from model.compose.scope import Scope
from model.compose.short_forms import RANGE, as_list
from model.site.networks import HOST_NETWORK

DEFAULT = "default"
"""Compose's name for the network of services that name none."""
_ATTACHMENT = {"ipv4_address", "ipv6_address", "link_local_ips", "mac_address", "interface_name"}
_ALL_ADDRESSES = ("", "0.0.0.0", "::")  # noqa: S104 - it is read, not bound


def wanted_networks(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the networks that a service joins, by their names in compose; none for the host's alone."""
    networks = service.get("networks")
    if isinstance(networks, Mapping) and networks:
        return dict(networks)
    mode = text(service.get("network_mode"))
    return {} if mode == HOST_NETWORK else {DEFAULT: {}}


def further_names(wanted: str, name: str, services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names that others know a service by, beside its own in the site.

    Args:
        wanted: Its name in compose.
        name: Its name in the site.
        services: All services of the compose file.

    """
    found = [wanted, text(services[wanted].get("container_name"))]
    for service in services.values():
        for link in texts(as_list(service.get("links"))):
            other, _, alias = link.partition(":")
            if other == wanted and alias:
                found.append(alias)
    return [each for each in dict.fromkeys(found) if each and each != name]


def add_networks(scope: Scope) -> None:
    """Add the networks that a service joins."""
    mode = text(scope.source.get("network_mode"))
    if mode == HOST_NETWORK:
        scope.table["networks"] = [HOST_NETWORK]
        return
    if mode and mode != "bridge":
        scope.lost("network_mode", mode, SERVICE["network_mode"].remark)
    aliases: list[str] = scope.table.pop("aliases", [])
    joined: list[Any] = []
    for wanted, how in wanted_networks(scope.source).items():
        name = scope.networks.get(wanted)
        if name is None:
            scope.lost("networks", wanted, "the compose file has no such one in its `networks`")
            continue
        if name == HOST_NETWORK:
            scope.table["networks"] = [HOST_NETWORK]
            return
        others = list(dict.fromkeys([*aliases, *texts((how or {}).get("aliases"))]))
        joined.append({"name": name, "aliases": others} if others else name)
        for key, value in (how or {}).items():
            if key in _ATTACHMENT:
                scope.lost(f"networks.{wanted}.{key}", value, "the swarm gives tasks their addresses")
            elif key != "aliases" and not str(key).startswith("x-"):
                scope.lost(f"networks.{wanted}.{key}", value, "the swarm has no such setting for services")
    if joined != [scope.networks.get(DEFAULT)] or len({*scope.networks.values()} - {HOST_NETWORK}) > 1:
        scope.table["networks"] = joined


def add_ports(scope: Scope) -> None:
    """Add the published ports."""
    ports: list[Any] = []
    is_on_host = scope.table.get("networks") == [HOST_NETWORK]
    for port in scope.source.get("ports") or []:
        if not isinstance(port, Mapping):
            ports.append(port)  # a check says what is wrong with it
            continue
        if RANGE in port:
            scope.lost(
                "ports",
                f"{port[RANGE]}:{port['target']}",
                "a range to choose from: here it is its first port",
            )
        made = _port(scope, port)
        if is_on_host and isinstance(made, dict):
            made |= {"published_port": made["target_port"], "mode": "host"}
        ports.append(made if set(made) - {"target_port", "published_port", "protocol"} else _short(made))
    if ports:
        scope.table["ports"] = ports


def _port(scope: Scope, port: Mapping[str, Any]) -> dict[str, Any]:
    """Return a port in its long form."""
    made: dict[str, Any] = {"target_port": number(port.get("target"))}
    if port.get("published") not in (None, "", 0, "0"):
        made["published_port"] = number(port["published"])
    for key, usual in (("protocol", "tcp"), ("mode", "ingress")):
        if (given := text(port.get(key)) or usual) != usual:
            made[key] = given
    address = text(port.get("host_ip"))
    if address == "localhost" or _is_loopback(address):
        made["open_to"] = "stage"
        scope.note(
            f"ports: {address}:{made.get('published_port', '')}:{made['target_port']} -- for this machine alone in "
            "compose; a swarm publishes on all addresses, and this one is open to the stage's own hosts"
        )
    elif address not in _ALL_ADDRESSES:
        scope.lost(
            "ports",
            f"{address}:{made.get('published_port', '')}:{made['target_port']}",
            "the swarm publishes on all addresses of a host",
        )
    for key, value in port.items():
        if key not in {"target", "published", "protocol", "mode", "host_ip"} and not str(key).startswith(
            "x-"
        ):
            scope.lost(f"ports ({made['target_port']}).{key}", value, "it means nothing to the swarm")
    return made


def _is_loopback(address: str) -> bool:
    """Return whether an address is one of the loopback."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _short(port: Mapping[str, Any]) -> str:
    """Return a port in its short form."""
    published = f"{port['published_port']}:" if "published_port" in port else ""
    protocol = f"/{port['protocol']}" if "protocol" in port else ""
    return f"{published}{port['target_port']}{protocol}"
