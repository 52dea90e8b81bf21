"""Secrets from the environment, from files and from commands."""

import os
import sys
from pathlib import Path

import pytest

from model.errors import ConfigError
from model.keys.digest import differences
from model.secrets.secret import BinarySecret, Secret
from model.site import SecretSource
from model.site_file.load import load, select
from tasks.explain.status import UP_TO_DATE
from tasks.run.open import open_run
from tasks.run.secret_sources import Sources, take
from tests import made as rig
from tests.made import Made

SECRET = "correct-horse"


def printed(directory: Path, command: str | list[str]) -> str:
    """Return what a command gives."""
    source = SecretSource(command=command)
    return Sources(directory, {}).read("key", source, asks=True).reveal()


def refused(directory: Path, source: SecretSource) -> str:
    """Return what is said of a secret that can't be had."""
    with pytest.raises(ConfigError) as refusal:
        Sources(directory, {}).read("key", source, asks=True)
    return str(refusal.value)


# -- texts and bytes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"correct\n", "correct"),
        (b"correct\r\n", "correct"),
        (b"correct\n\n", "correct\n"),
        (b"one\r\ntwo\r\n", "one\r\ntwo"),
        (b"\xef\xbb\xbfcorrect\n", "correct"),
        (b" correct ", " correct "),
        ("pässword\n".encode(), "pässword"),
    ],
)
@pytest.mark.parametrize("of_command", [True, False])
def test_a_text_has_no_mark_and_no_line_break_at_its_end(
    tmp_path: Path, data: bytes, text: str, *, of_command: bool
) -> None:
    """Editors and commands add them, Windows' among them; line breaks within it stay as they are."""
    (tmp_path / "key").write_bytes(data)
    source = SecretSource(command=["cat", "key"]) if of_command else SecretSource(file="key")

    found = Sources(tmp_path, {}).read("key", source, asks=True)

    assert found.reveal() == text
    assert found.data == text.encode()


@pytest.mark.parametrize("of_command", [True, False])
def test_what_is_no_text_stays_byte_by_byte(tmp_path: Path, *, of_command: bool) -> None:
    """A keystore is a secret as well; where a text is wanted, the message says what it can be."""
    data = bytes(range(256)) + b"\n"
    (tmp_path / "key").write_bytes(data)
    source = SecretSource(command=["cat", "key"]) if of_command else SecretSource(file="key")
    found = Sources(tmp_path, {}).read("key", source, asks=True)

    assert found.data == data
    assert str(found) == repr(found) == "[redacted]"
    assert found == BinarySecret(data, "")
    assert found.fingerprint(b"k") != BinarySecret(data[:-1], "").fingerprint(b"k")
    with pytest.raises(
        ConfigError, match=r"secrets\.key: is not text, so it can only be a file: in secrets of"
    ):
        found.reveal()


@pytest.mark.parametrize("data", [b"a text\n", b"\xef\xbb\xbfx\r\n", b"a\0b\n"])
def test_binary_takes_nothing_away(tmp_path: Path, data: bytes) -> None:
    """For a file whose every byte counts, and that may look like a text."""
    (tmp_path / "key").write_bytes(data)

    assert Sources(tmp_path, {}).read("key", SecretSource(file="key", binary=True), asks=True).data == data


def test_utf_16_is_no_password(tmp_path: Path) -> None:
    """PowerShell writes it; a service would get the zeros in it as well."""
    (tmp_path / "key").write_bytes("correct-horse".encode("utf-16"))

    said = refused(tmp_path, SecretSource(file="key"))

    assert said.startswith(f"secrets.key: {tmp_path}/key: is UTF-16: save it as UTF-8, or set binary = true")
    assert SECRET not in said


@pytest.mark.parametrize("data", [b"\xff\xfe\x00\x01\x02\x03\x80", b"\xfe\xff\xd8\x00", b"\xff\xfe\x01\x00"])
def test_any_bytes_may_begin_like_utf_16(tmp_path: Path, data: bytes) -> None:
    """A keystore is one that is no text of it."""
    (tmp_path / "key").write_bytes(data)

    assert Sources(tmp_path, {}).read("key", SecretSource(file="key"), asks=True).data == data


