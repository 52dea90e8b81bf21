"""`doit authorize`: another checkout's key is let in on all hosts."""

import io
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.authorize import AuthorizeCommand, given_key
from model.errors import HostError
from model.keys.authorized_key import AuthorizedKey
from remote.ssh.connection import Connection
from tasks.hosts import let_in_keys
from tasks.run.context import Run
from tests import made as rig
from tests.unit.commands.test_halt import Loader
from tests.unit.ssh_keys import wire_key

KEY = AuthorizedKey("ssh-ed25519", "AAAAothr", "ci@runner")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Give the run of a stage that is made."""
    site = rig.new(tmp_path)
    site.make()
    return site.run()


def authorize(run: Run, *words: str) -> tuple[int, str]:
    """Run `doit authorize`, and return its exit status and its output."""
    command = AuthorizeCommand(task_loader=Loader(run), bin_name="doit")
    command.outstream = out = io.StringIO()
    return command.execute({}, words), out.getvalue()


def test_a_key_is_let_in_on_all_hosts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that do not answer are said, and the status is 1; who is in then is kept for `doit list`."""
    silent = {"hive1"}
    scripts: dict[str, str] = {}

    def script(connection: Connection, text: str, **_: Any) -> str:
        if connection.name in silent:
            raise HostError(f"{connection.name}: no answer")
        scripts[connection.name] = text
        return f"{KEY.line}\n"

    monkeypatch.setattr(Connection, "script", script)
    status, output = authorize(run, KEY.public, KEY.comment)

    assert status == 1
    assert "hive1: no answer" in output
    assert "hive0 lets ci@runner" in output
    assert scripts.keys() == {"hive0", "hive2"}
    assert all(f"{KEY.line}:20" in text for text in scripts.values()), "with the time of now"
    assert let_in_keys.recorded(run).keys() == {"hive0", "hive2"}
    silent.clear()

    status, output = authorize(run, KEY.line)

    assert status == 0
    assert f"{KEY.name} ({KEY.fingerprint}) is let in" in output


def test_the_key_may_be_in_a_file(run: Run, tmp_path: Path) -> None:
    """As beside the private one; relative to the site's directory."""
    (tmp_path / "ci.pub").write_text(f"{KEY.line}\n")

    assert given_key(run, ["ci.pub"]) == KEY
    assert given_key(run, [str(tmp_path / "ci.pub")]) == KEY


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no public ssh key; type: doit authorize 'ssh-ed25519"),
        (("missing.pub",), "missing.pub: No such file or directory; give a public ssh key or its file"),
        (("site.toml",), "site.toml: no public ssh key; type: doit authorize"),
    ],
)
def test_what_is_no_key(run: Run, words: tuple[str, ...], message: str) -> None:
    """No key, a file that is not there, a file without a key."""
    with pytest.raises(InvalidCommand) as caught:
        given_key(run, words)

    assert message in str(caught.value)


@pytest.mark.parametrize("options", ['from="10.0.0.1",restrict', 'command="echo hi"', "no-pty"])
def test_options_are_not_dropped_in_silence(run: Run, tmp_path: Path, options: str) -> None:
    """A key that a person restricts is not let in without that: the message has both ways out; a file is no other."""
    line = f"{options} {KEY.public} {KEY.who}"
    (tmp_path / "ci.pub").write_text(f"{line}\n")
    for words in (line.split(" "), ["ci.pub"]):
        with pytest.raises(InvalidCommand) as caught:
            given_key(run, words)
        message = str(caught.value)
        assert message.startswith(f"authorize: {options} before the key would be lost")
        assert f"doit authorize '{KEY.public} {KEY.who}'" in message
        assert "append the whole line to ~skep/.ssh/authorized_keys" in message


def test_an_operator_needs_no_letting_in(tmp_path: Path) -> None:
    """The next run lets in who is in site.toml; an entry of another kind would stay when the line goes."""
    ann = wire_key("ssh-ed25519", bytes(32))
    site = rig.new(tmp_path)
    site.make()
    with (tmp_path / "site.toml").open("a") as file:
        file.write(f'[operators]\nann = "{ann}"\n')

    with pytest.raises(InvalidCommand, match=r"is the key of ann, who is in \[operators\]"):
        authorize(site.run(), ann)
