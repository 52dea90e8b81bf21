"""What is found out about hosts before services are deployed: programs, ports, paths between the hives."""

from types import SimpleNamespace
from typing import Any

import pytest

from model.site.networks import MTU
from model.site_file.load import parse_site
from model.stage import Stage
from model.swarm.scheduling import Node, SchedulingRequest
from remote.checks.host_facts import HostFacts, parse
from tasks.services import preflight
from tests.unit.remote.checks.test_host_facts import CONTAINERS, OUTPUT


def stage(volumes: dict[str, Any] | None = None, **services: dict[str, Any]) -> Stage:
    """Return a stage with services, and volumes."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": {"provider": "docker", "cidr": "10.0.0.0/24"}},
            "volumes": volumes or {},
            "services": {name: {"image": "web:1", **table} for name, table in services.items()},
        }
    )
    return Stage(site, "private", site.stages["private"])


def taken(*ports: Any, foreign: tuple[Any, ...] = (), choices: dict[str, int] | None = None) -> list[str]:
    """Return what is said of ports that service `web` publishes, where two hives look like `LOOK`."""
    site = stage(web={"ports": list(ports), "endpoint_mode": "dnsrr"})
    nodes = [Node(name) for name in ("hive0", "hive1")]
    return list(
        preflight._taken_ports(
            site, site.services, {"hive0": parse(OUTPUT, CONTAINERS)}, nodes, foreign, choices or {}
        )
    )


# -- hosts -------------------------------------------------------------------------------------------------------------


def test_ports_that_are_taken() -> None:
    """Each with the host and who has it; ssh's is said to be that; a service's own port is its own."""
    host = {"mode": "host"}

    assert taken({"target_port": 1, "published_port": 80, **host}) == []
    assert taken({"target_port": 1, "published_port": 323, "protocol": "tcp", **host}) == []
    (chrony,) = taken({"target_port": 1, "published_port": 323, "protocol": "udp", **host})
    assert chrony.startswith("services.web.ports: 323/udp is taken on hive0 by chronyd")
    (ssh,) = taken({"target_port": 1, "published_port": 2222, **host})
    assert "where ssh listens on hive0: it would cut skep off" in ssh
    (mine,) = taken({"target_port": 1, "published_port": 8080, **host})
    assert "by the container mine" in mine
    (old,) = taken({"target_port": 1, "published_port": 53, "protocol": "udp", **host})
    assert "by the container old.1.abc" in old


def test_a_port_that_another_service_of_the_swarm_has() -> None:
    """The routing mesh has one port of a number, whoever publishes it."""
    other = {
        "Spec": {"Name": "theirs"},
        "Endpoint": {"Ports": [{"PublishedPort": 8443, "Protocol": "tcp", "PublishMode": "ingress"}]},
    }

    (line,) = taken("8443:443", foreign=(other,))

    assert "is published by service theirs" in line


def test_a_chosen_port_that_somebody_took_since() -> None:
    """It was free when it was chosen; whoever listens there now is said, as for a port that site.toml names."""
    port = {"target_port": 1, "mode": "host"}

    assert taken(port) == []
    assert taken(port, choices={"web 1/tcp": 61001}) == []
    (line,) = taken({**port, "protocol": "udp"}, choices={"web 1/udp": 323})
    assert line.startswith("services.web.ports: 323/udp is taken on hive0 by chronyd")


def test_without_ip_vs_all_services_are_said() -> None:
    """Each that wants what the kernel can't do, with the hives."""
    site = stage(web={"ports": ["80:80"]}, db={"endpoint_mode": "dnsrr"})

    found = list(
        preflight._without_ip_vs(
            site, site.services, {"hive0": HostFacts(), "hive1": HostFacts(has_ip_vs=True)}
        )
    )

    assert [line.partition(":")[0] for line in found] == ["services.web", "services.web.ports"]
    assert "the kernel of hive0 has no ip_vs" in found[0]
    assert list(preflight._without_ip_vs(site, site.services, {"hive1": HostFacts(has_ip_vs=True)})) == []


def test_what_can_not_be_mounted() -> None:
    """A file system that a hive's kernel does not know, and a directory that is not there, each with the hives."""
    site = stage(
        web={
            "volumes": [
                {"source": "shared", "target": "/a"},
                {"type": "bind", "source": "/srv/none", "target": "/b"},
                {"type": "bind", "source": "/srv/there", "target": "/c"},
            ]
        },
        volumes={"shared": {"driver_opts": {"type": "nfs", "device": ":/x"}}},
    )
    nodes = [Node(name) for name in ("hive0", "hive1")]
    facts = {"hive0": parse(OUTPUT, CONTAINERS), "hive1": HostFacts()}

    nfs, bind = preflight._mounts(site, site.services, facts, nodes)

    assert nfs.startswith("volumes.shared.driver_opts: the kernel of hive0 can't mount nfs")
    assert bind.startswith("services.web.volumes[1].source: there is no /srv/none on hive0")


@pytest.mark.parametrize(("options", "mtu"), [({}, 1500), ({MTU: "1400"}, 1400), ({MTU: "0"}, 1500)])
def test_a_networks_own_size_counts(options: dict[str, str], mtu: int) -> None:
    """A path need not take more than the networks send."""
    assert preflight._mtu(options) == mtu


def test_tasks_of_a_job_wait_for_one_another() -> None:
    """What a job has too many of for a hive runs one after the other: only one of them must fit."""
    job = {
        "mode": "replicated-job",
        "replicas": 4,
        "mem_reservation": "1G",
        "update_config": {"order": "start-first"},
    }
    job |= {"ports": [{"target_port": 80, "published_port": 8080, "mode": "host"}], "endpoint_mode": "dnsrr"}
    site = stage(web=job)

    assert preflight.wanted("web", site.services["web"], site) == SchedulingRequest("web", memory=2**30)


def test_a_manager_that_refuses_to_list_networks_is_no_end() -> None:
    """Who else asks it says what is wrong; an exception of the SDK's would be a traceback."""
    from docker.errors import APIError

    class Refusing:
        def networks(self, **_: Any) -> list[Any]:
            msg = "500 Server Error"
            raise APIError(msg, explanation="rpc error: deadline exceeded")

    host = stage().hosts[0]
    connections = SimpleNamespace(manager=lambda: (host, SimpleNamespace(api=Refusing())))

    assert preflight._made_options(connections) == {}  # type: ignore[arg-type]
