"""A host's container: its specification, and commands and files in it."""

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.errors import ProviderError
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL, PUBLISH_LABEL
from model.site import DockerStage
from model.stage import Host, Stage
from providers.docker.api import CONFLICT, NOT_FOUND, NOT_MODIFIED, thing, tolerated
from providers.docker.features import rights
from remote.mother.wait import wait_for

if TYPE_CHECKING:
    from docker import APIClient

_REMOVAL_TIMEOUT = 60.0
"""Seconds that the engine may take to remove a container."""
MODULES = "/lib/modules"
"""The mother's kernel modules."""

VOLUMES = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}
"""Where a host's engine keeps its data, by the volume's last word. Volumes outlive the container: a host that is
replaced keeps its images, its services' data and its place in the swarm."""


def config_of(stage: Stage) -> DockerStage:
    """Return the stage's table of site.toml."""
    if not isinstance(stage.config, DockerStage):
        raise TypeError(f"stage {stage.name} is not one of the docker provider")
    return stage.config


@dataclass(frozen=True)
class EngineFeatures:
    """The engine's means for a host.

    Args:
        image: The id of the host image.
        network: The name of the network; by name, so that one that was replaced is found at the next start.
        publish: Whether ssh ports are published on 127.0.0.1.
        privileged: Whether the engine can do that.
        modules: Whether the mother has kernel modules that a host's engine may ask for (ip_vs, vxlan).

    """

    image: str
    network: str
    publish: bool
    privileged: bool
    modules: bool


def container_spec(stage: Stage, host: Host, key: str, features: EngineFeatures) -> Json:
    """Return the specification of a host's container, as the engine takes it. Pure."""
    config = config_of(stage)
    return {
        "Image": features.image,
        "Hostname": host.name,
        "Entrypoint": ["/bin/sh", "/etc/skep/boot"],
        "Cmd": [],
        "Env": ["container=docker"],
        # A console, on which systemd says what fails at start: `docker logs`.
        "Tty": True,
        # How systemd is told to shut down in order; it stops the host's services and containers first.
        "StopSignal": "SIGRTMIN+3",
        "StopTimeout": 60,
        "Labels": {
            **stage.labels,
            NAME_LABEL: host.short,
            KEY_LABEL: key,
            PUBLISH_LABEL: str(features.publish).lower(),
        },
        "ExposedPorts": {"22/tcp": {}} if features.publish else {},
        "HostConfig": {
            **rights(privileged=features.privileged),
            "CgroupnsMode": "private",
            # Docker's default for these is noexec, which systemd's own /run is not.
            "Tmpfs": {"/run": "exec,nosuid,nodev,mode=755", "/run/lock": "nosuid,nodev,noexec,mode=1777"},
            "Mounts": [
                {"Type": "volume", "Source": thing(stage, host.short, word), "Target": path}
                for word, path in VOLUMES.items()
            ],
            "Binds": [f"{MODULES}:{MODULES}:ro"] if features.modules else [],
            "NetworkMode": features.network,
            "RestartPolicy": {"Name": "unless-stopped"},
            "PortBindings": {"22/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]} if features.publish else {},
            "NanoCpus": int(config.cpus * 1e9) if config.cpus else 0,
            "Memory": config.memory_size * 2**20 if config.memory_size else 0,
        },
        "NetworkingConfig": {
            "EndpointsConfig": {
                features.network: {
                    "IPAMConfig": {"IPv4Address": host.address},
                    "Aliases": [host.name, host.short],
                }
            }
        },
    }


def discard(client: "APIClient", container: str) -> None:
    """Remove a container by its id, never by its name: another run may have put the next one there already."""
    with tolerated(NOT_MODIFIED, NOT_FOUND):
        # In order, so that databases in its volumes are shut down and not cut off.
        client.stop(container)
    with tolerated(NOT_FOUND, CONFLICT):
        client.remove_container(container, force=True)
    await_gone(client, container)


def await_gone(client: "APIClient", container: str) -> None:
    """Wait until the engine has done with removing a container, which another run may have begun."""
    from docker.errors import NotFound

    state = ""

    def is_gone() -> bool:
        nonlocal state
        try:
            state = client.inspect_container(container)["State"]["Status"]
        except NotFound:
            return True
        return False

    what = f"container {container[:12]} to be gone"
    wait_for(is_gone, what, _REMOVAL_TIMEOUT, kind=ProviderError, reason=lambda: f"it is {state}")


def execute(client: "APIClient", container: str, script: str, environment: dict[str, str]) -> tuple[int, str]:
    """Run a shell script as root in a container; return its exit status and its output."""
    made = client.exec_create(container, ["/bin/sh", "-c", script], environment=environment, user="root")
    output = client.exec_start(made["Id"]).decode(errors="replace")
    return int(client.exec_inspect(made["Id"])["ExitCode"] or 0), output


def archive(files: dict[str, bytes]) -> bytes:
    """Return a tar archive of files that root owns."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def is_running(client: "APIClient", container: str) -> bool:
    """Return whether a container runs."""
    return bool(client.inspect_container(container)["State"]["Running"])


def last_lines(client: "APIClient", container: str) -> str:
    """Return the last lines of a host's journal, or of its console if it is down, indented."""
    text = ""
    if is_running(client, container):
        _, text = execute(client, container, "journalctl --no-pager -n 15 -o short-monotonic 2>&1", {})
    console = client.logs(container, tail=15).decode(errors="replace")
    lines = (text.strip() or console.strip()).splitlines()[-15:]
    if "too many open files" in (text + console).lower():
        lines.append(
            "(inotify instances ran out: `sysctl -w fs.inotify.max_user_instances=1024` on this machine)"
        )
    return "".join(f"\n    {line.rstrip()}" for line in lines)
