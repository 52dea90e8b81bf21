"""OpenStack for tests: starts the control plane (`plane/`), and has openstacksdk use it and nothing else.

No double: these are OpenStack's own services, with Nova's fake hypervisor.
"""

import hashlib
import itertools
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from model.keys.digest import canonical
from model.site_file.load import parse_site
from model.stage import Stage
from providers.cloud import host as cloud_host
from providers.cloud import retry
from providers.fake.provider import KilledError
from providers.openstack import api as openstack_api
from providers.openstack.api import OpenStackApi
from providers.openstack.errors import LOST, NOT_FOUND, TOO_MANY, OpenStackError
from remote.mother.wait import Pace
from tests import rig as make
from tests.openstack.plane.settings import PORTS

_connect = openstack_api._connect
_connections: dict[tuple[str, str | None, str | None], Any] = {}
"""Connections by clouds.yaml, cloud and region: to sign in, and to find all services, takes longer than a run."""
PLANE = Path(__file__).resolve().parent / "plane"
QUICK = Pace(first=0.05, longest=0.3)


def stage_of(site: str = "openstack.test", name: str = "private", **config: Any) -> Stage:
    """Return a stage at OpenStack; `services` may be given for its ports."""
    services = config.pop("services", {})
    table = {
        "provider": "openstack",
        "cloud": "loopback",
        "instance_type": "m1.small",
        "cidr": "10.1.0.0/24",
        **config,
    }
    whole = parse_site({"site": site, "stages": {name: table}, "services": services})
    return Stage(whole, name, whole.stages[name])


def _are_free(base: int) -> bool:
    """Return whether a control plane can listen from a port on."""
    for port in range(base, base + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def _plane(*options: str, **how: Any) -> "subprocess.Popen[str]":
    """Begin a process that has the control plane of this checkout.

    What takes minutes is kept beside the checkouts: the services' packages by their versions, the databases' schemas by
    checkout. Two checkouts have two control planes.
    """
    # The schemas hold the ports; below those that this machine gives away by itself.
    base = next(base for base in _bases() if _are_free(base))
    environment = f"--environment={_cache() / 'venv'}"
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.openstack.plane",
            _cache() / make.CHECKOUT,
            environment,
            f"--port={base}",
            *options,
        ],
        cwd=make.ROOT,
        text=True,
        **how,
    )


def _cache() -> Path:
    """Return the directory of things that are made once."""
    digest = hashlib.sha256((PLANE / "requirements.txt").read_bytes()).hexdigest()[:8]
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skep" / f"openstack-{digest}"


