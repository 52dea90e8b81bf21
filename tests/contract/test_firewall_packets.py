"""What the hosts' firewall lets through, by real packets between network namespaces of this machine.

A host, with a task behind the rules that an engine writes for a published port: those of Docker Engine 20.10, as
`iptables-save` shows them on a hive, for `mode = "host"` and for the routing mesh. For IPv6 the same, as later engines
write them, and Docker's proxy, as earlier ones have it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from model.site_file.load import parse_site
from model.stage import Stage
from remote.hostsetup.firewall import firewall_script
from tests import rig
from tests.namespaces import Namespaces

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("iptables"),
        reason="network namespaces are root's, and need iproute2 and iptables",
    ),
]

METADATA = {4: "169.254.169.254", 6: "fd00:ec2::254"}
HOST = {4: "192.0.2.10", 6: "2001:db8::10"}
GATEWAY = {4: "192.0.2.1", 6: "2001:db8::1"}
TASK = {4: "172.18.0.3", 6: "fd18::3"}
MESH = {4: "172.18.0.2", 6: "fd18::2"}
BRIDGE = {4: "172.18.0.1", 6: "fd18::1"}
SERVICES: dict[str, Any] = {
    "web": {"image": "a:1", "ports": [{"target_port": 80, "published_port": 8080, "mode": "host"}]},
    "db": {
        "image": "a:1",
        "ports": [{"target_port": 80, "published_port": 5432, "mode": "host", "open_to": "stage"}],
    },
    "some": {
        "image": "a:1",
        "ports": [
            {
                "target_port": 80,
                "published_port": 81,
                "mode": "host",
                "open_to": ["192.0.2.99/32", "2001:db8::99/128"],
            }
        ],
    },
    "inner": {"image": "a:1", "ports": [{"target_port": 80, "mode": "host"}]},
}
PORTS = (8080, 5432, 81, 61001, 61002, 61003)
"""Of 61002 Docker's proxy is asked, and 61003 is published by the routing mesh."""
PROXIED, MESHED = 61002, 61003
SERVE = """
import socket, sys, threading
def serve(port):
    door = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        door.accept()[0].close()
threads = [threading.Thread(target=serve, args=(int(port),)) for port in sys.argv[1:]]
for thread in threads: thread.start()
"""
CONNECT = """
import socket, sys, threading
def connect(port):
    try:
        socket.create_connection((sys.argv[1], port), 1.0).close()
    except OSError:
        return
    sys.stdout.write(f"{port}\\n")
for port in sys.argv[2:]: threading.Thread(target=connect, args=(int(port),)).start()
"""


