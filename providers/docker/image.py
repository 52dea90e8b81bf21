"""The image that hosts are containers of: made once, known by a label with its key, shared by stages and sites."""

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import ProviderError
from model.keys.digest import Inputs, key_of, sha256
from model.labels import (
    HOST_IMAGE_BUILD_LABEL,
    HOST_IMAGE_BUILDER_LABEL,
    HOST_IMAGE_LABEL,
    SITE_LABEL,
    label_filter,
)
from model.log import Log
from model.site import DockerStage
from providers.docker.api import CONFLICT, NOT_FOUND, engine, tolerated
from remote.images.debian_suites import DEBIAN
from remote.mother.lock import lock
from remote.mother.process import Running

if TYPE_CHECKING:
    from docker import APIClient

DEBOOTSTRAP = "debootstrap:"
BUILD_TIMEOUT = 900.0
SILENCE = 300.0
"""Seconds that an installation may print nothing."""

PACKAGES = (
    # What a host is.
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "iproute2", "iptables", "ca-certificates"),
    *("python3-minimal", "procps", "kmod", "curl", "iputils-ping"),
    # What setup_hosts and build_images would install on every host; here it is done once.
    *("docker.io", "chrony", "docker-registry", "debootstrap"),
)
_INSTALL = Path(__file__).with_name("install.sh")

# debootstrap works in a memory file system in a mount namespace of its own, and everything in there dies with skep:
# it waits for no disk, and after kill -9 nothing is left, neither files nor mounts nor processes.
_DEBOOTSTRAP = (
    """
set -eu
suite=$1 mirror=$2 root=$3
mount -t tmpfs -o mode=755,size=3g tmpfs "$root"
debootstrap --variant=minbase "$suite" "$root" "$mirror" >&2
"""
    + DEBIAN
    + """\
# The mother's names were copied into it; devices are Docker's to make.
tar -C "$root" --numeric-owner --exclude='./etc/hostname' --exclude='./etc/resolv.conf' --exclude='./dev/*' \\
    --exclude='./proc/*' --exclude='./sys/*' --exclude='./var/cache/apt/archives/*.deb' \\
    --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' -c .
"""
)


def inputs(config: DockerStage) -> Inputs:
    """Return the host image's inputs."""
    return {
        "host_image": config.image,
        **({"mirror": config.mirror} if config.image.startswith(DEBOOTSTRAP) else {}),
        "packages": " ".join(PACKAGES),
        "recipe": f"sha256:{sha256(_INSTALL.read_bytes() + _DEBOOTSTRAP.encode())}",
    }


def find(client: "APIClient", key: str) -> str | None:
    """Return the id of the image with a key; the oldest, where two mothers have made it at the same time."""
    images = client.images(filters=label_filter({HOST_IMAGE_LABEL: key}))
    found = sorted((image["Created"], image["Id"]) for image in images)
    return str(found[0][1]) if found else None


def problems(config: DockerStage) -> list[str]:
    """Return a line for each problem that would keep the image from being made; none if it is there."""
    if not config.image.startswith(DEBOOTSTRAP):
        return []
    with engine() as client:
        if find(client, key_of(inputs(config))):
            return []
    wanted = f'host_image = "{config.image}"'
    pull = 'pull it: host_image = "debian:13"'
    if sys.platform != "linux":
        return [f"{wanted}: debootstrap runs on Linux only: {pull}"]
    lines = []
    if os.geteuid() != 0:
        lines.append(f"{wanted}: debootstrap needs root: run as root, or {pull}")
    missing = [tool for tool in ("debootstrap", "unshare", "setpriv", "tar") if not shutil.which(tool)]
    if missing:
        install = "`apt-get install debootstrap util-linux tar`"
        lines.append(f"{wanted}: {', '.join(missing)} not found: {install}, or {pull}")
    return lines


