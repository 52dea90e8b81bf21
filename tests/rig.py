"""Names and networks of this checkout's own for tests that make real things, and their removal by label.

Two checkouts can test on one engine at the same time: every site's name and network comes from a digest of the path of
the checkout. Whatever a killed test run has left is known by the site's name, and removed before the next.
"""

import hashlib
import ipaddress
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model import site as types
from model.keys.record import HostRecord, Record
from model.labels import SITE_LABEL
from model.log import Log
from model.secrets.secret import Secret
from model.stage import Stage
from providers import create
from providers.base import Provider, Resource
from providers.docker.api import engine
from remote.ssh.ssh_files import SshFiles

PATIENCE = 240.0
"""Seconds for which tests wait for what takes a few: other tests may be at work on the same processors."""
ROOT = Path(__file__).resolve().parents[1]
CHECKOUT = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]


def site_name(purpose: str) -> str:
    """Return the name of this checkout's site for a purpose."""
    return f"{purpose}-{CHECKOUT}.test"


def free_cidr(purpose: str) -> str:
    """Return a /24 that no network of the engine and no route of this machine overlaps with.

    Where the search begins is this checkout's and this purpose's own, so that two that search at once find two.
    """
    taken = [ipaddress.ip_network("10.255.0.0/16")]
    with engine() as client:
        for network in client.networks():
            for config in (network.get("IPAM") or {}).get("Config") or ():
                subnet = ipaddress.ip_network(config["Subnet"])
                if isinstance(subnet, ipaddress.IPv4Network):
                    taken.append(subnet)
    routes = Path("/proc/net/route")
    for line in routes.read_text().splitlines()[1:] if routes.exists() else ():
        _, destination, _, _, _, _, _, mask, *_ = line.split()
        if mask != "00000000":
            words = (int.from_bytes(bytes.fromhex(word), sys.byteorder) for word in (destination, mask))
            address, netmask = (ipaddress.IPv4Address(word) for word in words)
            taken.append(ipaddress.ip_network(f"{address}/{netmask}"))
    start = int(hashlib.sha256(f"{ROOT}/{purpose}".encode()).hexdigest(), 16)
    for step in range(1 << 15):
        number = (start + step) % (1 << 15)
        candidate = ipaddress.ip_network(f"10.{64 + (number >> 8)}.{number & 255}.0/24")
        if not any(candidate.overlaps(network) for network in taken):
            return str(candidate)
    msg = "no free network in 10.64.0.0/9"
    raise AssertionError(msg)


def docker_stage(purpose: str, hosts: int, **config: Any) -> Stage:
    """Return a stage of docker hosts for a purpose; `cidr` may be given where it must stay the same."""
    config.setdefault("cidr", free_cidr(purpose))
    table = types.DockerStage(number_of_hosts=hosts, **config)
    return Stage(types.Site(site=site_name(purpose), stages={"private": table}), "private", table)


def ssh_files(directory: Path) -> SshFiles:
    """Return ssh files in a directory, with a key pair if there is none yet."""
    directory.mkdir(parents=True, exist_ok=True)
    files = SshFiles(directory / "ssh_config", directory / "key", directory / "known_hosts", directory)
    if not files.key.exists():
        new_key(files)
    return files


def new_key(files: SshFiles) -> None:
    """Make a new key pair, as after `state/` was deleted."""
    files.key.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(files.key)], check=True
    )


def no_secret(name: str) -> Secret:
    """Say that a site has no secrets."""
    raise KeyError(name)


def provider_of(stage: Stage, files: SshFiles, secret: Callable[[str], Secret] = no_secret) -> Provider:
    """Return a new provider of a stage, as another run would have."""
    return create(stage, files, files.key.parent, secret)


def resource(provider: Provider, name: str) -> Resource:
    """Return a resource by its name."""
    return {each.name: each for each in provider.resources()}[name]


def quiet(line: str) -> None:
    """Say nothing."""