class Lan:
    """A host, another host of the stage (`peer`), somebody else (`other`), and a cloud's metadata service, in a LAN."""

    def __init__(self) -> None:
        self.namespaces = Namespaces("firewall")
        self.name = self.namespaces.name

    def run(self, short: str, *words: str, check: bool = True) -> str:
        """Run a command in a namespace, and return its output."""
        command = self.namespaces.command(short, *words)
        return subprocess.run(command, check=check, capture_output=True, text=True, timeout=240).stdout

    def make(self) -> None:
        """Make the namespaces and the lines between them."""
        shorts = ("lan", "host", "peer", "other", "task")
        self.namespaces.add(*shorts)
        for short in shorts:
            self.run(short, "ip", "link", "set", "lo", "up")
        self.run("lan", "ip", "link", "add", "br0", "type", "bridge")
        self._up(
            "lan", "br0", f"{GATEWAY[4]}/24", f"{GATEWAY[6]}/64", f"{METADATA[4]}/32", f"{METADATA[6]}/128"
        )
        for short, last in (("host", "10"), ("peer", "11"), ("other", "99")):
            self._cable("lan", "br0", short)
            self._up(short, "eth0", f"192.0.2.{last}/24", f"2001:db8::{last}/64")
        self.run("host", "ip", "link", "add", "docker_gwbridge", "type", "bridge")
        self._up("host", "docker_gwbridge", f"{BRIDGE[4]}/16", f"{BRIDGE[6]}/64")
        self._cable("host", "docker_gwbridge", "task")
        self._up(
            "task", "eth0", *(f"{at[4]}/16" for at in (TASK, MESH)), *(f"{at[6]}/64" for at in (TASK, MESH))
        )
        for version in (4, 6):
            self.run("task", "ip", f"-{version}", "route", "add", "default", "via", BRIDGE[version])
            self.run("host", "ip", f"-{version}", "route", "add", METADATA[version], "via", GATEWAY[version])
        self.run("host", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self._serve("task", 80, MESHED)
        self._serve("host", PROXIED)
        self._serve("lan", 80, 53)

    def _cable(self, short: str, bridge: str, other: str) -> None:
        """Connect `eth0` of a namespace with a bridge in another one."""
        end = f"to-{other}"
        where = ["netns", self.name(other)]
        self.run(short, "ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", *where)
        self.run(short, "ip", "link", "set", end, "up", "master", bridge)

    def _up(self, short: str, device: str, *addresses: str) -> None:
        """Give a device its addresses."""
        self.run(short, "ip", "link", "set", device, "up")
        for address in addresses:
            self.run(
                short, "ip", "addr", "add", address, "dev", device, *(["nodad"] if ":" in address else [])
            )

    def _serve(self, short: str, *ports: int) -> None:
        """Listen on ports of a namespace."""
        self.namespaces.start(short, sys.executable, "-c", SERVE, *map(str, ports))
        rig.wait_until(lambda: self.open(short, "127.0.0.1", *ports) == set(ports), f"{short} to listen")

    def open(self, short: str, address: str, *ports: int) -> set[int]:
        """Return the ports of an address that somebody in a namespace can connect to."""
        return set(
            map(int, self.run(short, sys.executable, "-c", CONNECT, address, *map(str, ports)).split())
        )

    def connects(self, short: str, address: str, port: int) -> bool:
        """Return whether somebody in a namespace can connect to a port."""
        return self.open(short, address, port) == {port}

    def engine_starts(self) -> None:
        """Write what Docker Engine writes as it starts and publishes ports; a DOCKER-USER that is there stays."""
        for version, tool in ((4, "iptables"), (6, "ip6tables")):
            self.run("host", tool, "-N", "DOCKER-USER", check=False)
            self.run("host", tool, "-A", "DOCKER-USER", "-j", "RETURN")
            self.run("host", tool, "-P", "FORWARD", "DROP")
            for rule in (
                "-o docker_gwbridge -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
                f"-d {TASK[version]} ! -i docker_gwbridge -o docker_gwbridge -p tcp --dport 80 -j ACCEPT",
                f"-p tcp --dport {MESHED} -j ACCEPT",
                "-i docker_gwbridge ! -o docker_gwbridge -j ACCEPT",
            ):
                self.run("host", tool, "-A", "FORWARD", *rule.split())
            # The engine has its users' chain passed first, whenever it writes others.
            self.run("host", tool, "-I", "FORWARD", "-j", "DOCKER-USER")
            nat = (tool, "-t", "nat")
            self.run("host", *nat, "-N", "DOCKER")
            self.run(
                "host", *nat, *["-A", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "DOCKER"]
            )
            self.run("host", *nat, *["-A", "POSTROUTING", "!", "-o", "docker_gwbridge", "-j", "MASQUERADE"])
            self.run("host", *nat, *["-A", "DOCKER", "-i", "docker_gwbridge", "-j", "RETURN"])
            for port in PORTS:
                there = MESH[version] if port == MESHED else TASK[version]
                to = f"[{there}]" if version == 6 else there
                number = MESHED if port == MESHED else 80
                if port != PROXIED:
                    rule = f"-A DOCKER -p tcp --dport {port} -j DNAT --to-destination {to}:{number}"
                    self.run("host", *nat, *rule.split())

    def firewall(self, order: str, **more: Any) -> None:
        """Run the host's firewall script, for a stage of the host and its peer."""
        services = {**SERVICES, **more}
        addresses = ["192.0.2.10", "192.0.2.11", "2001:db8::11"]
        site = parse_site(
            {
                "site": "example",
                "stages": {
                    "private": {
                        "provider": "prepared",
                        "ip_address_list": addresses,
                        "separate_repository": False,
                    }
                },
                "services": services,
            }
        )
        stage = Stage(site, "private", site.stages["private"])
        script = firewall_script(stage, stage.host("hive0")).replace("mkdir -p /run/sshd\n", "")
        command = self.namespaces.command("host", "sh", "-s", order)
        subprocess.run(command, input=script.encode(), check=True, capture_output=True, timeout=240)


@pytest.fixture
def lan() -> Iterator[Lan]:
    """Give a LAN with a host in it."""
    made = Lan()
    try:
        made.make()
        yield made
    finally:
        made.namespaces.remove()


@pytest.mark.parametrize("order", ["at boot", "under a running engine"])
def test_a_port_is_open_to_whom_site_toml_says(lan: Lan, order: str) -> None:
    """Before the engine starts, as at boot, and afterwards; by IPv4 and IPv6; also when all is loaded once more."""
    if order == "at boot":
        lan.firewall("start")
        lan.engine_starts()
    else:
        lan.engine_starts()
        assert lan.connects("other", HOST[4], 61001), "without the firewall it is open to all"
        lan.firewall("start")
    lan.firewall("start")

    for version in (4, 6):
        reached = {who: lan.open(who, HOST[version], *PORTS) for who in ("peer", "other")}
        assert reached == {
            "peer": {8080, 5432, 61001, PROXIED, MESHED},
            "other": {8080, 81},
        }, f"IPv{version}: {reached}"
    # A container of the host reaches its ports by the engine's bridge, and what is outside.
    assert lan.connects("task", HOST[4], PROXIED)
    assert lan.connects("task", "192.0.2.1", 80)

    lan.firewall("stop")

    assert lan.open("other", HOST[4], *PORTS) == set(PORTS)
    assert "SKEP" not in lan.run("host", "iptables-save") + lan.run("host", "ip6tables-save")


def test_containers_reach_the_metadata_service_only_where_a_service_says_so(lan: Lan) -> None:
    """The host itself always does; and names are asked for at its address."""
    lan.firewall("start")
    lan.engine_starts()
    for address in METADATA.values():
        assert lan.open("host", address, 53, 80) == {53, 80}
        assert lan.open("task", address, 53, 80) == {53}

    lan.firewall("start", agent={"image": "a:1", "metadata": True})

    assert all(lan.connects("task", address, 80) for address in METADATA.values())
