"""Vagrant's machines as they are listed: with what has to be changed in place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from model import site as types
from model.keys.digest import key_of
from model.secrets.secret import Secret
from model.stage import Stage
from providers.vagrant.machines import GONE, RUNNING, MachineFacts
from providers.vagrant.provider import VagrantProvider
from remote.ssh.ssh_files import SshFiles

Made = Callable[[int], VagrantProvider]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a function that gives the provider of a stage whose hosts are to have so much memory."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def provider(memory_size: int) -> VagrantProvider:
        table = types.VagrantStage(cidr="10.231.9.0/24", number_of_hosts=3, memory_size=memory_size)
        stage = Stage(types.Site(site="v.test", stages={"p": table}), "p", table)
        files = SshFiles(tmp_path, tmp_path, tmp_path, tmp_path)
        return VagrantProvider(stage, files, tmp_path / "state" / "p", lambda _name: Secret("none is read"))

    return provider


def test_other_settings_are_a_drift(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan in a fresh clone takes no such machine for one that is as wanted: to ensure it would restart it."""
    before, provider = made(1024), made(2048)
    settings = {resource.name: key_of(resource.settings) for resource in before.resources()}
    kept = {
        "hive0": MachineFacts("k", settings["hive0"], ("ssh-ed25519 AAAA",)),
        "hive1": MachineFacts("k"),
        "old": None,
    }
    for one in (before, provider):
        monkeypatch.setattr(one._machines, "states", lambda: {**dict.fromkeys(kept, RUNNING), "hive2": GONE})
        monkeypatch.setattr(one._machines, "kept", lambda short: kept[short])
        monkeypatch.setattr(one._machines, "id_of", lambda short: short)

    assert {short: thing.drift for short, thing in provider.found().items()} == {
        "hive0": "hive0 has other settings than site.toml says",
        "hive1": "",  # it has not been up with any
        "old": "",  # it is not in site.toml
    }
    assert before.found()["hive0"].drift == ""
