"""The shared connection to a host, without a host."""

from pathlib import Path

import pytest

from model.errors import HostError
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
