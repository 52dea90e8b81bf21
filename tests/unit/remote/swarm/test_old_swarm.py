"""A fenced host leaves its old swarm: the script, run by a real shell on a directory that stands for the host's."""

import datetime as dt
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from remote.swarm import old_swarm

NODE, OTHER = "c9rgnsfd7l0qgvpqwr4lv0x2m", "ahw3kp2q8s1xk5zz0dd7u8e1b"
SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$LOG"
case "$1" in
is-active) [ -e "$RUNS" ] ;;
stop) [ "$2" != docker.service ] || rm -f "$RUNS" ;;
start) [ ! -e "$ROOT/swarm" ] || echo "the engine starts with the old swarm" >>"$LOG"; : >"$RUNS" ;;
esac
"""


class FakeHost:
    """A host's directory for its engine, and its systemctl."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.root = directory / "data"
        (self.root / "volumes" / "data").mkdir(parents=True)
        (directory / "daemon.json").write_text(f'{{"data-root": "{self.root}", "debug": true}}')
        (directory / "bin").mkdir()
        (directory / "bin" / "systemctl").write_text(SYSTEMCTL)
        (directory / "bin" / "systemctl").chmod(0o755)
        self.runs, self.log = directory / "runs", directory / "log"
        self.runs.touch()

    def join(self, node: str, role: str = "swarm-manager") -> None:
        """Have it be a node of a swarm."""
        swarm = self.root / "swarm"
        (swarm / "certificates").mkdir(parents=True)
        (swarm / "raft").mkdir()
        (swarm / "certificates" / "swarm-node.crt").write_bytes(
            certificate(node, role) + certificate("ca", "root")
        )

    def run(self, script: str) -> str:
        """Run a script there."""
        environment = {
            **os.environ,
            "PATH": f"{self._directory / 'bin'}:{os.environ['PATH']}",
            "LOG": str(self.log),
            "RUNS": str(self.runs),
            "ROOT": str(self.root),
        }
        text = script.replace("/etc/docker/daemon.json", str(self._directory / "daemon.json"))
        done = subprocess.run(
            ["sh", "-eu", "-s"],
            input=text,
            text=True,
            capture_output=True,
            env=environment,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def certificate(node: str, role: str) -> bytes:
    """Return a certificate as swarmkit makes them: O is the swarm, OU the role, CN the node."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "swarm-of-the-test"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role),
            x509.NameAttribute(NameOID.COMMON_NAME, node),
        ]
    )
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """Give a host that is in no swarm."""
    return FakeHost(tmp_path)


def test_it_leaves_before_its_engine_starts_again(host: FakeHost) -> None:
    """The engine is stopped, the swarm's state goes, the data stay; only then the engine starts."""
    host.join(NODE)
    assert host.run(old_swarm.leave_script(NODE)) == "left the old swarm"
    assert [path.name for path in host.root.iterdir()] == ["volumes"]
    assert host.log.read_text().splitlines() == [
        "stop docker.socket",
        "stop docker.service",
        "is-active --quiet docker.service",
        "unmask --runtime docker.service docker.socket",
        "start docker.service",
    ]
    assert host.runs.exists()


def test_another_node_stays(host: FakeHost) -> None:
    """A host that has joined anew, as by another checkout's run, is another node: its engine is not touched."""
    host.join(OTHER)
    assert host.run(old_swarm.leave_script(NODE)) == ""
    assert (host.root / "swarm" / "raft").exists()
    assert host.log.read_text().splitlines() == ["is-active --quiet docker.service"]


def test_an_engine_that_was_kept_from_starting_is_started(host: FakeHost) -> None:
    """Masked at boot by whoever switched the host on, or stopped by a killed run: it starts, without a swarm."""
    host.runs.unlink()
    host.join(NODE)
    (host.root / "swarm.old").mkdir()
    assert host.run(old_swarm.leave_script(NODE)) == "left the old swarm"
    assert host.runs.exists()
    assert [path.name for path in host.root.iterdir()] == ["volumes"]


@pytest.mark.parametrize(
    ("role", "raft", "is_one"),
    [
        ("swarm-manager", True, True),
        ("swarm-worker", True, False),
        ("swarm-manager", False, False),
    ],
)
def test_a_manager_is_known_by_its_disk(host: FakeHost, role: str, raft: bool, is_one: bool) -> None:  # noqa: FBT001
    """By its certificate and its log, so also where its engine does not answer."""
    host.join(NODE, role)
    if not raft:
        (host.root / "swarm" / "raft").rmdir()
    assert host.run(old_swarm._IS_MANAGER) == ("manager" if is_one else "")


def test_a_node_is_no_shell_text() -> None:
    """What comes from an engine's answer is put into the script only if it is an id."""
    with pytest.raises(ValueError, match="no node's id"):
        old_swarm.leave_script("x; reboot")