def preparing() -> "subprocess.Popen[str]":
    """Begin to install the services and schemas, which takes minutes the first time on a machine."""
    return _plane("--prepare", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def started() -> Iterator[Path]:
    """Start a control plane, give its clouds.yaml, and end it.

    The process that starts it ends all when its input ends, be it that this one was killed. While `preparing` is at
    work, it waits for that.
    """
    with _plane(stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline().strip()
            assert line, f"the control plane does not start: see {_cache() / make.CHECKOUT / 'log'}"
            yield Path(line)
        finally:
            process.stdin.close()
            process.wait()


def _bases() -> Iterator[int]:
    """Yield where a control plane of this checkout could listen."""
    start = int(make.CHECKOUT, 16)
    for step in range(1000):
        yield 16000 + (start + step) % 1000 * 10


@contextmanager
def used(clouds: Path, pace: Pace = QUICK) -> Iterator[None]:
    """Have openstacksdk find the plane, waits be of a pace, no ssh be waited for, and all else be unreachable."""

    def kept(cloud: str | None, region: str | None) -> Any:
        key = (os.environ["OS_CLIENT_CONFIG_FILE"], cloud, region)
        if key not in _connections:
            _connections[key] = _connect(cloud, region)
        return _connections[key]

    with pytest.MonkeyPatch.context() as patch:
        for name in [
            name for name in os.environ if name.startswith("OS_") or name.lower().endswith("_proxy")
        ]:
            patch.delenv(name)
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
        patch.setattr(openstack_api, "_connect", kept)
        patch.setattr(retry, "PACE", pace)
        patch.setattr(cloud_host, "wait_for_login", lambda *_: "")
        make.hold_to_loopback(patch)
        yield


def connection(cloud: str) -> Any:
    """Return the connection that providers of a cloud share."""
    return _connections[os.environ["OS_CLIENT_CONFIG_FILE"], cloud, None]


def make_image(name: str, **about: Any) -> str:
    """Make an image of the project's own, and return its id."""
    image = connection("loopback").image
    body = {"name": name, "disk_format": "raw", "container_format": "bare", **about}
    made = image.post("/images", json=body)
    made.raise_for_status()
    identifier = str(made.json()["id"])
    headers = {"Content-Type": "application/octet-stream"}
    image.put(
        f"/images/{identifier}/file", data=b"nothing starts from it", headers=headers
    ).raise_for_status()
    return identifier


def administrator(clouds: Path) -> Any:
    """Return a connection of the cloud's administrator, who sees the servers' user data."""
    from openstack.config import OpenStackConfig
    from openstack.connection import Connection

    region = OpenStackConfig(config_files=[str(clouds)], load_envvars=False).get_one("loopback-admin")
    return Connection(config=region)


def things(api: OpenStackApi) -> list[str]:
    """Return all that there is in the project, as `kind id`; a server begins with its host's name."""
    found = [
        f"{server['metadata'].get('skep.name')} {server['id']}"
        for server in api.listing("compute", "/servers/detail", "servers")
    ]
    found += [f"volume {one['id']}" for one in api.listing("block_storage", "/volumes", "volumes")]
    for kind in ("shares", "share-networks"):
        listed = api.listing("shared_file_system", f"/{kind}/detail", kind.replace("-", "_"))
        found += [f"{kind.rstrip('s')} {one['id']}" for one in listed]
    for kind in ("networks", "routers", "subnets", "security-groups", "floatingips", "ports"):
        listed = api.listing("network", f"/{kind}", kind.replace("-", "_"), project_id=api.project)
        found += [
            f"{kind.rstrip('s')} {one['id']}"
            for one in listed
            if one.get("name") != "default" and not one.get("device_owner", "").startswith("network:")
        ]
    return sorted(found)


def settled(api: OpenStackApi) -> list[str]:
    """Return all things of the project once deleted servers have released their volumes, or after a while."""
    deadline = time.monotonic() + make.PATIENCE
    while True:
        found = things(api)
        kinds = {thing.split()[0] for thing in found}
        if (
            "volume" not in kinds
            or any(kind.startswith("hive") for kind in kinds)
            or time.monotonic() > deadline
        ):
            return found
        time.sleep(0.2)


class Faults:
    """What goes wrong at calls that change something: each such call fails once.

    Args:
        how: `refused`: the service fails, is busy, or (of what is made) does not know yet what was just made, in turn;
            `lost`: it does what was asked, and the answer is lost; `killed`: it does so, and then the process is
            killed.
        only: What a call begins with that fails; the others don't.

    """

    def __init__(self, how: str, only: str = "") -> None:
        self.how, self.only = how, only
        self.met: list[str] = []
        self._statuses = itertools.cycle((503, TOO_MANY, NOT_FOUND))
        self._at_removal = itertools.cycle((503, TOO_MANY))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have them happen."""
        ask = OpenStackApi.ask

        def failing(
            api: OpenStackApi, method: str, service: str, path: str, body: Any = None, **query: str
        ) -> Any:
            if method == "GET":
                return ask(api, method, service, path, body, **query)
            # A server's user data has another key each time.
            said = "" if path == "/servers" else canonical(body)
            call = f"{method} {path} {said}"
            if call in self.met or not call.startswith(self.only):
                return ask(api, method, service, path, body, **query)
            self.met.append(call)
            if self.how == "refused":
                status = next(self._at_removal if method == "DELETE" else self._statuses)
                raise OpenStackError(call, status, "the service is not well", "req-test")
            ask(api, method, service, path, body, **query)
            if self.how == "killed":
                raise KilledError(call)
            raise OpenStackError(call, LOST, "the connection was reset")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(OpenStackApi, "ask", failing)
            yield

    def calls(self) -> set[str]:
        """Return the calls that failed, without ids and bodies."""
        return {re.sub(r"/[0-9a-f-]{36}", "/ID", " ".join(call.split()[:2])) for call in self.met}
