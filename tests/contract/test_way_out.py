"""The containers' way out of a host, tried between network namespaces of this machine: no packet leaves it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote.checks import way_out
from tests import processes, rig
from tests.namespaces import Namespaces

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1200),
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
        self.namespaces = Namespaces("out")

    def on(self, short: str, script: str) -> str:
        """Run a shell script in a namespace, and return its output."""
        words = self.namespaces.command(short, "sh", "-eu")
        done = subprocess.run(words, input=script, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self) -> None:
        """Make the namespaces, the line between them, and the name server."""
        self.namespaces.add("lan", "host")
        self.on("lan", f"ip link add eth0 type veth peer name eth0 netns {self.namespaces.name('host')}")
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
        self.namespaces.start("lan", sys.executable, "-c", ANSWER)
        rig.wait_until(lambda: ":53 " in self.on("lan", "ss -Hlnu"), "the name server to listen")


@pytest.fixture
def lan() -> Iterator[Lan]:
    """Give the host and its name server."""
    made = Lan()
    try:
        made.make()
        yield made
    finally:
        made.namespaces.remove()


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


def test_a_killed_tests_namespaces_go_before_the_next() -> None:
    """With the processes in them; those of a test at work stay."""
    script = (
        "import subprocess, time\nfrom tests.namespaces import Namespaces\n"
        "mine = Namespaces('other')\nmine.add('a')\n"
        "inside = subprocess.Popen(['ip', 'netns', 'exec', mine.name('a'), 'sleep', '100'])\n"
        "print(mine.name('a'), flush=True)\ntime.sleep(100)\n"
    )
    own = Namespaces("killed")
    with processes.started(
        [sys.executable, "-c", script], cwd=rig.ROOT, stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout is not None
            theirs = other.stdout.readline().strip()
            named = Path("/run/netns", theirs)
            rig.wait_until(lambda: _inside(theirs) != [], "its process to be in it")
            own.add("a")
            assert named.exists()
            within = _inside(theirs)
        finally:
            other.kill()
            other.wait(rig.PATIENCE)
        try:
            own.add("a")
            assert not named.exists()
            gone = [Path("/proc", process, "cmdline") for process in within]
            rig.wait_until(lambda: not any(path.exists() and path.read_bytes() for path in gone), "it to end")
        finally:
            own.remove()
    assert not Path("/run/netns", own.name("a")).exists()


def _inside(namespace: str) -> list[str]:
    """Return the ids of the processes in a namespace."""
    words = ["ip", "netns", "pids", namespace]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
