"""Which key logs in: an operator's, by the agent or a file, before the checkout's own."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.errors import ConfigError
from remote.ssh.identity import Identity, agent_keys, find_identity
from tests import processes
from tests.unit.ssh_keys import made_key, wire_key


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a home directory."""
    return tmp_path / "home"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """Give the socket of a real ssh agent."""
    path = tmp_path / "agent"
    with processes.started(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()  # printed when it listens
        yield str(path)


def bare(line: str) -> str:
    """Return a key without its comment."""
    return " ".join(line.split()[:2])


def add(agent: str, path: Path) -> None:
    """Give a key to the agent."""
    env = {**os.environ, "SSH_AUTH_SOCK": agent}
    subprocess.run(["ssh-add", "-q", str(path)], env=env, check=True, capture_output=True, timeout=30)


def found(home: Path, *keys: str, **environment: str) -> Identity | None:
    """Return what is found where these are the keys of operators op0, op1, …."""
    operators = {f"op{n}": [key] for n, key in enumerate(keys)}
    return find_identity(
        operators, {name.upper(): value for name, value in environment.items()}, home, home / "site"
    )


def test_a_file_of_an_operator(home: Path) -> None:
    """The pair by any name, or a private key alone by a usual name; where no operator's is here, there is none."""
    mine = made_key(home / ".ssh" / "work")
    other = made_key(home / "elsewhere")

    assert found(home, other) is None
    assert found(home) is None
    one = found(home, other, mine)
    assert one == Identity(bare(mine), home / ".ssh" / "work", "op1", source=str(home / ".ssh" / "work"))
    (home / ".ssh" / "work.pub").unlink()
    assert found(home, mine) is None
    (home / ".ssh" / "work").rename(home / ".ssh" / "id_ed25519")
    one = found(home, mine)
    assert one is not None
    assert one.path == home / ".ssh" / "id_ed25519"


def test_the_agent(home: Path, agent: str) -> None:
    """A key that only the agent has is used through it; an agent that is gone, or none, is no error."""
    mine = made_key(home / "key")
    add(agent, home / "key")

    assert agent_keys(agent) == [bare(mine)]
    assert found(home, mine, ssh_auth_sock=agent) == Identity(bare(mine), None, "op0", source="the ssh agent")
    assert agent_keys(str(home / "gone")) == agent_keys("") == []


def test_a_passphrase(home: Path, agent: str) -> None:
    """A file with one waits for the agent; a key that can be used as it is comes before it."""
    locked = made_key(home / ".ssh" / "id_ed25519", "ed25519", "correct horse")

    one = found(home, locked, ssh_auth_sock=agent)
    assert one is not None
    assert one.needs_agent

    free = made_key(home / ".ssh" / "other")
    one = found(home, locked, free, ssh_auth_sock=agent)
    assert one is not None
    assert (one.operator, one.needs_agent) == ("op1", False)


def test_a_file_that_is_named(home: Path, agent: str) -> None:
    """`SKEP_IDENTITY` comes first, and may be a public key of the agent; it need not be an operator's."""
    mine, named = made_key(home / ".ssh" / "id_ed25519"), made_key(home / "named")
    path = home / "named"

    one = found(home, mine, skep_identity=str(path))
    assert one == Identity(bare(named), path, source=str(path))
    one = found(home, mine, named, skep_identity=str(path.with_suffix(".pub")))
    assert one is not None
    assert (one.operator, one.path) == ("op1", path)
    add(agent, path)
    path.unlink()
    one = found(home, mine, named, skep_identity=str(path.with_suffix(".pub")), ssh_auth_sock=agent)
    assert one is not None
    assert (one.operator, one.path) == ("op1", None)


def test_a_named_file_is_where_doit_was_started(home: Path) -> None:
    """Doit itself works in the directory of dodo.py; a path that begins nowhere is one of the site's."""
    path = home / "site" / "keys" / "work"
    key = made_key(path)

    assert found(home, skep_identity="keys/work") == Identity(bare(key), path, source=str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("hello", "is no ssh key whose public half is known"),
        (wire_key("ssh-ed25519", bytes(32)), "is a public key that the ssh agent does not have"),
    ],
)
def test_a_named_file_that_is_no_key(home: Path, text: str | None, said: str) -> None:
    """It is refused with what to do."""
    home.mkdir()
    if text is not None:
        (home / "key").write_text(text)

    with pytest.raises(ConfigError, match=f"^SKEP_IDENTITY: {home}/key: ({said})"):
        found(home, skep_identity=str(home / "key"))


@pytest.mark.parametrize(
    "answer", [b"", b"\0\0\0\1\5", b"\0\0\0\x09\x0c\0\0\0\1\0\0\0\x40", b"\xff\xff\xff\xff"]
)
def test_an_odd_agent(tmp_path: Path, answer: bytes) -> None:
    """What refuses, ends early or never ends counts as holding no usable key."""
    path = tmp_path / "odd"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(64)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert [key for key in agent_keys(str(path)) if key.startswith("ssh-")] == []
        thread.join(120)
