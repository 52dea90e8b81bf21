"""The table of providers."""

from pathlib import Path

import pytest

from model import site as types
from model.errors import ConfigError
from model.stage import Stage
from providers import PROVIDERS, create
from remote.ssh.ssh_files import SshFiles


def files(directory: Path) -> SshFiles:
    """Return ssh files that are not there."""
    return SshFiles(directory / "config", directory / "key", directory / "known_hosts", directory)


def test_every_provider_can_be_made(tmp_path: Path) -> None:
    """Each name in the table is the provider of that name, and making one opens nothing."""
    tables: dict[str, types.Stage] = {
        "docker": types.DockerStage(),
        "prepared": types.PreparedStage(),
        "vagrant": types.VagrantStage(),
        "aws": types.AwsStage(region="eu-central-1", instance_type="t3.small", cidr="10.0.0.0/16"),
        "azure": types.AzureStage(region="westeurope", instance_type="Standard_B2s", cidr="10.0.0.0/16"),
        "gcp": types.GcpStage(region="europe-west3", instance_type="e2-medium", cidr="10.0.0.0/16"),
        "kickstart": types.KickstartStage(
            networks=[types.InstallNetwork(interface="eth0")], target="/dev/sda"
        ),
        "openstack": types.OpenStackStage(instance_type="m1.small", cidr="10.0.0.0/16"),
    }
    for name, table in tables.items():
        stage = Stage(types.Site(site="s.test", stages={"x": table}), "x", table)

        assert (
            create(stage, files(tmp_path), tmp_path, lambda _: pytest.fail("no secret is asked for")).name
            == name
        )
    assert tables.keys() == PROVIDERS.keys()


def test_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not in the table is refused with the names that are."""
    monkeypatch.delitem(PROVIDERS, "docker")

    there = ", ".join(sorted(PROVIDERS))
    table = types.DockerStage()
    stage = Stage(types.Site(site="s.test", stages={"private": table}), "private", table)
    with pytest.raises(ConfigError, match=rf"stages\.private\.provider: 'docker' is not one of {there}"):
        create(stage, files(tmp_path), tmp_path, lambda _: pytest.fail("no secret is asked for"))