def ensure(config: DockerStage, key: str, log: Log) -> str:
    """Return the id of the host image with this key, having made it if need be.

    One build at a time on one mother: the second waits and finds the first one's image.

    Raises:
        ProviderError: It can't be made.

    """
    with engine(timeout=SILENCE) as client:
        if image := find(client, key):
            return image
        path = _build_directory() / f"host-image-{key[:16]}"
        with lock(path, "another run is building the host image", BUILD_TIMEOUT, kind=ProviderError, log=log):
            if image := find(client, key):
                return image
            sweep(client, key)
            try:
                return _build(client, config, key, log)
            finally:
                sweep(client, key)


def remove(key: str, log: Log) -> None:
    """Remove the image, unless a container of any stage or site is made from it."""
    with engine() as client:
        for image in client.images(filters=label_filter({HOST_IMAGE_LABEL: key})):
            users = client.containers(all=True, filters={"ancestor": image["Id"]})
            if users:
                names = ", ".join(sorted(user["Names"][0].lstrip("/") for user in users))
                log(f"the host image stays: {names} use it")
                continue
            for name in [tag for tag in image["RepoTags"] or [] if tag != "<none>:<none>"] or [image["Id"]]:
                # In conflict: somebody has just made a container from it.
                with tolerated(NOT_FOUND, CONFLICT):
                    client.remove_image(name)


def sweep(client: "APIClient", key: str) -> None:
    """Remove the leftovers of killed builds. The caller holds the build lock: no build of this mother is at work."""
    for container in client.containers(all=True, filters=label_filter({HOST_IMAGE_BUILD_LABEL: key})):
        labels = container["Labels"]
        if SITE_LABEL in labels:
            continue  # a host, whatever else its image has handed down to it
        ours = labels.get(HOST_IMAGE_BUILDER_LABEL) == _builder()
        if ours or time.time() - container["Created"] > 2 * BUILD_TIMEOUT:
            with tolerated(NOT_FOUND, CONFLICT):
                client.remove_container(container["Id"], force=True, v=True)
    for image in client.images(filters={**label_filter({HOST_IMAGE_BUILD_LABEL: key}), "dangling": True}):
        if image["Labels"].get(HOST_IMAGE_BUILDER_LABEL) == _builder():
            with tolerated(NOT_FOUND, CONFLICT):
                client.remove_image(image["Id"])


def _builder() -> str:
    """Return this mother's mark on its builds, which another mother may share the engine with."""
    return f"{socket.gethostname()}:{os.getuid()}"


def _build_directory() -> Path:
    """Return this user's directory for builds on the mother: locks, and a place to mount on."""
    directory = Path(tempfile.gettempdir()) / f"skep-{os.getuid()}-build"
    (directory / "root").mkdir(mode=0o700, parents=True, exist_ok=True)
    info = directory.lstat()
    if directory.is_symlink() or info.st_uid != os.getuid():
        raise ProviderError(f"{directory}: is not yours; remove it")
    directory.chmod(0o700)
    return directory


def _build(client: "APIClient", config: DockerStage, key: str, log: Log) -> str:
    """Make the base, install the packages in a container of it, commit that."""
    build_labels = {HOST_IMAGE_BUILD_LABEL: key, HOST_IMAGE_BUILDER_LABEL: _builder()}
    if config.image.startswith(DEBOOTSTRAP):
        suite = config.image.removeprefix(DEBOOTSTRAP)
        base = _debootstrap(client, suite, config.mirror, build_labels, log)
    else:
        base = _pull(client, config.image, log)
    log(f"installing {len(PACKAGES)} packages")
    container = client.create_container(
        base,
        entrypoint=["/bin/sh", "-c", _INSTALL.read_text(), "host-image"],
        command=list(PACKAGES),
        labels=build_labels,
    )["Id"]
    try:
        client.start(container)
        tail: deque[str] = deque(maxlen=15)
        for raw in client.logs(container, stream=True, follow=True):
            for line in raw.decode(errors="replace").splitlines():
                tail.append(line)
                log(line)
        code = client.wait(container)["StatusCode"]
        if code != 0:
            raise ProviderError(
                f"host image {config.image}: its packages can't be installed (exit status {code})"
                + "".join(f"\n    {line}" for line in tail)
            )
        log("committing the host image")
        done = client.commit(
            container,
            repository="skep-host",
            tag=key[:12],
            changes=[
                # Hosts inherit the image's labels, and must not look like a build in work.
                f'LABEL {HOST_IMAGE_LABEL}={key} {HOST_IMAGE_BUILD_LABEL}="" {HOST_IMAGE_BUILDER_LABEL}=""',
                "ENTRYPOINT []",
                'CMD ["/lib/systemd/systemd"]',
            ],
        )
    finally:
        with tolerated(NOT_FOUND, CONFLICT):
            client.remove_container(container, force=True, v=True)
    return str(done["Id"])


