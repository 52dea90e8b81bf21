"""Azure for tests: has Azure's own SDK use the server (`server.py`) and nothing else.

Held against: see `server.py`.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from model.site_file.load import parse_site
from model.stage import Stage
from providers.azure import api as azure_api
from providers.azure import host as azure_host
from providers.azure.api import AzureEndpoint
from providers.cloud import host as cloud_host
from providers.cloud import retry
from providers.cloud.cloud_init import new_rsa_key
from remote.mother.wait import Pace
from tests import rig as make
from tests.doubles.azure.server import REGION, SUBSCRIPTION, TOKEN, Cloud

_make_client = azure_api.make_client
_clients: dict[tuple[str, str, str], Any] = {}
"""The SDK's clients by cloud, token and service: to make one takes longer than a run."""
_RSA = functools.cache(new_rsa_key)
"""One key will do, and takes a moment to make."""
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
    whole = parse_site({"site": site, "stages": {name: table}, "services": services})
    return Stage(whole, name, whole.stages[name])


def seams(url: str, token: str = TOKEN) -> list[tuple[object, str, object]]:
    """Return the attributes to replace so that the SDK finds the server: owner, name, value."""
    from azure.core.pipeline.policies import HeadersPolicy

    def signs() -> Any:
        # The SDK's own policy refuses to sign what is not encrypted on its way.
        return HeadersPolicy({"Authorization": f"Bearer {token}"})

    return [(azure_api, "endpoint", lambda: AzureEndpoint(object(), signs, url))]


@contextmanager
def used(cloud: Cloud, token: str = TOKEN, pace: Pace = QUICK) -> Iterator[None]:
    """Have the SDK find the cloud, waits be of a pace, no ssh be waited for, and all else be unreachable."""

    def kept(service: str, connected: AzureEndpoint, subscription: str) -> Any:
        key = (cloud.url, token, service)
        if key not in _clients:
            _clients[key] = _make_client(service, connected, subscription)
        return _clients[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(azure_api, "make_client", kept)
        for name in [name for name in os.environ if name.startswith("AZURE_")]:
            patch.delenv(name)
        for where, name, seam in seams(cloud.url, token):
            patch.setattr(where, name, seam)
        patch.setattr(azure_host, "new_rsa_key", _RSA)
        patch.setattr(retry, "PACE", pace)
        patch.setattr(cloud_host, "wait_for_login", lambda *_: "")
        make.hold_to_loopback(patch)
        yield
