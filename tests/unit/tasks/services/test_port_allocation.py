"""Published ports that site.toml leaves open."""

from typing import Any

import pytest

from model.errors import ServiceError
from model.hosts.firewall import left_open, published
from model.site import PublishedPort
from model.site.base import LAST_PORT
from model.site.services import FIRST_FREE_PORT
from model.site_file.load import parse_site
from model.stage import Stage
from remote.checks.host_facts import HostFacts
from tasks.services import port_allocation as chosen
from tasks.services.published_ports import leaves_ports_open, port_labels
from tests.definitions import service_of


def stage(**services: list[Any]) -> Stage:
    """Return a stage whose services publish these ports."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": {"provider": "docker", "cidr": "10.0.0.0/24"}},
            "services": {name: {"image": "web", "ports": listed} for name, listed in services.items()},
        }
    )
    return Stage(site, "private", site.stages["private"])


class TestWanted:
    """What is to be chosen."""

    def test_is_told_apart_by_service_port_and_protocol(self) -> None:
        """hive-builder's dns1 with 53 and dns with 153 had one key; here no two ports have."""
        found = chosen.wanted(stage(dns1=["53"], dns=["153", "53/udp", {"target_port": 53}]))

        assert found == ["dns 153/tcp", "dns 53/tcp", "dns 53/udp", "dns1 53/tcp"]

    def test_does_not_count_what_is_said(self) -> None:
        """A port that site.toml names is nobody's to choose."""
        one = stage(web=["8080:80", {"target_port": 81, "published_port": 81}])

        assert chosen.wanted(one) == []
        assert not leaves_ports_open(one)


def test_what_somebody_has_on_a_host_is_taken() -> None:
    """A program that listens and a container that publishes, on any hive and of any protocol, are gone round."""
    looks = [
        HostFacts(listeners={(61001, "tcp"): "java", (22, "tcp"): "sshd"}),
        HostFacts(published={(61002, "udp"): ("mine", "")}),
    ]

    taken = chosen.on_hosts(looks)

    assert taken == {22, 61001, 61002}
    assert chosen.choose(["a 1/tcp"], {}, taken) == {"a 1/tcp": 61003}


class TestChoose:
    """Choosing."""

    def test_the_lowest_that_are_free(self) -> None:
        """Numbers begin at 61001 and go round those that somebody has; the order of reading does not matter."""
        wants, taken = ["b 1/tcp", "a 1/tcp", "a 1/udp"], [61002]

        assert chosen.choose(wants, {}, taken) == {"a 1/tcp": 61001, "a 1/udp": 61003, "b 1/tcp": 61004}
        assert chosen.choose(reversed(wants), {}, taken) == chosen.choose(wants, {}, taken)

    def test_is_for_life(self) -> None:
        """What was chosen stays, and is nobody else's, whatever comes and goes before it."""
        kept = {"b 1/tcp": 61001}

        assert chosen.choose(["a 1/tcp", "b 1/tcp"], kept, []) == {"a 1/tcp": 61002, "b 1/tcp": 61001}

    def test_no_number_is_left(self) -> None:
        """Where none is free, that is said, with what for."""
        taken = range(FIRST_FREE_PORT, LAST_PORT + 1)

        with pytest.raises(ServiceError, match="no port from 61001 to 65535 is free for a 1/tcp"):
            chosen.choose(["a 1/tcp"], {}, taken)


def test_labels_are_read_back() -> None:
    """What a service carries as labels says what was chosen for it, and nothing of what site.toml says itself."""
    service = service_of({"image": "web", "ports": ["80", "53/udp", "8080:81"]})
    labels = port_labels(
        service, [PublishedPort(80, 61001), PublishedPort(53, 61002, "udp"), PublishedPort(81, 8080)]
    )
    spec = {"Spec": {"Name": "web", "Labels": {**labels, "other": "1"}}}

    assert labels == {"skep.port.80.tcp": "61001", "skep.port.53.udp": "61002"}
    assert dict(chosen.on_services([spec])) == {"web 80/tcp": 61001, "web 53/udp": 61002}


def test_only_the_stages_hosts_reach_them() -> None:
    """A port that is chosen is not opened to everybody, as one that site.toml names is."""
    one = stage(web=["80", "8080:81"])

    assert published(one, one.hives[0]) == [("tcp", 8080)]
    assert left_open(one, one.hives[0]) == ["tcp"]
    assert left_open(one, one.repository) == []


def test_a_short_port_may_leave_the_hosts_open() -> None:
    """`80/udp` is a container's port alone."""
    service = service_of({"image": "web", "ports": ["80/udp"]})

    assert service.ports == [PublishedPort(80, 0, "udp")]
