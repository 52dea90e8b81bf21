"""Reading a host's facts: the script, and the meaning of its output."""

import subprocess

from model.json_types import Json
from remote.checks.host_facts import parse, script

OUTPUT = """\
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
= unmountable
nfs
= missing
/srv/none
"""


def container(name: str, service: str = "", *ports: tuple[str, int, int, str]) -> Json:
    """Return a container as an engine lists it: its ports are address, host's port, container's port, protocol."""
    return {
        "Names": [f"/{name}"],
        "Labels": {"com.docker.swarm.service.name": service} if service else {},
        "Ports": [
            {"IP": ip, "PublicPort": port, "PrivatePort": target, "Type": protocol}
            for ip, port, target, protocol in ports
        ],
    }


ANYWHERE = "0.0.0.0"  # noqa: S104 - what an engine lists
CONTAINERS = [
    container("web.1.abc", "web", (ANYWHERE, 80, 80, "tcp"), ("::", 80, 80, "tcp")),
    # An exposed port that is not published has no port of the host's.
    {**container("db.1.abc", "db"), "Ports": [{"PrivatePort": 3306, "Type": "tcp"}]},
    container("mine", "", (ANYWHERE, 8080, 80, "tcp")),
    container("old.1.abc", "old", (ANYWHERE, 53, 53, "udp")),
]


def test_the_output_is_read() -> None:
    """Docker's own listeners are left out; published ports are those of the engine's containers."""
    facts = parse(OUTPUT, CONTAINERS)

    assert not facts.has_ip_vs
    assert facts.incarnation.startswith("b90f29f9")
    assert facts.listeners == {(4789, "udp"): "the kernel", (323, "udp"): "chronyd", (2222, "tcp"): "sshd"}
    assert facts.published == {
        (80, "tcp"): ("web.1.abc", "web"),
        (8080, "tcp"): ("mine", ""),
        (53, "udp"): ("old.1.abc", "old"),
    }
    assert parse("= ip_vs\nyes\n").has_ip_vs


def test_the_script_is_posix_shell() -> None:
    """Whatever is asked for, and whatever it is called."""
    text = script(["nfs"], ["/srv/it's", "/srv/a b"])

    subprocess.run(["sh", "-n"], input=text.encode(), check=True)
    assert "[ -e '/srv/a b' ]" in text
