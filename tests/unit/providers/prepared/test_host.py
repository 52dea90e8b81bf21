"""The first log-in to a host that exists already."""

import os
import subprocess
from pathlib import Path

import pytest

from model.secrets.secret import Secret
from providers.prepared.host import _AS_SUDOER, askpass


class TestPassword:
    """How the password of the first log-in reaches ssh and sudo."""

    def testaskpass(self) -> None:
        """The helper prints the password as it is; it is in no file and not in our own environment."""
        password = "a 'b\" $c \\d"
        with askpass(Secret(password)) as env:
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
