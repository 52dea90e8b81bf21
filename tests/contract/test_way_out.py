"""The containers' way out of a host, tried between network namespaces of this machine: no packet leaves it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote.checks import way_out
from tests import rig

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("iptables"),
        reason="network namespaces are root's, and need iproute2 and iptables",
    ),
]

SERVER, DEAF = "192.0.2.1", "192.0.2.9"
ANSWER = """
import socket
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("", 53))
while True:
    question, who = door.recvfrom(512)
    door.sendto(question[:2] + bytes([0x81, 0x85]) + question[4:], who)
"""


class Lan:
    """A host with the engine's bridge of services, and a name server beyond it."""

    def __init__(self) -> None:
        self.mark = f"skw{os.getpid()}"

    def on(self, short: str, script: str) -> str:
        """Run a shell script in a namespace, and return its output."""
        words = ["ip", "netns", "exec", f"{self.mark}-{short}", "sh", "-eu"]
        done = subprocess.run(words, input=script, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self) -> "subprocess.Popen[bytes]":
        """Make the namespaces, the line between them, and the name server, which is returned."""
        for short in ("lan", "host"):
            subprocess.run(["ip", "netns", "add", f"{self.mark}-{short}"], check=True)
        self.on("lan", f"ip link add eth0 type veth peer name eth0 netns {self.mark}-host")
        self.on("lan", f"ip addr add {SERVER}/24 dev eth0; ip link set eth0 up")
        self.on(
            "host",
            f"""
            ip addr add 192.0.2.10/24 dev eth0; ip link set eth0 up; ip route add default via {SERVER}
            ip link add docker_gwbridge type bridge
            ip addr add 172.18.0.1/16 dev docker_gwbridge; ip link set docker_gwbridge up
            sysctl -qw net.ipv4.ip_forward=1
            iptables -t nat -A POSTROUTING -s 172.18.0.0/16 ! -o docker_gwbridge -j MASQUERADE
            """,
        )
        words = ["ip", "netns", "exec", f"{self.mark}-lan", sys.executable, "-c", ANSWER]
        server = subprocess.Popen(words)
        rig.wait_until(lambda: ":53 " in self.on("lan", "ss -Hlnu"), "the name server to listen", 20)
        return server

    def remove(self) -> None:
        """Remove the namespaces, and what is in them."""
        for short in ("lan", "host"):
            subprocess.run(["ip", "netns", "del", f"{self.mark}-{short}"], check=False)


@pytest.fixture
def lan() -> Iterator[Lan]:
    """Give the host and its name server."""
    made = Lan()
    try:
        server = made.make()
        try:
            yield made
        finally:
            server.terminate()
            server.wait(10)
    finally:
        made.remove()


def test_a_firewall_that_keeps_containers_in(lan: Lan, tmp_path: Path) -> None:
    """A container is asked for what its host reaches; one that does not is said, and so is a deaf name server.

    Nothing is left on the host.
    """
    resolv = tmp_path / "resolv.conf"

    def told(*servers: str) -> str:
        resolv.write_text("".join(f"nameserver {server}\n" for server in servers))
        output = lan.on("host", way_out.script(str(resolv), str(tmp_path / "daemon.json")))
        return "\n".join(way_out.warnings("hive0", way_out.parse(output), {}))

    before = lan.on("host", "ip -o link show | cut -d: -f2")
    assert told("127.0.0.11", SERVER) == ""
    assert told("127.0.0.11") == ""
    assert f"none of its name servers answers ({DEAF})" in told(DEAF)

    lan.on("host", "iptables -P FORWARD DROP")

    line = told(SERVER)
    assert line.startswith(f"hive0: {SERVER} answers the host and not its containers (by docker_gwbridge)")
    rig.wait_until(lambda: lan.on("host", "ip -o link show | cut -d: -f2") == before, "the cable to be gone")
