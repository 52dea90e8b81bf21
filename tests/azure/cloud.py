"""Azure as the tests have it: spoken to by its own SDK, and held to the loopback."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from model import site as types
from model.stage import Stage
from providers import azure, azure_api, azure_host, azure_nfs
from providers.azure_api import Connection
from providers.cloud_wait import Pace
from tests.azure.server import REGION, SUBSCRIPTION, TOKEN, Cloud

QUICK = Pace(first=0.001, longest=0.01)


def stage_of(site: str = "azure.test", name: str = "production", **config: Any) -> Stage:
    """Return a stage at Azure; `services` may be given for its ports."""
    services = config.pop("services", {})
    table = {
        "provider": "azure",
        "region": REGION,
        "subscription_id": SUBSCRIPTION,
        "instance_type": "Standard_B2s",
        "cidr": "10.1.0.0/24",
        **config,
    }
    whole = msgspec.convert({"site": site, "stages": {name: table}, "services": services}, types.Site)
    return Stage(whole, name, whole.stages[name])


@contextmanager
def used(cloud: Cloud, token: str = TOKEN) -> Iterator[None]:
    """Have the SDK find the cloud, waits be short, no ssh be waited for, and all else be unreachable."""
    from azure.core.pipeline.policies import HeadersPolicy

    def signs() -> Any:
        # The SDK's own policy refuses to sign what is not encrypted on its way.
        return HeadersPolicy({"Authorization": f"Bearer {token}"})

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AZURE_")]:
            patch.delenv(name)
        patch.setattr(azure_api, "connection", lambda: Connection(object(), signs, cloud.url))
        for module in (azure, azure_api, azure_host, azure_nfs):
            patch.setattr(module, "PACE", QUICK)
        patch.setattr(azure_host, "wait_for_login", lambda *_: "")
        connect = socket.socket.connect

        def guarded(self: socket.socket, address: Any) -> None:
            if self.family != socket.AF_UNIX and address[0] not in {"127.0.0.1", "::1"}:
                msg = f"a test connects to {address}"
                raise AssertionError(msg)
            connect(self, address)

        patch.setattr(socket.socket, "connect", guarded)
        yield
