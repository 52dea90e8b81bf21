"""The shared connection to a host, without a host."""

from pathlib import Path

import msgspec
import pytest

from model.errors import HostError
from model.record import HostRecord
from remote import ssh
from remote.ssh import Connection, SshFiles


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make every connection fail, and count the attempts."""
    attempts: list[str] = []

    def fail(words: list[str], **_: object) -> tuple[int, str]:
        attempts.append(words[0])
        return 255, "No route to host"

    monkeypatch.setattr(ssh, "_run", fail)
    return attempts


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    """Return a connection with files of its own."""
    sockets = tmp_path / "s"
    return Connection("hive0", SshFiles(tmp_path / "config", tmp_path / "key", tmp_path / "known", sockets))


def test_one_failure_stands_for_all_who_ask(connection: Connection, tried: list[str]) -> None:
    """A host that does not answer costs its time-out once, not once for each of its tasks."""
    for _ in range(3):
        with pytest.raises(HostError, match="hive0: ssh: No route to host"):
            connection.open()

    assert len(tried) == 1


@pytest.mark.parametrize("forget", [Connection.close, Connection.renew])
def test_a_host_made_anew_is_tried_again(connection: Connection, tried: list[str], forget: object) -> None:
    """What failed with the former host says nothing of the new one."""
    assert callable(forget)
    with pytest.raises(HostError):
        connection.open()
    forget(connection)
    with pytest.raises(HostError):
        connection.open()

    assert len(tried) == 2


def test_the_socket_directory_is_short_however_deep_the_site_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's path has a limit; a runtime directory that is gone, or too long, is not used."""
    deep = tmp_path / ("d" * 200) / ("e" * 200)
    for runtime in ("", "/run/user/none", f"/tmp/{'x' * 100}"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)

        assert len(str(ssh.socket_directory(deep))) < 60


def test_a_learned_host_key_stays_while_its_host_has_no_record(tmp_path: Path) -> None:
    """The log-in that carries a password comes after the first one: meanwhile another host may have been made."""
    files = SshFiles(tmp_path / "config", tmp_path / "key", tmp_path / "known", tmp_path)
    ssh.learn(files, ["p-hive0.test ssh-ed25519 A", "", "p-hive1.test ssh-ed25519 B"])
    ssh.learn(files, ["p-hive1.test ssh-ed25519 B"])
    record = HostRecord(name="p-hive0.test", id="1", address="10.0.0.1", ssh_host="10.0.0.1", user="skep")

    ssh.write_ssh_files(files, {"hive0": record})

    assert files.known_hosts.read_text() == "p-hive0.test ssh-ed25519 A\np-hive1.test ssh-ed25519 B\n"
    pinned = msgspec.structs.replace(record, host_keys=("ssh-ed25519 C",))
    ssh.write_ssh_files(files, {"hive0": pinned})
    assert files.known_hosts.read_text() == "p-hive0.test ssh-ed25519 C\np-hive1.test ssh-ed25519 B\n"
