"""`doit keys`: what is used and who is let in; the line for CI is printed once, kept nowhere, and read back."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.keys import KeysCommand
from model.errors import HostError
from model.keys.authorized_key import AuthorizedKey, parse_keys
from model.keys.exported_keys import ExportedKeys
from model.secrets.secret import Secret
from remote.ssh.connection import Connection
from tasks.hosts import let_in_keys
from tasks.run import log_in_key
from tasks.run.context import Run
from tasks.run.open import new_run
from tests import made as rig
from tests.made import Made
from tests.unit.commands.test_halt import Loader
from tests.unit.ssh_keys import made_key


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return so."""
        return True


class Machines:
    """The hosts, by their `authorized_keys`; some are silent."""

    def __init__(self) -> None:
        self.keys: dict[str, list[AuthorizedKey]] = {}
        self.silent: set[str] = set()

    def script(self, connection: Connection, text: str, **_: Any) -> str:
        """Let in, or take out."""
        if connection.name in self.silent:
            raise HostError(f"{connection.name}: no answer")
        held = self.keys.setdefault(connection.name, [])
        lines = [line.partition("=")[2].strip("'") for line in text.splitlines() if line.startswith("AUTH")]
        held += parse_keys(lines)
        if "BLOBS=" in text:
            held[:] = [key for key in held if key.blob not in text]
        return "".join(f"{key.line}\n" for key in held)


@pytest.fixture
def site(tmp_path: Path) -> Made:
    """Give a stage that is made."""
    made = rig.new(tmp_path)
    made.make()
    key = made.run().connections.files.key
    key.unlink()
    key.with_suffix(".pub").unlink()
    made_key(key)
    return made


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Give its hosts."""
    found = Machines()
    monkeypatch.setattr(Connection, "script", lambda connection, text, **_: found.script(connection, text))
    return found


def keys(run: Run, *words: str) -> tuple[int, str]:
    """Run `doit keys`, and return its exit status and its own output."""
    command = KeysCommand(task_loader=Loader(run), bin_name="doit")
    command.outstream = out = io.StringIO()
    return command.execute({}, words), out.getvalue()


def exported(run: Run, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the line that an export prints."""
    capsys.readouterr()
    assert keys(run, "export", *words) == (0, "")
    return capsys.readouterr().out


def test_an_export_is_one_line_of_a_new_key(
    site: Made, machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key is let in on all hosts by its name, is another each time, and is in no file."""
    run = site.run()

    line = exported(run, capsys)

    assert line.count("\n") == 1
    made = ExportedKeys.from_line(line, "x", "example", "private")
    assert {name: [f"{key.who} {key.public}" for key in held] for name, held in machines.keys.items()} == {
        f"hive{n}": [f"ci {made.public}"] for n in range(3)
    }
    assert exported(run, capsys, "ci@other") != line
    body = made.private_key.reveal().splitlines()[3]
    texts = [path.read_text() for path in site.directory.rglob("*") if path.is_file()]
    assert not [text for text in texts if body in text or line.strip() in text]
    assert run.secrets.redact(f"a {line.strip()} b") == "a [redacted] b"


def test_where_a_host_is_silent_nothing_is_exported(
    site: Made, machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    """CI could not work there: the new key is taken out where it was let in, and the message says what to do."""
    machines.silent = {"hive1"}

    with pytest.raises(InvalidCommand, match="not every host lets the new key in"):
        keys(site.run(), "export")

    said = capsys.readouterr()
    assert said.out == ""
    assert "hive1: no answer" in said.err
    assert [held for held in machines.keys.values() if held] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "a b"), "NAME has letters"),
        (("export", "a", "b"), "type `doit keys`"),
        (("imprt",), "type `doit keys`"),
        (("import", "file"), "type `doit keys`"),
    ],
)
def test_other_words_are_refused(site: Made, words: tuple[str, ...], said: str) -> None:
    """With what to type."""
    with pytest.raises(InvalidCommand, match=said):
        keys(site.run(), *words)


def test_a_terminal_is_warned(
    site: Made, machines: Machines, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It keeps what it shows; the line is printed all the same."""
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)

    assert keys(site.run(), "export")[0] == 0

    assert screen.getvalue().startswith("skep:1:")
    assert "warning: a private key is printed on this terminal" in capsys.readouterr().err
    assert len(machines.keys) == 3


