"""Hosts that are installed: how long each is waited for."""

from pathlib import Path

import pytest

from model import site as types
from model.errors import ProviderError
from model.keys.record import HostRecord
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


def a_provider(directory: Path) -> KickstartProvider:
    """Return the provider of two hosts."""
    table = types.KickstartStage(
        cidr="192.0.2.0/24",
        ip_address_list=["192.0.2.11", "192.0.2.12"],
        networks=[types.InstallNetwork(interface="ens3")],
        target="/dev/vda",
    )
    stage = Stage(types.Site(site="s.test", stages={"x": table}), "x", table)
    state = directory / "state" / "x"
    files = SshFiles(state / "config", state / "key", state / "known_hosts", directory)
    return KickstartProvider(stage, files, state, Secret)


def test_what_another_checkout_knows_is_learned(tmp_path: Path) -> None:
    """A host key that came with the keys of CI is kept, unless this checkout knows one."""
    provider = a_provider(tmp_path)
    store = HostKeyStore(tmp_path / "state" / "x" / "secrets" / "install")
    store.write("hive0", Kept("ssh-ed25519 AAAAmine"))

    provider.learn_host_keys({"hive0": ["ssh-ed25519 AAAAtheirs"], "hive1": ["ssh-ed25519 AAAAnew"]})

    assert store.read("hive0").current == "ssh-ed25519 AAAAmine"
    assert store.read("hive1").current == "ssh-ed25519 AAAAnew"


def test_a_plan_takes_no_host_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads back a host that was taken over and lets the key in; one that a medium waits for stays as it is."""
    provider = a_provider(tmp_path)
    store = HostKeyStore(tmp_path / "state" / "x" / "secrets" / "install")
    store.write("hive0", Kept("ssh-ed25519 AAAAown0"))
    store.write("hive1", Kept("", "ssh-ed25519 AAAAmedium1", Secret("private")))
    ran: list[str] = []

    def log_in(record: HostRecord, _key: Path, command: str) -> Answer:
        ran.append(f"{record.address}: {command}")
        return Answer(0, "machine-1\n", "")

    monkeypatch.setattr(KickstartHosts, "why_silent", lambda *_: "")
    monkeypatch.setattr(module, "log_in", log_in)
    hosts = [each for each in provider.resources() if each.is_host]

    found = [provider.recall(each) for each in hosts]

    assert [record.id for record in found if record is not None] == ["machine-1"]
    assert found[1] is None
    assert ran == ["192.0.2.11: sudo -n cat /etc/machine-id"]
    assert store.read("hive1").pending