def ensure(provider: Provider, name: str, log: Log = quiet) -> Record:
    """Ensure a resource."""
    return provider.ensure(resource(provider, name), log)


def with_another_key(resource: Resource) -> Resource:
    """Return a resource as if site.toml said something else of it, so that its real thing is another one."""
    return replace(resource, inputs={**resource.inputs, "of the test": "another"})


def ensure_host(provider: Provider, name: str, log: Log = quiet) -> HostRecord:
    """Ensure a host."""
    record = ensure(provider, name, log)
    assert isinstance(record, HostRecord)
    return record


def ensure_all(provider: Provider) -> dict[str, Record]:
    """Ensure everything that the stage wants, in order."""
    return {each.name: ensure(provider, each.name) for each in provider.resources()}


def remove_all(provider: Provider) -> None:
    """Remove everything that there is of the stage, as `doit destroy` does: hosts first."""
    found = provider.found()
    hosts = [name for name in found if found[name].is_host]
    for name in [*hosts, *reversed([name for name in found if name not in hosts])]:
        provider.remove(name, quiet)


def assert_apart(one: Provider, other: Provider) -> None:
    """Make two stages of one account, and remove the first: nothing of it is left, and the other is as it was."""
    for provider in (one, other):
        ensure_all(provider)
    there = other.found()
    remove_all(one)

    assert other.found() == there
    assert one.found() == {}


def hold_to_loopback(patch: pytest.MonkeyPatch) -> None:
    """Make every connection of this process to anywhere but the loopback fail, until the patch is undone."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in {"127.0.0.1", "::1"}:
            msg = f"a test connects to {address}"
            raise AssertionError(msg)
        connect(self, address)

    patch.setattr(socket.socket, "connect", guarded)


def labelled(site: str) -> list[str]:
    """Return every container, volume and network that carries a site's label, as `kind name`."""
    with engine() as client:
        wanted = {"label": f"{SITE_LABEL}={site}"}
        return sorted(
            [
                *(f"container {c['Names'][0]}" for c in client.containers(all=True, filters=wanted)),
                *(f"volume {v['Name']}" for v in client.volumes(filters=wanted)["Volumes"] or ()),
                *(f"network {n['Name']}" for n in client.networks(filters=wanted)),
            ]
        )


def remove_labelled(site: str) -> None:
    """Remove every container, volume and network that carries a site's label, in that order."""
    from docker.errors import APIError

    said: list[APIError] = []

    def remove(do: Callable[..., object], *words: str, **how: bool) -> None:
        """Remove a thing. Another one may just be at that; what uses it may not have gone yet."""
        try:
            do(*words, **how)
        except APIError as error:
            said.append(error)

    def are_gone() -> bool:
        wanted = {"label": f"{SITE_LABEL}={site}"}
        for container in client.containers(all=True, filters=wanted):
            remove(client.remove_container, container["Id"], force=True, v=True)
        for volume in client.volumes(filters=wanted)["Volumes"] or ():
            remove(client.remove_volume, volume["Name"])
        for network in client.networks(filters=wanted):
            remove(client.remove_network, network["Id"])
        return labelled(site) == []

    with engine(timeout=300) as client:
        try:
            wait_until(are_gone, f"all of {site} to be gone")
        except AssertionError as error:
            raise AssertionError(f"{error}: {said[-1] if said else ''}") from error


WATCHES = Path("/proc/sys/fs/inotify/max_user_instances")
_ENOUGH = 1024
"""Of them, for some hundred hosts; the kernel's default is room for 14, among them those of other sites."""


def make_room(limit: Path = WATCHES) -> None:
    """Have this machine's kernel give enough inotify instances, as skep says it to people; until it is started anew.

    Where this process may not, skep says so when a host is to be made for which there is no room.
    """
    with suppress(OSError):
        if int(limit.read_text()) < _ENOUGH:
            limit.write_text(f"{_ENOUGH}\n")


@contextmanager
def own(site: str) -> Iterator[None]:
    """Begin and end with nothing that carries a site's label."""
    make_room()
    remove_labelled(site)
    try:
        yield
    finally:
        remove_labelled(site)
    assert labelled(site) == []


