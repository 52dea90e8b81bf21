"""`doit connect`: its hosts, its lines, and the tunnels that it holds."""

import time
from pathlib import Path
from typing import ClassVar

import pytest
from doit.exceptions import InvalidCommand

import commands.connect
from commands.connect import HostTunnel, chosen, lines
from model.errors import HostError
from model.keys.record import HostRecord
from model.site import DockerStage, Site
from model.stage import Stage
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State


class FakeConnection:
    """A shared connection that opens, or not, as a test wants."""

    refused = False
    done: ClassVar[list[str]] = []

    def __init__(self, name: str, _files: object) -> None:
        self.name = name

    def open(self) -> None:
        """Open."""
        if self.refused:
            raise HostError(f"{self.name}: no answer")
        self.done.append(f"opened {self.name}")

    def close(self) -> None:
        """Close."""
        self.done.append(f"closed {self.name}")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run on a stage of three hosts, two of which are made; sessions are a `cat` of this machine's."""
    (tmp_path / "r").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    monkeypatch.setattr("commands.connect.Connection", FakeConnection)
    monkeypatch.setattr("commands.connect.ssh_commands.ssh_command", lambda *_words: ["cat"])
    monkeypatch.setattr(FakeConnection, "refused", False)
    FakeConnection.done.clear()
    config = DockerStage(cidr="10.0.0.0/24", number_of_hosts=3)
    stage = Stage(Site(site="example", stages={"private": config}), "private", config)
    made = new_run(tmp_path, stage, State(tmp_path / "state" / "private"))
    for host in stage.hosts[:2]:
        made.state.write(
            f"build_infra:{host.short}",
            HostRecord(name=host.name, id="1", address=host.address, ssh_host=host.address),
        )
    return made


def test_without_a_name_all_hosts_that_are_made_are_meant(run: Run) -> None:
    """Hosts are named by their short or full name; without one, all that exist are meant."""
    assert [host.short for host in chosen(run, [])] == ["hive0", "hive1"]
    assert [host.short for host in chosen(run, ["p-hive1.example", "hive1"])] == ["hive1"]


@pytest.mark.parametrize(
    ("name", "message"), [("hive9", "has no host hive9; there are"), ("hive2", "not made yet")]
)
def test_a_host_that_is_not_there_is_a_persons_mistake(run: Run, name: str, message: str) -> None:
    """A wrong name is answered with the right ones, a host that is not made yet with the command that makes it."""
    with pytest.raises(InvalidCommand, match=message):
        chosen(run, [name])


def test_the_lines_can_be_pasted(run: Run) -> None:
    """Each host has a line for docker and one for ssh, with its name behind `#`, all in one column."""
    printed = lines(run, chosen(run, []))

    sockets, config = run.connections.files.sockets, run.connections.files.config
    assert [line.split("#")[0].rstrip() for line in printed] == [
        f"export DOCKER_HOST=unix://{sockets}/hive0.docker",
        f"export DOCKER_HOST=unix://{sockets}/hive1.docker",
        f"ssh -F {config} hive0",
        f"ssh -F {config} hive1",
    ]
    assert {line.index("  # p-hive") for line in printed} == {
        max(len(line.split("  #")[0]) for line in printed)
    }


def test_a_broken_tunnel_is_opened_again(run: Run) -> None:
    """A session holds the connection; when it ends, another is begun, and the person is told."""
    messages: list[str] = []
    tunnel = HostTunnel(run, run.stage.hosts[0])
    tunnel.hold(messages.append)
    held = tunnel.held
    session = tunnel._session
    assert session is not None
    session.kill()
    session.wait(5)
    tunnel._next = time.monotonic()
    broken = tunnel.needs_repair()
    tunnel.hold(messages.append)
    again = tunnel.held
    tunnel.close()

    assert (held, broken, again) == (True, True, True)
    assert messages == ["hive0: the connection broke; opening it again", "hive0: the tunnel is open"]
    assert FakeConnection.done == ["opened hive0", "opened hive0", "closed hive0"]
    assert not tunnel.held


def test_a_host_that_stays_away_is_asked_ever_less_often(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is printed once; attempts go on, with longer pauses."""
    monkeypatch.setattr(FakeConnection, "refused", True)
    messages: list[str] = []
    tunnel = HostTunnel(run, run.stage.hosts[0])
    pauses = []
    for _ in range(6):
        tunnel.hold(messages.append)
        pauses.append(round(tunnel._next - time.monotonic()))

    assert messages == ["hive0: no answer"]
    assert pauses == [1, 2, 5, 10, 10, 10]
    assert not tunnel.needs_repair()


def test_a_connection_that_was_open_before_stays_open(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only connections that were opened here are closed, and none that a run uses."""
    tunnels = [HostTunnel(run, host) for host in run.stage.hosts[:2]]
    monkeypatch.setattr("commands.connect._answers", lambda _run, connection: connection.name == "hive0")
    for tunnel in tunnels:
        tunnel.hold(print)
    commands.connect._close(run, tunnels)
    closed = [line for line in FakeConnection.done if line.startswith("closed")]
    for tunnel in tunnels:
        tunnel.hold(print)
    monkeypatch.setattr("commands.connect.holder", lambda _state: "process 1")
    commands.connect._close(run, tunnels)

    assert closed == ["closed hive1"]
    assert [line for line in FakeConnection.done if line.startswith("closed")] == closed
    assert not any(tunnel.held for tunnel in tunnels)


def test_without_ssh_a_message_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ssh is not on PATH, the host is one that can't be reached: no traceback, and it is tried again later."""
    monkeypatch.setattr("commands.connect.ssh_commands.ssh_command", lambda *_words: ["no-such-ssh"])
    monkeypatch.setattr("commands.connect.ssh_commands.ssh_control", lambda *_words: ["no-such-ssh"])
    run.connections.files.sockets.mkdir(parents=True, exist_ok=True)
    (run.connections.files.sockets / "hive0.ssh").touch()
    tunnel = HostTunnel(run, run.stage.hosts[0])
    messages: list[str] = []

    tunnel.hold(messages.append)

    assert messages == ["hive0: no-such-ssh: No such file or directory"]
    assert not tunnel.held
    assert not tunnel.needs_repair()
