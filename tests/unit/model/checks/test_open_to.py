"""Whom published ports are open to."""

from pathlib import Path
from typing import Any

import pytest

from model.checks import check
from model.keys.definition import definition
from model.site_file.load import parse_site

STAGE: dict[str, Any] = {"provider": "docker", "cidr": "192.0.2.0/24", "number_of_hosts": 2}


def site_of(**services: list[Any]) -> Any:
    """Return a site of services with published ports."""
    return parse_site(
        {
            "site": "example",
            "stages": {"private": STAGE},
            "services": {name: {"image": "a:1", "ports": ports} for name, ports in services.items()},
        }
    )


def port(published: int | None = None, **more: Any) -> dict[str, Any]:
    """Return a published port."""
    return {"target_port": 80, **({} if published is None else {"published_port": published}), **more}


@pytest.mark.parametrize(
    ("written", "sources"),
    [
        ("80:80", ("all",)),
        ("80", ("stage",)),
        (port(80, open_to="stage"), ("stage",)),
        (port(open_to="all"), ("all",)),
        (port(80, open_to=["198.51.100.0/24", "stage"]), ("198.51.100.0/24", "stage")),
    ],
)
def test_a_named_port_is_open_to_all_and_a_chosen_one_to_the_stage(
    written: Any, sources: tuple[str, ...]
) -> None:
    """Unless it says otherwise; one that got its number stays open to whom it was."""
    site = site_of(a=[written])
    (made,) = site.services["a"].ports

    assert made.sources == sources
    assert made.at(61001).sources == sources
    assert check(site, Path()) == []


@pytest.mark.parametrize(
    ("open_to", "said"),
    [
        (["192.0.2.1/24"], "192.0.2.1/24 has host bits set"),
        (["192.0.2.1/24"], "192.0.2.1/24 has host bits set: write 192.0.2.0/24"),
        (["everybody"], "'everybody' is not a network (example: 192.0.2.0/24)"),
        (["192.0.2.0/255.255.255.0"], "192.0.2.0/255.255.255.0 has a netmask"),
        (["fe80::1%eth0"], "'fe80::1%eth0' is not a network"),
        (["::ffff:192.0.2.1"], "::ffff:192.0.2.1 is an IPv4 address written as IPv6"),
        (["192.0.2.0/24,198.51.100.0/24"], "'192.0.2.0/24,198.51.100.0/24' is not a network"),
        (["all", "stage"], 'with "all" nothing else counts'),
    ],
)
def test_what_is_no_network_is_a_mistake(open_to: list[str], said: str) -> None:
    """With the path of the port."""
    (line,) = check(site_of(a=["1:1", port(80, open_to=open_to)]), Path())

    assert line.startswith(f"services.a.ports[1].open_to: {said}")


def test_chosen_ports_are_open_to_the_same() -> None:
    """The firewalls know their range alone, before they are chosen: one could not be closed while another is open."""
    (line,) = check(site_of(a=["80"], b=[port(open_to="all")]), Path())

    assert line == (
        "services.b.ports: 80/tcp is open to all, and that of a to stage: the firewalls have one range for all ports "
        "that skep chooses; name one of the two (published_port)"
    )
    assert (
        check(
            site_of(a=["80"], b=[port(8080, open_to="all")], c=[port(protocol="udp", open_to="all")]), Path()
        )
        == []
    )


@pytest.mark.parametrize(
    "written", ["8080:80", port(8080, open_to="stage"), port(8080, mode="host", open_to=["198.51.100.0/24"])]
)
def test_a_ports_definition_is_as_it_is_written(written: Any) -> None:
    """In the short form only where that says all."""
    assert definition(site_of(a=[written]).services["a"])["ports"] == [written]
