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
from collections.abc import Iterable, Iterator
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
from remote.images.debian_suites import DEBIAN, KEPT_BASES
from remote.mother.lock import lock
from remote.mother.process import Running

if TYPE_CHECKING:
    from docker import APIClient

DEBOOTSTRAP = "debootstrap:"
REPOSITORY = "skep-host"
"""The name of the images, beside the labels by which they are known."""
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

_BOOTSTRAP = Path(__file__).with_name("bootstrap.sh")
_NOT_INSTALLED = 91
"""The exit status of `bootstrap.sh` where the packages can't be installed."""
FORMER_RECIPES = ("sha256:3b672073f197d85e33a156bf9772afe4196c5396a9f1c1c41970cb27f6402b3e",)
"""What `recipe` was in older versions of skep: hosts of such an image are as wanted, and it is not made anew."""


def inputs(config: DockerStage) -> Inputs:
    """Return the host image's inputs."""
    return {
        "host_image": config.image,
        **({"mirror": config.mirror} if config.image.startswith(DEBOOTSTRAP) else {}),
        "packages": " ".join(PACKAGES),
        "recipe": f"sha256:{sha256(_INSTALL.read_bytes() + _bootstrap_script().encode())}",
    }


def _bootstrap_script() -> str:
    """Return the script that makes the root file system of a suite."""
    return _BOOTSTRAP.read_text(encoding="utf-8").replace("@DEBIAN@\n", DEBIAN)


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
    """Make the image of a suite, or install the packages in a container of an image that is pulled."""
    if config.image.startswith(DEBOOTSTRAP):
        return _bootstrap(client, config, key, log)
    build_labels = {HOST_IMAGE_BUILD_LABEL: key, HOST_IMAGE_BUILDER_LABEL: _builder()}
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
            raise _not_installed(config, code, tail)
        log("committing the host image")
        done = client.commit(
            container,
            repository=REPOSITORY,
            tag=_tag(key),
            changes=[
                *_changes(key),
                # Hosts inherit the image's labels, and must not look like a build in work.
                f'LABEL {HOST_IMAGE_BUILD_LABEL}="" {HOST_IMAGE_BUILDER_LABEL}=""',
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


def _tag(key: str) -> str:
    """Return the tag of the image with a key."""
    return key[:12]


def _changes(key: str) -> list[str]:
    """Return an image's configuration, as the engine's API takes it."""
    return [f"LABEL {HOST_IMAGE_LABEL}={key}", "ENTRYPOINT []", 'CMD ["/lib/systemd/systemd"]']


def _not_installed(config: DockerStage, code: int | None, tail: Iterable[str]) -> ProviderError:
    """Return the error of packages that can't be installed."""
    return ProviderError(
        f"host image {config.image}: its packages can't be installed (exit status {code})"
        + "".join(f"\n    {line}" for line in tail)
    )


def _bootstrap(client: "APIClient", config: DockerStage, key: str, log: Log) -> str:
    """Return the id of the image of a Debian or Ubuntu suite, made from its packages without any container."""
    suite, mirror = config.image.removeprefix(DEBOOTSTRAP), config.mirror
    log(f"debootstrap {suite} from {mirror}")
    words = [
        # --kill-child and --pdeathsig: if skep dies, so does unshare, and with it all of its process namespace.
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"),
        *("sh", "-c", _bootstrap_script(), "debootstrap", suite, mirror, str(_build_directory() / "root")),
        *(_INSTALL.read_text(encoding="utf-8"), KEPT_BASES, *PACKAGES),
    ]
    tail: deque[str] = deque(maxlen=15)
    with Running(words, stdout=True, stderr=True) as process:
        timer = threading.Timer(BUILD_TIMEOUT, process.kill)
        timer.start()
        reader = threading.Thread(target=_follow, args=(process, tail, log), daemon=True)
        reader.start()
        try:
            first = process.stdout.read(1 << 16) if process.stdout else b""
            if first:
                return _import(client, process, first, key)
        except _BrokenOffError:
            pass
        finally:
            timer.cancel()
        code = process.wait(BUILD_TIMEOUT)
        reader.join(timeout=10)
    if code == _NOT_INSTALLED:
        raise _not_installed(config, code, tail)
    raise ProviderError(
        f"debootstrap {suite} from {mirror} failed (exit status {code}); is the suite's name right, and does the "
        "mirror answer?" + "".join(f"\n    {line}" for line in tail)
    )


class _BrokenOffError(Exception):
    """The archive is not whole: what makes it failed."""


def _import(client: "APIClient", process: Running, first: bytes, key: str) -> str:
    """Give a tar stream to the engine as the image with a key, and return its id.

    Raises:
        _BrokenOffError: The process failed. The engine does not hear the end of the archive, and makes no image.

    """

    def chunks() -> Iterator[bytes]:
        yield first
        while process.stdout and (chunk := process.stdout.read(1 << 16)):
            yield chunk
        if process.wait(BUILD_TIMEOUT) != 0:
            raise _BrokenOffError

    answer = str(
        client.import_image_from_stream(chunks(), repository=REPOSITORY, tag=_tag(key), changes=_changes(key))
    )
    # One JSON document a line, the last with the image's id: the progress API, which has errors in it too.
    for line in reversed(answer.splitlines()):
        event = json.loads(line)
        if "error" in event:
            raise ProviderError(f"the host image can't be imported: {event['error']}")
        if str(event.get("status", "")).startswith("sha256:"):
            return str(event["status"])
    raise ProviderError(f"the host image can't be imported: {answer[-200:]}")


def _follow(process: Running, tail: "deque[str]", log: Log) -> None:
    """Pass the lines of a process's error output on to the log."""
    for raw in process.stderr or ():
        line = raw.decode(errors="replace").rstrip()
        tail.append(line)
        log(line)