def test_blank_is_no_secret(tmp_path: Path) -> None:
    """A text of spaces or line breaks could not be kept out of logs, and is meant by nobody."""
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf \t\r\n\n")

    for source in (SecretSource(file="key"), SecretSource(command="cat key")):
        assert refused(tmp_path, source).endswith(": is empty")


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A pipe would be waited for, and a device may never end."""
    os.mkfifo(tmp_path / "key")

    assert refused(tmp_path, SecretSource(file="key")) == (
        f"secrets.key: {tmp_path}/key: is a pipe or a device, and not a file"
    )
    assert refused(tmp_path, SecretSource(file="/dev/zero")).endswith("is a pipe or a device, and not a file")
    assert refused(tmp_path, SecretSource(file=".")).endswith("Is a directory")


def test_a_command_that_prints_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended when it has printed more than any secret has, before the memory is full."""
    monkeypatch.setattr("tasks.run.secret_sources.LARGEST", 100_000)

    said = refused(tmp_path, SecretSource(command=["cat", "/dev/zero"]))

    assert said == "secrets.key.command: prints more than 100000 bytes, which is no secret"


@pytest.mark.parametrize(("value", "data"), [("\udcff\udcfe", b"\xff\xfe"), (" x\r", b" x\r")])
def test_a_variable_is_taken_as_it_is(tmp_path: Path, value: str, data: bytes) -> None:
    """Nothing is removed from it, and it may be no UTF-8."""
    assert Sources(tmp_path, {"KEY": value}).read("key", SecretSource(env="KEY"), asks=True).data == data


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    """Twenty gigabytes of zeros would take the memory of the machine."""
    with (tmp_path / "key").open("wb") as file:
        file.truncate(20 * 2**30)

    assert refused(tmp_path, SecretSource(file="key")).endswith("has 21474836480 bytes, which is no secret")


# -- commands ----------------------------------------------------------------------------------------------------------


def test_a_command_is_words_or_for_the_shell(tmp_path: Path) -> None:
    """It is run in the site's directory; the last line break alone is left out."""
    (tmp_path / "key").write_text("one\ntwo\n\n")

    assert printed(tmp_path, ["cat", "key"]) == "one\ntwo\n"
    assert printed(tmp_path, "head -n 1 key | tr a-z A-Z") == "ONE"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"echo {SECRET}; echo {SECRET} >&2; exit 3", "exit status 3; type it in {} to see why"),
        ("printf ''", "is empty"),
        (["./not-there", "key"], "./not-there: No such file or directory"),
    ],
)
def test_a_command_that_fails(tmp_path: Path, command: str | list[str], said: str) -> None:
    """The message has the path and the way out, and nothing of what was printed."""
    found = refused(tmp_path, SecretSource(command=command))

    assert found == f"secrets.key.command: {said.format(tmp_path)}"


def test_a_command_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and what it had printed is in no message."""
    monkeypatch.setattr("tasks.run.secret_sources.COMMAND_TIMEOUT", 0.3)
    command = [sys.executable, "-c", f"import time; print('{SECRET}', flush=True); time.sleep(60)"]

    assert "no end after 0.3 s" in refused(tmp_path, SecretSource(command=command))


@pytest.mark.parametrize("end", ["", "; exit 1"])
def test_a_command_is_run_once(tmp_path: Path, end: str) -> None:
    """What it printed, or that it failed, is kept for the run."""
    sources, source = Sources(tmp_path, {}), SecretSource(command=f"echo x | tee -a runs{end}")
    for _ in range(3):
        try:
            sources.read("key", source, asks=True)
        except ConfigError:
            assert end

    assert (tmp_path / "runs").read_text() == "x\n"
    if not end:
        assert sources.read("key", source, asks=False) == Secret("x")


def test_nothing_is_run_unasked(tmp_path: Path) -> None:
    """Where it is not to be run there is a secret of which nothing is known, and which nobody can use."""
    source = SecretSource(command="touch ran; echo x")
    found = Sources(tmp_path, {}).read("key", source, asks=False)

    assert (found.fingerprint(b"pepper"), str(found)) == ("hmac:unasked", "[redacted]")
    with pytest.raises(TypeError):
        found.reveal()
    assert not (tmp_path / "ran").exists()


# -- the environment ---------------------------------------------------------------------------------------------------

SITE = """
site = "example"
[stages.private]
provider = "PROVIDER"
cidr = "10.0.0.0/24"
[secrets]
token = { env = "AWS_TOKEN" }
other = { env = "NOT_THERE" }
"""


@pytest.mark.parametrize(("provider", "left"), [("docker", {"PATH": "/bin"}), ("aws", None)])
def test_secrets_leave_the_environment(tmp_path: Path, provider: str, left: dict[str, str] | None) -> None:
    """No process that is started inherits them; only what the provider's own SDK reads stays for it."""
    text = SITE.replace("PROVIDER", provider)
    if provider == "aws":
        text = text.replace(
            'cidr = "10.0.0.0/24"',
            'cidr = "10.0.0.0/24"\nregion = "eu-central-1"\ninstance_type = "t3.small"',
        )
    (tmp_path / "site.toml").write_text(text)
    environment = {"AWS_TOKEN": SECRET, "PATH": "/bin", "SKEP_KEYS": "skep:1:x:y"}

    taken = take(select(load(tmp_path / "site.toml"), None), environment)

    assert taken == {"AWS_TOKEN": SECRET, "SKEP_KEYS": "skep:1:x:y"}
    assert environment == (left or {"AWS_TOKEN": SECRET, "PATH": "/bin"})


