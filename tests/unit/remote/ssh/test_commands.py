"""Command lines and options of ssh."""

import shutil
import subprocess
from pathlib import Path

import pytest

from model.keys.record import HostRecord
from remote.ssh.commands import ansible_ssh_args, ssh_command, ssh_login, with_any, with_key
from remote.ssh.ssh_files import SshFiles, write_ssh_files

RECORD = HostRecord(
    id="1", name="hive0.example.test", address="192.0.2.1", ssh_host="192.0.2.1", ssh_port=22, user="skep",
    host_keys=("ssh-ed25519 AAAA",),
)  # fmt: skip


def configured(words: list[str]) -> dict[str, str]:
    """Return the options of a command as ssh understands them."""
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
    said = configured(ssh_login(RECORD, files.known_hosts, with_key(files.key), "true"))

    for found in (written, said):
        # `ssh -G` shows them before they are expanded.
        assert found["identityfile"].strip('"').replace("%%", "%") == str(files.key)
        assert found["userknownhostsfile"].strip('"').replace("%%", "%") == str(files.known_hosts)
        assert found["identityfile"].count("%") == 2 * str(files.key).count("%")


class TestWithAny:
    """How ssh is told to log in with a person's means."""

    def test_key(self) -> None:
        """A key that is named is the only one tried, and nothing is asked."""
        options = with_any(Path("/k"), has_password=False)

        assert options["IdentityFile"] == "/k"
        assert options["PreferredAuthentications"] == "publickey"
        assert options["BatchMode"] == "yes"

    def test_password(self) -> None:
        """A password is tried once, without the keys that would use up sshd's patience."""
        options = with_any(None, has_password=True)

        assert options["PreferredAuthentications"] == "password,keyboard-interactive"
        assert options["NumberOfPasswordPrompts"] == "1"

    def test_nothing_said(self) -> None:
        """Otherwise ssh's own keys and agent are tried."""
        options = with_any(None, has_password=False)

        assert options == {"BatchMode": "yes", "PreferredAuthentications": "publickey"}


class TestLogin:
    """The command for logging in before the stage's ssh_config knows a host."""

    RECORD = HostRecord(name="h.test", id="", address="10.0.0.1", ssh_host="10.0.0.1", ssh_port=23)

    def test_is_all_there_is(self) -> None:
        """No configuration file of the person or the machine has a say."""
        words = ssh_login(self.RECORD, Path("/k h"), with_key(Path("/a key")), "true")

        assert words[:3] == ["ssh", "-F", "/dev/null"]
        assert words[-3:] == ["-T", "h.test", "true"]
        assert 'UserKnownHostsFile="/k h"' in words
        assert 'IdentityFile="/a key"' in words
        assert "Port=23" in words

    @pytest.mark.parametrize(("host_keys", "checking"), [((), "accept-new"), (("ssh-ed25519 A",), "yes")])
    def test_host_keys(self, host_keys: tuple[str, ...], checking: str) -> None:
        """A key that is known is demanded; else the first one is kept."""
        record = HostRecord(name="h", id="", address="a", ssh_host="a", host_keys=host_keys)

        assert f"StrictHostKeyChecking={checking}" in ssh_login(record, Path("k"), {}, "true")


def test_an_address_with_an_interface() -> None:
    """What follows a `%` is replaced by ssh, and two are one."""
    record = HostRecord(name="h", id="", address="fe80::1", ssh_host="fe80::1%eth0")

    asked = ["ssh", "-G", *ssh_login(record, Path("k"), {}, "true")[1:]]
    asked.remove("-T")
    said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout

    assert "\nhostname fe80::1%eth0\n" in said


def test_a_terminal() -> None:
    """A command has a terminal on its host where that is asked for, and otherwise none."""
    for terminal, word in ((False, "-T"), (True, "-t")):
        words = ssh_command(Path("/c"), Path("/s/hive0.ssh"), "hive0", "true", terminal=terminal)
        assert words == [
            "ssh",
            "-F",
            "/c",
            "-o",
            "ControlPath=/s/hive0.ssh",
            "-o",
            "ControlMaster=no",
            word,
            "hive0",
            "true",
        ]


def test_ansibles_own_connections() -> None:
    """They are never skep's shared one; a path with a blank stays one word."""
    assert ansible_ssh_args(Path("/a b/ssh_config")) == "-F '/a b/ssh_config' -o ControlPath=none"
