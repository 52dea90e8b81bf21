"""Amazon for tests: starts the server (`server.py`), and has boto3 use it and nothing else.

Held against: see `strict.py`.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model.site_file.load import parse_site
from model.stage import Stage
from providers.aws import host as aws_host
from providers.cloud import host as cloud_host
from providers.cloud import retry
from remote.mother.wait import Pace
from remote.ssh.ssh_files import SshFiles
from tests import processes
from tests import rig as make

REGION = "eu-central-1"
ROOT = Path(__file__).resolve().parents[3]
QUICK = Pace(first=0.002, longest=0.02)


def stage_of(site: str = "aws.test", name: str = "production", **config: Any) -> Stage:
    """Return a stage at Amazon; `services` may be given for its ports."""
    services = config.pop("services", {})
    table = {
        "provider": "aws",
        "region": REGION,
        "instance_type": "t3.medium",
        "cidr": "10.1.0.0/24",
        **config,
    }
    whole = parse_site({"site": site, "stages": {name: table}, "services": services})
    return Stage(whole, name, whole.stages[name])


class Cloud:
    """The server.

    Args:
        port: Where it listens.

    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, **order: Any) -> dict[str, Any]:
        """Give the strict layer an order, and return its state."""
        request = urllib.request.Request(f"{self.url}/skep", json.dumps(order).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def things(self) -> list[str]:
        """Return all that there is, as `kind id name`; a host's begins with its name."""
        return sorted(self.ask(region=REGION)["things"])

    def calls(self) -> list[str]:
        """Return the operations that were asked for since the last `clear`."""
        found: list[str] = self.ask()["calls"]
        return found


@contextmanager
def started(directory: Path) -> Iterator[Cloud]:
    """Start a server, and end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.doubles.aws.server", str(directory)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the server does not start"
        yield Cloud(int(port))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def used(cloud: Cloud, access_key: str = "test", pace: Pace = QUICK) -> Iterator[None]:
    """Have boto3 find server and credentials, waits be of a pace, no ssh be waited for, and all else be unreachable."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", cloud.url)
        patch.setenv("AWS_ACCESS_KEY_ID", access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setattr(retry, "PACE", pace)
        patch.setattr(cloud_host, "wait_for_login", lambda *_: "")
        patch.setattr(aws_host, "_LISTED_TIMEOUT", 0.1)
        make.hold_to_loopback(patch)
        yield


def files_of(directory: Path) -> SshFiles:
    """Return ssh files with a key pair."""
    return make.ssh_files(directory)


@contextmanager
def process_of(stage: Stage, files: SshFiles) -> "Iterator[subprocess.Popen[str]]":
    """Give a process that makes all of a stage once it is told a line, and end it."""
    config = msgspec.to_builtins(stage.config)
    order = {
        "site": stage.site_name,
        "name": stage.name,
        "config": config,
        "directory": str(files.key.parent),
    }
    with processes.started(
        [sys.executable, "-m", "tests.doubles.aws.cloud", json.dumps(order), os.environ["AWS_ENDPOINT_URL"]],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def _main(order: dict[str, Any], url: str) -> None:
    """Do the work of the process that `process_of` starts."""
    config = {name: value for name, value in order["config"].items() if name != "provider"}
    stage = stage_of(order["site"], order["name"], **config)
    cloud = Cloud(0)
    cloud.url = url
    sys.stdin.readline()
    with used(cloud):
        make.ensure_all(make.provider_of(stage, files_of(Path(order["directory"]))))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]), sys.argv[2])
