"""The shared connection to a host, without a host."""

from pathlib import Path

import pytest

from model.errors import CommandError, HostError, KeyRefusedError
from remote.mother.process import Completed
from remote.ssh import commands as argv
from remote.ssh import connection as ssh
from remote.ssh.connection import Connection
from remote.ssh.ssh_files import SshFiles


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


def test_a_failure_stands_for_who_doubts_the_connection(connection: Connection, tried: list[str]) -> None:
    """Who holds a lock there looks again and again: that others have just tried in vain stays known."""
    with pytest.raises(HostError):
        connection.open()
    connection.doubt()
    with pytest.raises(HostError, match="hive0: ssh: No route to host"):
        connection.open()

    assert len(tried) == 1


@pytest.mark.parametrize("forget", [Connection.close, Connection.renew])
def test_a_host_made_anew_is_tried_again(connection: Connection, tried: list[str], forget: object) -> None:
    """A failure of the former host says nothing of the new one."""
    assert callable(forget)
    with pytest.raises(HostError):
        connection.open()
    forget(connection)
    with pytest.raises(HostError):
        connection.open()

    assert len(tried) == 2


def test_a_key_that_is_refused_is_said_as_that(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which key, and the way back in; to each who asks. A key that ssh can't read is another fault."""
    said = "skep@10.0.0.1: Permission denied (publickey)."
    lines = [said]
    monkeypatch.setattr(ssh, "run_ssh", lambda words, **_: Completed(tuple(words), 255, lines=tuple(lines)))
    path = connection._files.key.with_name("key.pub")
    path.write_text("ssh-ed25519 AAAAkey0 test\n")
    key = connection._files.own_key
    assert key is not None
    for _ in range(2):
        with pytest.raises(KeyRefusedError) as caught:
            connection.open()

        assert caught.value.reason.startswith(f"hive0 refuses this checkout's key ({key.fingerprint}, ")
        assert f"run: doit authorize 'ssh-ed25519 AAAAkey0 skep:{key.name}'" in str(caught.value)

    lines = [f'Load key "{connection._files.key}": Permission denied', said]
    connection.close()
    with pytest.raises(HostError, match=r"hive0: ssh: skep@10\.0\.0\.1: Permission denied"):
        connection.open()


@pytest.mark.parametrize(
    ("first", "problem"),
    [
        ("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @", "has another host key than before"),
        (
            "No ED25519 host key is known for hive0 and you have requested strict checking.",
            "has a host key that is not known",
        ),
    ],
)
def test_a_host_key_that_is_not_accepted_is_said_as_that(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, first: str, problem: str
) -> None:
    """Its task in build_infra runs then: the provider knows the new key, or says what to do."""
    lines = (first, "Host key verification failed.")
    monkeypatch.setattr(ssh, "run_ssh", lambda words, **_: Completed(tuple(words), 255, lines=lines))

    with pytest.raises(KeyRefusedError) as caught:
        connection.open()

    assert caught.value.reason == f"hive0 {problem}"
    assert f"ssh -F {connection._files.config} hive0" in caught.value.remedy


@pytest.fixture
def shell(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Return a connection whose commands are run by a shell on this machine."""
    monkeypatch.setattr(Connection, "open", lambda _: None)
    monkeypatch.setattr(argv, "ssh_command", lambda *words: ["sh", "-c", words[-1]])
    return connection


def test_a_warning_is_no_part_of_what_is_returned(shell: Connection) -> None:
    """Only the standard output is returned; both are logged line by line, the last one without an end too."""
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
