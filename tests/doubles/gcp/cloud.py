"""Google for tests: starts the server (`server.py`), and has the real SDK use it and nothing else.

Held against: see `server.py`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from model.site_file.load import parse_site
from model.stage import Stage
from providers.cloud import host as cloud_host
from providers.cloud import retry
from providers.gcp import api as gcp_api
from remote.mother.wait import Pace
from tests import rig as make
from tests.doubles.gcp.server import PROJECT, REGION, Google, served

QUICK = Pace(first=0.001, longest=0.01)


def stage_of(site: str = "gcp.test", name: str = "production", **config: Any) -> Stage:
    """Return a stage at Google; `services` may be given for its ports."""
    services = config.pop("services", {})
    table = {
        "provider": "gcp",
        "project": PROJECT,
        "region": REGION,
        "instance_type": "e2-medium",
        "cidr": "10.1.0.0/24",
        **config,
    }
    whole = parse_site({"site": site, "stages": {name: table}, "services": services})
    return Stage(whole, name, whole.stages[name])


def things(google: Google) -> list[str]:
    """Return all that there is, as `kind id path`; a host's begins with its name."""
    found = []
    with google.lock:
        for path, thing in google.things.items():
            kind = path.split("/")[-2]
            if kind == "instances" and "/locations/" not in path:
                kind = thing["description"].split()[1]
            found.append(f"{'filestore' if '/locations/' in path else kind} {thing.get('id', '')} {path}")
    return sorted(found)


@contextmanager
def started() -> Iterator[tuple[Google, str]]:
    """Give a server and its URL, and end it."""
    google = Google()
    server = served(google)
    try:
        yield google, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def seams(url: str) -> list[tuple[object, str, object]]:
    """Return the attributes to replace so that the SDK finds the server: owner, name, value."""
    import google.auth
    from google.auth.credentials import AnonymousCredentials

    return [
        (google.auth, "default", lambda **_: (AnonymousCredentials(), None)),
        (gcp_api.GcpApi, "options", {"api_endpoint": url}),
        (gcp_api.GcpApi, "endpoints", {"file": url, "projects": url}),
    ]


@contextmanager
def used(url: str, pace: Pace = QUICK) -> Iterator[None]:
    """Have the SDK find the server, waits be of a pace, no ssh be waited for, and all else be unreachable."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("GOOGLE_", "CLOUDSDK_"))]:
            patch.delenv(name)
        for where, name, seam in seams(url):
            patch.setattr(where, name, seam)
        patch.setattr(retry, "PACE", pace)
        patch.setattr(cloud_host, "wait_for_login", lambda *_: "")
        make.hold_to_loopback(patch)
        yield
