"""Provider azure, before Azure is asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from model.extras import AZURE
from model.stage import Stage
from providers.azure.provider import AzureProvider
from remote.ssh.ssh_files import SshFiles
from tests.doubles.azure.cloud import stage_of


def provider_of(stage: Stage) -> AzureProvider:
    """Return its provider."""
    here = Path("nowhere")
    return AzureProvider(stage, SshFiles(here, here, here, here))


def test_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the extra, where it can't be installed, is told in one line how to get it."""
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    [said] = provider_of(stage_of()).check()

    assert said == f"provider azure needs Azure's SDK: install it with `{AZURE.command}`"


@pytest.mark.slow
def test_the_sdk_is_not_imported_for_a_list() -> None:
    """What a stage wants is known without Azure's SDK."""
    code = "import sys, providers.azure.provider; sys.exit('azure' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_hosts_go_round_the_zones_and_need_what_they_are_made_in() -> None:
    """Hosts are in the zones in turn; each needs subnet and firewall, and its public address where it has one."""
    stage = stage_of(number_of_hosts=4, public_addresses=["hive0"])
    needs = {resource.name: resource.needs for resource in provider_of(stage).resources()}

    assert [stage.location(host).zone for host in stage.hosts] == ["1", "2", "3", "1"]
    assert needs["hive0"] == ("network", "subnet.subnet0", "firewall", "address.hive0")
    assert needs["hive1"] == ("network", "subnet.subnet0", "firewall")
    assert [stage_of(available_zones=[""]).location(host).zone for host in stage.hosts] == [""] * 4
