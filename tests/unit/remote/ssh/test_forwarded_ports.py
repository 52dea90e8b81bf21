"""Ports that lead to a host: what ssh says of them is heard, and never holds them up."""

import queue
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from model.errors import HostError
from remote.ssh import commands
from remote.ssh.forwarded_ports import ForwardedPorts

Open = Callable[[str], ForwardedPorts]


@pytest.fixture
def heard() -> "queue.SimpleQueue[str]":
    """Give the lines that are heard."""
    return queue.SimpleQueue()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, heard: "queue.SimpleQueue[str]") -> Iterator[Open]:
    """Give what forwards ports by a shell's script in the place of ssh."""
    ports: list[ForwardedPorts] = []

    def open_them(script: str) -> ForwardedPorts:
        monkeypatch.setattr(commands, "ssh_forward", lambda *_: ["sh", "-c", script])
        ports.append(ForwardedPorts(Path("config"), "hive0", ["1:h:2"], heard.put))
        return ports[-1]

    yield open_them
    for each in ports:
        each.close()


def after(file: Path) -> str:
    """Return the part of a script that opens the ports, and waits for a file."""
    return f"read line; echo open; until [ -e {file} ]; do sleep 0.01; done"


def test_what_ssh_says_while_they_are_open(
    opened: Open, heard: "queue.SimpleQueue[str]", tmp_path: Path
) -> None:
    """Each line is heard as it comes; not the banner before, nor what it says as it is ended."""
    go = tmp_path / "go"
    with closing(
        opened(f"echo a banner >&2; {after(go)}; echo failed >&2; cat >/dev/null; echo the end >&2")
    ) as ports:
        go.touch()
        assert heard.get(timeout=60) == "failed"
        assert ports.is_open
    assert heard.empty()


def test_a_lot_is_said(opened: Open, heard: "queue.SimpleQueue[str]", tmp_path: Path) -> None:
    """More than a pipe has room for holds nothing up."""
    go = tmp_path / "go"
    ports = opened(f"{after(go)}; seq 100000 >&2; cat >/dev/null")
    go.touch()

    assert [heard.get(timeout=60) for _ in range(100_000)][-1] == "100000"
    assert ports.is_open


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo 'bind: Address in use' >&2; echo 'no forwarding' >&2; exit 255",
            "bind: Address in use\nno forwarding",
        ),
        ("exit 255", "the connection could not be opened"),
    ],
)
def test_they_can_not_be_opened(
    opened: Open, script: str, said: str, heard: "queue.SimpleQueue[str]"
) -> None:
    """Ssh's own words are the reason, where it has any."""
    with pytest.raises(HostError) as error:
        opened(script)

    assert str(error.value) == f"hive0: ssh: {said}"
    assert heard.empty()


def test_ssh_tells_of_connections_that_could_not_be_made(tmp_path: Path) -> None:
    """It does so at one level alone, which holds whatever the stage's ssh_config says."""
    config = tmp_path / "config"
    config.write_text("Host *\n    LogLevel ERROR\n")
    [ssh, *words] = commands.ssh_forward(config, "hive0", ["127.0.0.1:1:h:2"])

    options = subprocess.run([ssh, "-G", *words], capture_output=True, text=True, check=True).stdout
    assert "loglevel INFO" in options.splitlines()
