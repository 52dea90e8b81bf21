"""OpenStack's shares: what has to be changed in place is seen by the listing."""

from pathlib import Path
from typing import Any

import pytest

from providers.cloud.tag import tag
from providers.openstack.api import OpenStackApi
from providers.openstack.nfs import OpenStackFileSystem
from providers.openstack.provider import OpenStackProvider
from remote.ssh.ssh_files import SshFiles
from tests.openstack.cloud import stage_of


@pytest.mark.parametrize(
    ("size", "said"), [(1, "nfs: the share has 1 GiB, and should have 2"), (2, ""), (3, "")]
)
def test_a_share_that_is_to_grow_is_a_drift(monkeypatch: pytest.MonkeyPatch, size: int, said: str) -> None:
    """A plan in a fresh clone takes it for none that is as wanted: to ensure it would make it larger for good."""
    here = Path("nowhere")
    stage = stage_of(nfs=True, share_size=2)
    provider = OpenStackProvider(stage, SshFiles(here, here, here, here))
    share: dict[str, Any] = {
        "id": "s1",
        "size": size,
        "status": "available",
        "description": tag(stage, "nfs", "key"),
    }
    monkeypatch.setattr(OpenStackApi, "project", "p")
    monkeypatch.setattr(OpenStackApi, "listing", lambda *_: [])
    monkeypatch.setattr(provider._network, "listing", lambda *_: [])
    monkeypatch.setattr(provider._hosts, "servers", list)
    monkeypatch.setattr(OpenStackFileSystem, "listing", lambda _: [share])

    assert provider.found()["nfs"].drift == said
