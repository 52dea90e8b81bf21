"""A stage's ssh files."""

from pathlib import Path

import msgspec
import pytest

from model.errors import StateError
from model.keys.record import HostRecord
from remote.ssh.ssh_files import SshFiles, is_turned_away, learn, socket_directory, write_ssh_files


def test_the_socket_directory_is_short_however_deep_the_site_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's path has a limit; a runtime directory that is gone, or too long, is not used."""
    deep = tmp_path / ("d" * 200) / ("e" * 200)
    for runtime in ("", "/run/user/none", f"/tmp/{'x' * 100}"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)

        assert len(str(socket_directory(deep))) < 60


def test_ssh_files_that_can_not_be_written(tmp_path: Path) -> None:
    """That is a person's to mend, with the path; nothing half written is left."""
    (tmp_path / "ssh_config").mkdir()
    files = SshFiles(tmp_path / "ssh_config", tmp_path / "key", tmp_path / "known_hosts", tmp_path)

    with pytest.raises(StateError, match=f"^{tmp_path}/ssh_config: Is a directory; "):
        write_ssh_files(files, {"hive0": HostRecord(name="h", id="1", address="a", ssh_host="a")})

    assert sorted(path.name for path in tmp_path.iterdir()) == [".ssh.lock", "known_hosts", "ssh_config"]


def test_a_learned_host_key_stays_while_its_host_has_no_record(tmp_path: Path) -> None:
    """The log-in that carries a password comes after the first one: meanwhile another host may have been made."""
    files = SshFiles(tmp_path / "config", tmp_path / "key", tmp_path / "known", tmp_path)
    learn(files, ["p-hive0.test ssh-ed25519 A", "", "p-hive1.test ssh-ed25519 B"])
    learn(files, ["p-hive1.test ssh-ed25519 B"])
    record = HostRecord(name="p-hive0.test", id="1", address="10.0.0.1", ssh_host="10.0.0.1", user="skep")

    write_ssh_files(files, {"hive0": record})

    assert files.known_hosts.read_text() == "p-hive0.test ssh-ed25519 A\np-hive1.test ssh-ed25519 B\n"
    pinned = msgspec.structs.replace(record, host_keys=("ssh-ed25519 C",))
    write_ssh_files(files, {"hive0": pinned})
    assert files.known_hosts.read_text() == "p-hive0.test ssh-ed25519 C\np-hive1.test ssh-ed25519 B\n"


@pytest.mark.parametrize(
    ("said", "is_it"),
    [
        (
            "kex_exchange_identification: Connection closed by remote host\nConnection closed by 10.9.8.7 port 22\n",
            True,
        ),
        ("kex_exchange_identification: read: Connection reset by peer\r\n", True),
        ("kex_exchange_identification: banner line contains invalid characters\n", False),
        (
            "root@10.9.8.7: Permission denied (publickey,password).\nConnection closed by 10.9.8.7 port 22\n",
            False,
        ),
        ("ssh: connect to host 10.9.8.7 port 22: Connection refused\n", False),
    ],
)
def test_a_connection_that_sshd_turns_away(said: str, *, is_it: bool) -> None:
    """Closed before sshd said who it is, and not refused in any other way."""
    assert is_turned_away(said) is is_it
