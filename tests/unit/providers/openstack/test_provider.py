"""Provider openstack, before OpenStack is asked."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model import site as types
from model.extras import OPENSTACK
from model.labels import KEY_LABEL, NAME_LABEL
from model.stage import Stage
from providers.openstack.api import OpenStackApi
from providers.openstack.errors import OpenStackError
from providers.openstack.provider import OpenStackProvider
from remote.ssh.ssh_files import SshFiles
from tests.openstack.cloud import stage_of


def provider_of(stage: Stage) -> OpenStackProvider:
    """Return its provider."""
    here = Path("nowhere")
    return OpenStackProvider(stage, SshFiles(here, here, here, here))


def test_without_openstacksdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the extra, where it can't be installed, is told in one line how to get it."""
    monkeypatch.setitem(sys.modules, "openstack", None)
    [said] = provider_of(stage_of()).check()

    assert said == f"provider openstack needs openstacksdk: install it with `{OPENSTACK.command}`"


def test_the_sdk_is_not_imported_for_a_list() -> None:
    """What a stage wants is known without openstacksdk."""
    code = (
        "import sys, providers.openstack.provider;"
        "sys.exit('openstack' in sys.modules or 'keystoneauth1' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_hosts_need_what_they_are_made_in() -> None:
    """Each host needs network, subnet and firewall, and its floating IP only where it has one."""
    wanted = provider_of(stage_of(number_of_hosts=2, public_addresses=["hive0"])).resources()
    needs = {resource.name: resource.needs for resource in wanted}

    assert needs["hive0"] == ("network", "subnet.subnet0", "firewall", "address.hive0")
    assert needs["hive1"] == ("network", "subnet.subnet0", "firewall")
    assert "address.hive1" not in needs


def test_a_wrong_stage_is_refused() -> None:
    """A table of another provider is a caller's fault."""
    table = types.DockerStage(cidr="10.0.0.0/24")
    with pytest.raises(TypeError, match="not one of the openstack provider"):
        provider_of(Stage(types.Site(site="o.test", stages={"p": table}), "p", table))


@pytest.mark.parametrize("attached", [True, False])
def test_volumes_that_cant_be_listed(monkeypatch: pytest.MonkeyPatch, *, attached: bool) -> None:
    """Cinder may be down, or refuse: hosts are found all the same, and it is not asked where no server has any."""
    stage = stage_of(number_of_hosts=1, separate_repository=False)
    [host] = stage.hosts
    asked = []

    def listing(_api: OpenStackApi, service: str, path: str, _key: str, **_query: str) -> list[Any]:
        asked.append(path)
        if service == "block_storage":
            raise OpenStackError("GET", 503, "no backend")
        return [server] if path == "/servers/detail" else []

    server = {
        "id": "1",
        "status": "ACTIVE",
        "created": "",
        "metadata": {**stage.labels, NAME_LABEL: host.short, KEY_LABEL: "key"},
        "flavor": {"original_name": "m1.small", "disk": 20},
        "image": "",
        "os-extended-volumes:volumes_attached": [{"id": "2"}] if attached else [],
        "OS-EXT-STS:task_state": None,
    }
    monkeypatch.setattr(OpenStackApi, "project", "p")
    monkeypatch.setattr(OpenStackApi, "has", lambda *_: True)
    monkeypatch.setattr(OpenStackApi, "listing", listing)
    found = provider_of(stage).found()

    assert found["hive0"].running
    assert found["hive0"].drift == "hive0 has lost its public address"
    assert ("/volumes/detail" in asked) is attached
