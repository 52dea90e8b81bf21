"""The copy of the stage's own secrets that the repository host keeps."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from model.errors import HostError
from model.secrets.stage_secrets import generate
from tasks.hosts.stage_vault import VAULT_FILE, copy_on
from tasks.run.vault import Vault
from tests import made as rig


@pytest.mark.parametrize("text", ["{", "sudo: unable to resolve host"])
def test_a_hosts_bad_copy_is_said_to_be_the_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """The message names the host and the file there, not the one here, which may be good or not be."""
    run = rig.new(tmp_path).run()
    good = Vault(generate("example", "private"), {}).to_bytes().decode()
    kept = [good, "", text]
    ssh = SimpleNamespace(script=lambda *_, **__: kept.pop(0))
    monkeypatch.setattr(run.connections, "to", lambda _host: ssh)
    host = run.stage.repository

    found = copy_on(run.connections, host, lambda _line: None)
    assert found is not None
    assert found.to_bytes().decode() == good
    assert copy_on(run.connections, host, lambda _line: None) is None
    with pytest.raises(
        HostError, match=f"^{host.short}: {VAULT_FILE}, the host's copy of the stage's secrets, can't"
    ):
        copy_on(run.connections, host, lambda _line: None)