def _pull(client: "APIClient", reference: str, log: Log) -> str:
    """Return a reference that the engine has, having pulled it if need be."""
    from docker.errors import ImageNotFound

    try:
        return str(client.inspect_image(reference)["Id"])
    except ImageNotFound:
        log(f"pulling {reference}")
    name, _, tag = reference.rpartition(":")
    if not name or "/" in tag:
        name, tag = reference, "latest"
    digest = "@" in reference
    client.pull(reference if digest else name, tag=None if digest else tag)
    return str(client.inspect_image(reference)["Id"])


def _debootstrap(client: "APIClient", suite: str, mirror: str, labels: dict[str, str], log: Log) -> str:
    """Return the id of an untagged image of a Debian or Ubuntu suite, made from its packages."""
    log(f"debootstrap {suite} from {mirror}")
    words = [
        # --kill-child and --pdeathsig: if skep dies, so does unshare, and with it all of its process namespace.
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"),
        *("sh", "-c", _DEBOOTSTRAP, "debootstrap", suite, mirror, str(_build_directory() / "root")),
    ]
    tail: deque[str] = deque(maxlen=15)
    image = ""
    with Running(words, stdout=True, stderr=True) as process:
        timer = threading.Timer(BUILD_TIMEOUT, process.kill)
        timer.start()
        try:
            reader = threading.Thread(target=_follow, args=(process, tail, log), daemon=True)
            reader.start()
            first = process.stdout.read(1 << 16) if process.stdout else b""
            if first:
                image = _import(client, process, first, labels)
            code = process.wait(BUILD_TIMEOUT)
            reader.join(timeout=10)
        finally:
            timer.cancel()
    if code != 0 or not image:
        if image:
            with tolerated(NOT_FOUND, CONFLICT):
                client.remove_image(image)
        raise ProviderError(
            f"debootstrap {suite} from {mirror} failed (exit status {code}); is the suite's name right, and does the "
            "mirror answer?" + "".join(f"\n    {line}" for line in tail)
        )
    return image


def _import(client: "APIClient", process: Running, first: bytes, labels: dict[str, str]) -> str:
    """Give a tar stream to the engine as an image, and return its id."""

    def chunks() -> Iterator[bytes]:
        yield first
        while process.stdout and (chunk := process.stdout.read(1 << 16)):
            yield chunk

    changes = [f"LABEL {name}={value}" for name, value in labels.items()]
    answer = str(client.import_image_from_stream(chunks(), changes=changes))
    # One JSON document a line, the last with the image's id: the progress API, which has errors in it too.
    for line in reversed(answer.splitlines()):
        event = json.loads(line)
        if "error" in event:
            raise ProviderError(f"the host image's base can't be imported: {event['error']}")
        if str(event.get("status", "")).startswith("sha256:"):
            return str(event["status"])
    raise ProviderError(f"the host image's base can't be imported: {answer[-200:]}")


def _follow(process: Running, tail: "deque[str]", log: Log) -> None:
    """Pass the lines of a process's error output on to the log."""
    for raw in process.stderr or ():
        line = raw.decode(errors="replace").rstrip()
        tail.append(line)
        log(line)
