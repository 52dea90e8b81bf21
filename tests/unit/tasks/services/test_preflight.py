"""What is found out about hosts before services are deployed: programs, ports, paths between the hives."""

import subprocess
from typing import Any

import pytest

from model.site import Network
from model.site_file.load import parse_site
from model.stage import Stage
from model.swarm.scheduling import Node, Wants
from remote.checks import host_facts, vxlan
from remote.checks.host_facts import HostFacts, parse
from remote.checks.vxlan import Heard, problems, script
from tasks.services import preflight

HIVES = {"hive0": "10.0.0.10", "hive1": "10.0.0.11", "hive2": "10.0.0.12"}
LOOK = """\
= ip_vs
= incarnation
b90f29f9-19eb-4571-bb32-f6816650abf4
2026-11-25 20:44:48.240158226 +0000
= listeners
udp UNCONN 0      0         0.0.0.0:4789  0.0.0.0:*
udp UNCONN 0      0       127.0.0.1:323   0.0.0.0:* users:(("chronyd",pid=2522,fd=5))
tcp LISTEN 0      4096      0.0.0.0:80    0.0.0.0:* users:(("docker-proxy",pid=2046,fd=4))
tcp LISTEN 0      4096            *:2377        *:* users:(("dockerd",pid=1657,fd=30))
tcp LISTEN 0      128          [::]:2222     [::]:* users:(("sshd",pid=92,fd=4))
= containers
web.1.abc|web|0.0.0.0:80->80/tcp, :::80->80/tcp
db.1.abc|db|
mine||0.0.0.0:8080->80/tcp
old.1.abc|old|0.0.0.0:53->53/udp
= unmountable
nfs
= missing
/srv/none
"""


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
        preflight._taken_ports(site, site.services, {"hive0": parse(LOOK)}, nodes, foreign, choices or {})
    )


# -- hosts -------------------------------------------------------------------------------------------------------------


def test_what_a_host_says_is_read() -> None:
    """Docker's own listeners are left out; what its containers publish is read from itself."""
    facts = parse(LOOK)

    assert not facts.has_ip_vs
    assert facts.incarnation.startswith("b90f29f9")
    assert facts.listeners == {(4789, "udp"): "the kernel", (323, "udp"): "chronyd", (2222, "tcp"): "sshd"}
    assert facts.published == {
        (80, "tcp"): ("web.1.abc", "web"),
        (8080, "tcp"): ("mine", ""),
        (53, "udp"): ("old.1.abc", "old"),
    }
    assert parse("= ip_vs\nyes\n").has_ip_vs


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
    facts = {"hive0": parse(LOOK), "hive1": HostFacts()}

    nfs, bind = preflight._mounts(site, site.services, facts, nodes)

    assert nfs.startswith("volumes.shared.driver_opts: the kernel of hive0 can't mount nfs")
    assert bind.startswith("services.web.volumes[1].source: there is no /srv/none on hive0")


def test_the_look_is_posix_shell() -> None:
    """Whatever is asked for, and whatever it is called."""
    text = host_facts.look(["nfs"], ["/srv/it's", "/srv/a b"])

    subprocess.run(["sh", "-n"], input=text.encode(), check=True)
    assert "[ -e '/srv/a b' ]" in text


# -- from hive to hive -------------------------------------------------------------------------------------------------


def test_the_script_is_posix_shell() -> None:
    """And the program inside is bash."""
    subprocess.run(["sh", "-n"], input=script("hive1", HIVES, 4789, 1500, 0xF00000).encode(), check=True)
    subprocess.run(["bash", "-n"], input=vxlan._PROGRAM.encode(), check=True)


def test_both_ends_of_a_pair_agree() -> None:
    """Identifier, addresses and hardware addresses are those that the other end expects; all pairs have their own."""
    ends = {name: script(name, HIVES, 4789, 1500, 1000) for name in HIVES}

    # The pair of hive1 and hive2 is the third.
    assert "id 1002 dstport 4789 local 10.0.0.11" in ends["hive1"]
    assert "id 1002 dstport 4789 local 10.0.0.12" in ends["hive2"]
    assert "skep2 address 02:73:6b:00:02:00 mtu 1450" in ends["hive1"]
    assert "fdb replace 02:73:6b:00:02:00 dev skep2 dst 10.0.0.11" in ends["hive2"]
    assert "try 0=198.18.0.1 2=198.18.0.10" in ends["hive1"]
    assert "addr add 198.18.0.10/30 dev skep2" in ends["hive2"]


def test_many_hives_have_addresses() -> None:
    """The numbers of pairs go beyond one byte."""
    assert vxlan._address(64, 0) == "198.18.1.1"
    assert vxlan._address(16384, 1) == "198.19.0.2"
    assert vxlan._mac(300, 1) == "02:73:6b:01:2c:01"


def test_what_a_hive_found_out_is_read() -> None:
    """Sizes are those of whole packets."""
    heard = vxlan.parse("hive1", list(HIVES), 1500, "10.0.0.11", "2 1324\n0 none\nheard 0 0\nheard 2 14\n")

    assert heard == Heard({"hive2": 1402, "hive0": None}, {"hive0": 0, "hive2": 14})
    assert vxlan.parse("hive0", list(HIVES), 1500, "10.0.0.10", "0 whole\n").sent == {"hive1": 1500}


def found(**changed: Heard) -> dict[str, Heard]:
    """Return what all found out where all arrives, with some of it changed."""
    well = {
        me: Heard(
            {other: 1500 for other in HIVES if other != me}, {other: 9 for other in HIVES if other != me}
        )
        for me in HIVES
    }
    return {**well, **changed}


def test_all_arrives() -> None:
    """Nothing is said."""
    assert problems(found(), 4789, {"front": 1500}) == []


def test_a_port_that_is_closed() -> None:
    """The direction that is closed is told by what the others heard; it is one line for two hives."""
    deaf = {
        "hive0": Heard({"hive1": None, "hive2": 1500}, {"hive1": 15, "hive2": 4}),
        "hive1": Heard({"hive0": None, "hive2": 1500}, {"hive0": 0, "hive2": 4}),
    }

    (line,) = problems(found(**deaf), 4790, {"front": 1500})

    assert line.startswith("hive0 → hive1: nothing arrives")
    assert "udp/4790" in line
    assert "data_path_port" in line


def test_a_path_that_takes_less() -> None:
    """What was measured, and what to set on the networks that send more."""
    small = {"hive0": Heard({"hive1": 1402, "hive2": 1500}, {"hive1": 9, "hive2": 9})}

    (line,) = problems(found(**small), 4789, {"front": 1500, "back": 1400})

    assert line.startswith("hive0 → hive1: packets of 1500 bytes do not arrive, those of 1402 do")
    assert 'networks.front.driver_opts = { "com.docker.network.driver.mtu" = "1400" }' in line


@pytest.mark.parametrize(
    ("options", "mtu"), [({}, 1500), ({vxlan.MTU: "1400"}, 1400), ({vxlan.MTU: "0"}, 1500)]
)
def test_a_networks_own_size_counts(options: dict[str, str], mtu: int) -> None:
    """A path need not take more than the networks send."""
    assert preflight._mtu(Network(driver_opts=options)) == mtu


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

    assert preflight.wanted("web", site.services["web"], site) == Wants("web", memory=2**30)
