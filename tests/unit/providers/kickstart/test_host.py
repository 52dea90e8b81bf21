"""Hosts that are installed: how long each is waited for."""

from pathlib import Path

import pytest

from model import site as types
from model.errors import ProviderError
from model.secrets.secret import Secret
from model.stage import Stage
from providers.kickstart import host as module
from providers.kickstart.host import KickstartHosts
from providers.kickstart.host_keys import HostKeyStore, Kept
from providers.kickstart.provider import KickstartProvider
from remote.ssh.login import Answer
from remote.ssh.ssh_files import SshFiles
from tests.doubles.managers import quiet

CHANGED = "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed."
UNKNOWN = "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed."


def ensured(directory: Path, monkeypatch: pytest.MonkeyPatch, kept: Kept, said: str) -> str:
    """Return why hive0 is not taken over, whose ssh answers so to each log-in."""
    table = types.KickstartStage(
        cidr="192.0.2.0/24",
        ip_address_list=["192.0.2.11", "192.0.2.12"],
        networks=[types.InstallNetwork(interface="ens3")],
        target="/dev/vda",
        install_timeout=0.001,
    )
    stage = Stage(types.Site(site="s.test", stages={"x": table}), "x", table)
    files = SshFiles(directory / "config", directory / "key", directory / "known_hosts", directory)
    store = HostKeyStore(directory / "install")
    store.write("hive0", kept)
    monkeypatch.setattr(KickstartHosts, "why_silent", lambda *_: "")
    monkeypatch.setattr(module, "log_in", lambda *_: Answer(255, "", said))
    with pytest.raises(ProviderError) as caught:
        KickstartHosts(table, files, store, Secret).ensure(stage.host("hive0"), quiet)
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "problem"),
    [(CHANGED, "has another host key than before"), (UNKNOWN, "has a host key that is not known")],
)
def test_a_host_with_another_host_key_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, problem: str
) -> None:
    """It answers, and no medium was made from which it could be in installation: to wait longer does not help."""
    message = ensured(tmp_path, monkeypatch, Kept("ssh-ed25519 AAAAown0"), said)

    assert message.startswith(f"hive0.s.test: 192.0.2.11 {problem}: ")
    assert f"copy {tmp_path}/install/hive0.json from there" in message
    assert "`doit forget build_infra:medium`" in message


def test_a_host_that_a_new_medium_waits_for_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its installation has ended, whatever answers there has another host key."""
    kept = Kept("ssh-ed25519 AAAAown0", "ssh-ed25519 AAAAmedium0", Secret("private"))

    assert "does not answer as installed within" in ensured(tmp_path, monkeypatch, kept, CHANGED)


def test_what_another_checkout_knows_is_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host key that came with the keys of CI is kept, unless this checkout knows one; no medium is recalled."""
    table = types.KickstartStage(
        cidr="192.0.2.0/24",
        ip_address_list=["192.0.2.11", "192.0.2.12"],
        networks=[types.InstallNetwork(interface="ens3")],
        target="/dev/vda",
    )
    stage = Stage(types.Site(site="s.test", stages={"x": table}), "x", table)
    state = tmp_path / "state" / "x"
    files = SshFiles(state / "config", state / "key", state / "known_hosts", tmp_path)
    provider = KickstartProvider(stage, files, state, Secret)
    store = HostKeyStore(state / "secrets" / "install")
    store.write("hive0", Kept("ssh-ed25519 AAAAmine"))

    provider.learn_host_keys({"hive0": ["ssh-ed25519 AAAAtheirs"], "hive1": ["ssh-ed25519 AAAAnew"]})

    assert store.read("hive0").current == "ssh-ed25519 AAAAmine"
    assert store.read("hive1").current == "ssh-ed25519 AAAAnew"
    monkeypatch.setattr(KickstartProvider, "is_installed", lambda *_: True)
    assert [one.name for one in provider.resources() if provider.may_recall(one)] == ["hive0", "hive1"]
