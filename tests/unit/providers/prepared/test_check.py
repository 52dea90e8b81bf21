"""Problems that would keep a stage's hosts from being used, as far as nobody has to log in."""

from pathlib import Path
from typing import Any

import pytest

from model import site as types
from model.secrets.secret import Secret
from model.site import PreparedHost
from model.stage import Stage
from providers.prepared.provider import PreparedProvider
from remote.ssh.ssh_files import SshFiles


def a_provider(directory: Path, **config: Any) -> PreparedProvider:
    """Return the provider of two prepared hosts."""
    table = types.PreparedStage(**{"cidr": "10.9.8.0/24", "number_of_hosts": 2, **config})
    stage = Stage(types.Site(site="s.test", stages={"production": table}), "production", table)
    files = SshFiles(directory / "config", directory / "key", directory / "known_hosts", directory)
    return PreparedProvider(stage, files, directory, Secret)


class TestCheck:
    """Problems that show without logging in."""

    @pytest.fixture(autouse=True)
    def _nobody_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let every host be reachable."""
        monkeypatch.setattr("providers.prepared.check._unreachable", lambda *_: "")

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
