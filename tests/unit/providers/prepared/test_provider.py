"""The pure parts of the prepared provider: what is wanted, and how ssh is told to log in."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from model import site as types
from model.secrets.secret import Secret
from model.site import PreparedHost
from model.stage import Stage
from providers.prepared.provider import _AS_SUDOER, PreparedProvider, _askpass
from remote.ssh.files import SshFiles


def a_provider(directory: Path, **config: Any) -> PreparedProvider:
    """Return the provider of two prepared hosts."""
    table = types.PreparedStage(**{"cidr": "10.9.8.0/24", "number_of_hosts": 2, **config})
    stage = Stage(types.Site(site="s.test", stages={"production": table}), "production", table)
    files = SshFiles(directory / "config", directory / "key", directory / "known_hosts", directory)
    return PreparedProvider(stage, files, directory, Secret)


def keys(provider: PreparedProvider) -> list[str]:
    """Return the keys of the hosts."""
    return [resource.key for resource in provider.resources()]


class TestResources:
    """What a prepared stage wants."""

    def test_what_differs_at_one_host_counts_for_it_alone(self, tmp_path: Path) -> None:
        """Another port of one host makes that host stale, and no other."""
        before, after = (
            keys(a_provider(tmp_path)),
            keys(a_provider(tmp_path, hosts={"hive0": PreparedHost(ssh_port=23)})),
        )

        assert before[0] != after[0]
        assert before[1] == after[1]

    def test_how_to_log_in_the_first_time_does_not_count(self, tmp_path: Path) -> None:
        """A host that lets the stage's key in is not stale because of another password."""
        assert keys(a_provider(tmp_path)) == keys(a_provider(tmp_path, user="person", root_password="x"))

    def test_where_it_answers(self, tmp_path: Path) -> None:
        """A host's own address and port come before the stage's port and the address."""
        provider = a_provider(
            tmp_path, ssh_port=2222, hosts={"hive1": PreparedHost(ssh_host="gate.example", ssh_port=23)}
        )
        inputs = [resource.inputs for resource in provider.resources()]

        assert [(i["ssh_host"], i["ssh_port"]) for i in inputs] == [
            ("10.9.8.10", "2222"),
            ("gate.example", "23"),
        ]


class TestCheck:
    """What can be seen without logging in."""

    @pytest.fixture(autouse=True)
    def _nobody_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let every host be reachable."""
        monkeypatch.setattr(PreparedProvider, "_unreachable", lambda *_: "")

    def test_private_key(self, tmp_path: Path) -> None:
        """A key that is not there, or that ssh would refuse, is said before anything is done."""
        key = tmp_path / "id"
        assert "no file that you can read" in a_provider(tmp_path, private_key=str(key)).check()[0]
        key.write_text("")
        key.chmod(0o644)
        assert f"chmod 600 {key}" in a_provider(tmp_path, private_key=str(key)).check()[0]
        key.chmod(0o600)
        assert a_provider(tmp_path, private_key=str(key)).check() == []

    def test_unknown_host(self, tmp_path: Path) -> None:
        """A table for a host that the stage does not have is a mistake."""
        said = a_provider(tmp_path, hosts={"hive7": PreparedHost()}).check()

        assert said == ["stages.production.hosts.hive7: the stage has no such host"]


class TestPassword:
    """How the password of the first log-in reaches ssh and sudo."""

    def test_askpass(self) -> None:
        """The helper prints the password as it is; it is in no file and not in our own environment."""
        password = "a 'b\" $c \\d"
        with _askpass(Secret(password)) as env:
            helper = Path(env["SSH_ASKPASS"])
            said = subprocess.run([str(helper)], env=env, capture_output=True, text=True, check=True).stdout

            assert said == f"{password}\n"
            assert password not in helper.read_text()
        assert not helper.exists()
        assert "SKEP_ASKPASS" not in os.environ

    @pytest.mark.parametrize("asks", [True, False])
    def test_a_password_for_sudo_is_never_run(self, tmp_path: Path, *, asks: bool) -> None:
        """Whether sudo asks or not, the first line of the input is the password and the rest is the script."""
        sudo = tmp_path / "sudo"
        test = (
            "[ $1 = -n ] && exit 1; read -r said; shift 4"
            if asks
            else "said=; [ $2 = true ] && exit 0; shift"
        )
        sudo.write_text(f'#!/bin/sh\n{test}\nPASSWORD=$said exec "$@"\n')
        sudo.chmod(0o755)
        done = subprocess.run(
            ["sh", "-c", _AS_SUDOER],
            input='touch ran\necho "said $PASSWORD"\n',
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stdout == f"said {'touch ran' if asks else ''}\n"
        assert not (tmp_path / "ran").exists()