def test_a_run_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doit's own environment is without them from the beginning; the run has them."""
    (tmp_path / "site.toml").write_text(SITE.replace("PROVIDER", "docker"))
    monkeypatch.setattr("doit.get_initial_workdir", lambda: str(tmp_path))
    monkeypatch.setattr("doit.doit_cmd._CMDLINE_VARS", {})
    monkeypatch.setenv("AWS_TOKEN", SECRET)

    run = open_run()

    assert "AWS_TOKEN" not in os.environ
    assert run.secrets.read("token") == Secret(SECRET)


# -- what is stale -----------------------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made, whose secret a command prints; a variable and a template have it, too."""
    site = rig.new(tmp_path)
    site.edit("password = { generate = 24 }", 'password = { command = "echo x >>runs; cat key" }')
    site.edit('GREETING = "hello"', "GREETING = \"{{ secrets.password.split('-')[1] }}\"")
    site.edit('initialize_roles = ["first"]', '[[services.web.initialize_roles]]\nrole = "first"')
    path = tmp_path / "site.toml"
    path.write_text(path.read_text() + 'vars = { KEY = "{{ secrets.password }}" }\n')
    (tmp_path / "key").write_text(SECRET)
    site.make()
    (tmp_path / "runs").unlink()
    return site


def stale(made: Made, *, asks: bool) -> set[str]:
    """Return what is stale."""
    run = made.run()
    run.secrets.may_run_commands = asks
    table = made.table_of(run)
    return {name for name in table.names if table[name].status != UP_TO_DATE}


def test_what_was_not_asked_for_is_no_difference(made: Made) -> None:
    """`doit list` and `doit why` take another content for none; a run and the plan ask, once, and see it."""
    assert stale(made, asks=False) == stale(made, asks=True) == set()
    assert (made.directory / "runs").read_text() == "x\n"
    (made.directory / "key").write_text("another-battery")

    assert stale(made, asks=False) == set()
    assert stale(made, asks=True) == {
        "deploy_services:secret.password",
        "deploy_services:web",
        "initialize_services:web.first",
    }


def test_a_definition_is_compared_all_the_same(made: Made) -> None:
    """A service that gets another secret is stale, though neither was asked for."""
    made.edit("[secrets]\n", '[secrets]\nother = { command = "cat key" }\n')
    made.edit('secrets = ["password"]', 'secrets = ["other"]')

    assert stale(made, asks=False) >= {"deploy_services:web", "deploy_services:secret.other"}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("hmac:12", "hmac:unasked", True),
        ("plain", "hmac:unasked", False),
        ('"key-0123456789ab"', '"key-unasked"', True),
        ('"other-0123456789ab"', '"key-unasked"', False),
    ],
)
def test_unasked_inputs(old: str, new: str, same: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """What may be the same is no difference; what can't be is one."""
    assert (differences({"secret.key": old}, {"secret.key": new}) == []) is same


def test_only_what_is_named_by_content_may_end_so() -> None:
    """A value of a person's own is compared as it is."""
    assert differences({"service.user": '"a-b"'}, {"service.user": '"a-unasked"'})
