"""The shared connection to a host, without a host."""

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from model.errors import CommandError, HostError, StateError
from model.keys.record import HostRecord
from remote.mother.process import Completed
from remote.ssh import commands as argv
from remote.ssh import connection as ssh
from remote.ssh.connection import Connection, SshFiles, write_ssh_files
from remote.ssh.login import ssh_words, with_key


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make every connection fail, and count the attempts."""
    attempts: list[str] = []

    def fail(words: list[str], **_: object) -> Completed:
        attempts.append(words[0])
        return Completed(tuple(words), 255, lines=("No route to host",))

    monkeypatch.setattr(ssh, "run_ssh", fail)
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


@pytest.fixture
def shell(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Return a connection whose commands are run by a shell on this machine."""
    monkeypatch.setattr(Connection, "open", lambda _: None)
    monkeypatch.setattr(argv, "ssh_command", lambda *words: ["sh", "-c", words[-1]])
    return connection


def test_a_warning_is_no_part_of_what_is_returned(shell: Connection) -> None:
    """What is parsed is the standard output alone; both are said as they come, the last line without an end too."""
    said: list[str] = []

    output = shell.run("echo 'sudo: unable to resolve host' >&2; echo one; printf two", log=said.append)

    assert output == "one\ntwo"
    assert sorted(said) == ["one", "sudo: unable to resolve host", "two"]


def test_a_failures_message_has_both_outputs(shell: Connection) -> None:
    """Why a command failed is mostly on its error output."""
    with pytest.raises(CommandError, match="exit status 3") as caught:
        shell.run("echo one; echo 'no space' >&2; exit 3")

    assert sorted(caught.value.output.splitlines()) == ["no space", "one"]


def test_a_long_output_is_whole(shell: Connection) -> None:
    """Lines that come in parts are put together, on both outputs at the same time."""
    said: list[str] = []

    output = shell.run("seq 1 40000 >&2 & seq 1 40000; wait", log=said.append)

    assert output.splitlines() == [str(number) for number in range(1, 40001)]
    assert len(said) == 80000


RECORD = HostRecord(
    id="1", name="hive0.example.test", address="192.0.2.1", ssh_host="192.0.2.1", ssh_port=22, user="skep",
    host_keys=("ssh-ed25519 AAAA",),
)  # fmt: skip


def configured(words: list[str]) -> dict[str, str]:
    """Return what ssh makes of its options."""
    said = subprocess.run([words[0], "-G", *words[1:]], capture_output=True, text=True, check=True).stdout
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in said.splitlines()}


@pytest.mark.parametrize("name", ["100%done", "a b", "tab\there", "%h"])
def test_ssh_takes_any_path(tmp_path: Path, name: str) -> None:
    """Ssh expands `%` in the paths of its files and splits them at white space: neither is in the way."""
    if shutil.which("ssh") is None:
        raise AssertionError("install OpenSSH's client")
    root = tmp_path / name
    root.mkdir()
    files = SshFiles(root / "ssh_config", root / "key", root / "known_hosts", tmp_path)
    write_ssh_files(files, {"hive0": RECORD})

    written = configured(["ssh", "-F", str(files.config), "hive0"])
    said = configured(ssh_words(RECORD, files.known_hosts, with_key(files.key), "true"))

    for found in (written, said):
        # `ssh -G` shows them before they are expanded.
        assert found["identityfile"].strip('"').replace("%%", "%") == str(files.key)
        assert found["userknownhostsfile"].strip('"').replace("%%", "%") == str(files.known_hosts)
        assert found["identityfile"].count("%") == 2 * str(files.key).count("%")


def test_ssh_files_that_can_not_be_written(tmp_path: Path) -> None:
    """That is a person's to mend, with the path; nothing half written is left."""
    (tmp_path / "ssh_config").mkdir()
    files = SshFiles(tmp_path / "ssh_config", tmp_path / "key", tmp_path / "known_hosts", tmp_path)

    with pytest.raises(StateError, match=f"^{tmp_path}/ssh_config: Is a directory; "):
        write_ssh_files(files, {"hive0": RECORD})

    assert sorted(path.name for path in tmp_path.iterdir()) == [".ssh.lock", "known_hosts", "ssh_config"]


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