def process_directories() -> list[Path]:
    """Return where this machine tells of each of its processes; one may end before it is looked at."""
    # Not by a glob, which fails where a process ends while it is listed.
    return [path for path in Path("/proc").iterdir() if path.name.isdecimal()]


_DIRECTORY, _NO_DOCKER = "/opt/skep-tests", 97
WITH_DOCKER = f"PATH=$PATH:{_DIRECTORY}; command -v docker >/dev/null || exit {_NO_DOCKER}\n"
"""Begins a script of a test that uses the docker command on a host, after `give_docker`."""


def run_in(container: str, script: str) -> str:
    """Run a shell script as root in a container and return its output; it must end well.

    It may use the docker command, also where the host has none.
    """
    whole = WITH_DOCKER + script if "docker " in script else script
    done = _executed(container, whole)
    if whole != script and done.returncode == _NO_DOCKER:
        give_docker(container)
        done = _executed(container, whole)
    assert done.returncode == 0, f"{container}: {done.stdout}{done.stderr}"
    return done.stdout


def give_docker(container: str) -> None:
    """Give a host this machine's docker command, where only tests look for it: skep itself does without."""
    client = Path(shutil.which("docker") or "docker").resolve()
    _executed(container, f"mkdir -p {_DIRECTORY}")
    subprocess.run(
        ["docker", "cp", str(client), f"{container}:{_DIRECTORY}/docker"], check=False, capture_output=True
    )


def _executed(container: str, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a shell script as root in a container to its end."""
    return subprocess.run(
        ["docker", "exec", "-i", container, "sh", "-eu"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )


def wait_until(condition: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
    """Wait until a condition holds; AssertionError at the end of the time."""
    deadline = time.monotonic() + timeout
    while True:
        began = time.monotonic()
        if condition():
            return
        ended = time.monotonic()
        assert ended < deadline, f"{what}: not within {timeout:.0f} s"
        # What is asked on hosts takes their processors from what it waits for.
        time.sleep(max(0.05, ended - began))


@contextmanager
def other_process(stage: Stage, files: SshFiles, names: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """Ensure resources of a docker stage in a process of its own, which prints its log; kill it at the end."""
    config = stage.config
    assert isinstance(config, types.DockerStage)
    order = {
        "site": stage.site_name,
        "hosts": stage.number_of_hosts,
        "cidr": config.cidr,
        "host_image": config.host_image,
        "mirror": config.mirror,
        "directory": str(files.key.parent),
        "names": names,
    }
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tests.rig", json.dumps(order)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def read_until(process: "subprocess.Popen[str]", mark: str) -> list[str]:
    """Read a process's output until a line with a mark, and return it all; AssertionError if it ends before."""
    lines = []
    for line in process.stdout or ():
        lines.append(line.rstrip())
        if mark in line:
            return lines
    msg = f"{mark!r} did not come, but:\n" + "\n".join(lines)
    raise AssertionError(msg)


def _main(order: dict[str, Any]) -> None:
    """Be the process of `other_process`: ensure the resources of an order."""
    table = types.DockerStage(
        cidr=order["cidr"],
        number_of_hosts=order["hosts"],
        host_image=order["host_image"],
        mirror=order["mirror"],
    )
    stage = Stage(types.Site(site=order["site"], stages={"private": table}), "private", table)
    provider = provider_of(stage, ssh_files(Path(order["directory"])))
    for name in order["names"]:
        record = ensure(provider, name, print)
        sys.stdout.write(f"made {name} {getattr(record, 'id', '')}\n")


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))


def freeze(container: str) -> None:
    """Pause a container. On a busy machine the kernel may need more than one try until all of its processes stand."""

    def is_paused() -> bool:
        done = subprocess.run(
            ["docker", "pause", container], capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode == 0 or "already paused" in done.stderr

    wait_until(is_paused, f"{container} to stand still")
