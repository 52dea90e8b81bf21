"""An engine's abilities, found out by a probe: a container that tells them and is removed."""

import time
from typing import TYPE_CHECKING

from model.errors import ProviderError
from model.json_types import Json
from model.labels import CHECK_LABEL, label_filter
from model.stage import Stage
from providers.docker.api import CONFLICT, NOT_FOUND, engine, tolerated

if TYPE_CHECKING:
    from docker import APIClient

_AT_WORK = 120.0
"""Seconds after which a probe is surely a killed run's."""
_FALLBACK = ["8.8.8.8", "8.8.4.4"]
"""What Docker gives to containers when the mother's own resolver listens on a loopback address."""

# Without --privileged, which is refused where the mother itself lacks a capability: all of what is left of it.
_UNPRIVILEGED: Json = {
    "CapAdd": ["ALL"],
    "CapDrop": ["SYS_RESOURCE"],
    "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
    "MaskedPaths": [],
    "ReadonlyPaths": [],
    "DeviceCgroupRules": ["a *:* rwm"],
}
_PRIVILEGED: Json = {
    "Privileged": True,
    "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
}


def rights(*, privileged: bool) -> Json:
    """Return the part of a container's HostConfig that lets systemd and a Docker Engine live in it. Pure."""
    return dict(_PRIVILEGED if privileged else _UNPRIVILEGED)


def probe(client: "APIClient", stage: Stage, image: str) -> tuple[bool, list[str]]:
    """Return whether --privileged works, and the name servers that containers can reach."""
    from docker.errors import APIError

    sweep(client, stage, older_than=_AT_WORK)
    for privileged in (True, False):
        container = client.create_container_from_config(
            {
                "Image": image,
                "Entrypoint": ["cat", "/etc/resolv.conf"],
                "Cmd": [],
                "Labels": {**stage.labels, CHECK_LABEL: "true"},
                "HostConfig": {"NetworkMode": "bridge", **rights(privileged=privileged)},
            }
        )["Id"]
        try:
            client.start(container)
            client.wait(container, timeout=30)
            text = client.logs(container).decode(errors="replace")
        except APIError as error:
            if not privileged:
                raise ProviderError(
                    f"this engine runs no container with the rights that a host needs: {error.explanation}; "
                    "a rootless engine or one inside a locked-down container can't have hosts"
                ) from error
            continue
        finally:
            with tolerated(NOT_FOUND, CONFLICT):
                client.remove_container(container, force=True)
        return privileged, nameservers(text)
    raise AssertionError


def nameservers(resolv_conf: str) -> list[str]:
    """Return the name servers of a container's resolv.conf that are of use in a host. Pure.

    Docker's fallback means that the mother's own resolver can't be reached from a container. Its embedded resolver can
    still ask it: that one comes first, for the host itself; its containers use the fallback.
    """
    servers = [line.split()[1] for line in resolv_conf.splitlines() if line.startswith("nameserver ")]
    return ["127.0.0.11", *servers] if servers[:2] == _FALLBACK else servers


def sweep(client: "APIClient", stage: Stage, older_than: float = 0) -> None:
    """Remove the probes of killed runs.

    Args:
        client: The engine.
        stage: The stage.
        older_than: Seconds; younger ones may be at work.

    """
    for container in client.containers(all=True, filters=label_filter({**stage.labels, CHECK_LABEL: "true"})):
        if time.time() - container["Created"] < older_than:
            continue
        with tolerated(NOT_FOUND, CONFLICT):
            client.remove_container(container["Id"], force=True)


def sweep_stage(stage: Stage) -> None:
    """Remove the stage's probes, before its network goes: a killed run may have left one and nothing else."""
    with engine() as client:
        sweep(client, stage)