def test_a_file_becomes_its_owners_alone(
    site: Made, machines: Machines, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A shell that redirects makes a file that others may read."""
    path = tmp_path_factory.mktemp("out") / "keys"
    path.touch(0o644)
    with path.open("w") as file:
        monkeypatch.setattr("sys.stdout", file)
        assert keys(site.run(), "export")[0] == 0

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("skep:1:")
    assert len(machines.keys) == 3


def test_a_line_that_nobody_reads_lets_nobody_in(
    site: Made, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where `gh` is not there, or not logged in: the key goes out again, and the message says what to look at."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        with pytest.raises(
            InvalidCommand, match=r"could not be written \(.*\), so the new key is taken out"
        ) as caught:
            keys(site.run(), "export")

    assert "skep:1:" not in str(caught.value)
    assert len(machines.keys) == 3
    assert [held for held in machines.keys.values() if held] == []


@pytest.fixture
def line(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a line with the key of CI, and a host's key."""
    path = tmp_path_factory.mktemp("ci") / "key"
    made_key(path)
    given = ExportedKeys(
        "example", "private", Secret(path.read_text()), {"p-hive0.example": ["ssh-ed25519 AAAAhost"]}
    )
    return given.line().reveal()


def test_an_import_makes_it_this_checkouts_key(
    site: Made, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is none; another one is never replaced, as it may be the only one that is let in."""
    run = site.run()
    private = run.connections.files.key
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\n"))
    with pytest.raises(InvalidCommand, match=f"keys import: {private} is there"):
        keys(run, "import")
    private.unlink()
    private.with_suffix(".pub").unlink()

    for _ in range(2):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\n"))
        assert keys(run, "import") == (0, f"this checkout's key is now {private}\n")

    given = ExportedKeys.from_line(line, "x", "example", "private")
    assert private.read_text() == given.private_key.reveal()
    assert private.stat().st_mode & 0o777 == 0o600
    own = site.run().connections.files.own_key
    assert own is not None
    assert own.public == given.public
    assert "p-hive0.example ssh-ed25519 AAAAhost" in run.connections.files.known_hosts.read_text()
    for data in (b"hello", b"\xff\xfe\x00"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        with pytest.raises(
            InvalidCommand, match="keys import: standard input: is not what doit keys export prints"
        ):
            keys(run, "import")


def test_a_run_uses_the_keys_of_the_environment(site: Made, line: str) -> None:
    """Before the checkout's own; ssh reads them from a file that is nobody else's, and no log shows them."""
    run = new_run(site.directory, site.run().stage, site.run().state, captured_env={"SKEP_KEYS": f"{line}\n"})
    log_in_key.settle(run, {"SKEP_KEYS": f"{line}\n"})
    files = run.connections.files
    given = ExportedKeys.from_line(line, "x", "example", "private")

    assert files.own_key is not None
    assert files.own_key.public == given.public
    assert files.key.read_text() == given.private_key.reveal()
    assert files.key.stat().st_mode & 0o777 == 0o600
    assert files.key.parent == run.state.root / "secrets"
    assert run.secrets.redact(f"<{line}>{given.private_key.reveal()}").strip() == "<[redacted]>[redacted]"
    later = site.run().connections.files.own_key
    assert later is not None
    assert later.public != given.public, "without the variable it is not used"


def test_it_says_what_is_used_and_who_is_let_in(site: Made) -> None:
    """The key with its fingerprint and file; then all, as a run last saw them."""
    run = site.run()
    own = run.connections.files.own_key
    assert own is not None
    let_in_keys.note(run, {"hive0": (own,)})

    status, said = keys(run)

    assert status == 0
    assert said.splitlines()[0] == (
        f"logs in with the key of this checkout: {own.fingerprint}, {run.connections.files.key}"
    )
    assert own.name in said
