"""Problems that would keep a stage from being made on this machine's engine."""

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import ProviderError
from model.labels import NAME_LABEL, belongs_to, labels_of
from model.site import DockerStage
from model.stage import Stage
from providers.docker import image as docker_host_image
from providers.docker import network as docker_network
from providers.docker.api import engine, engine_host

if TYPE_CHECKING:
    from docker import APIClient

_HOSTNAME_MAX = 64  # bytes: Linux's HOST_NAME_MAX
_WATCHES, _WATCHES_ELSEWHERE = 8, 16
"""inotify instances that one host uses (systemd, its journal, dbus, the engine), and that the mother may use itself."""


def problems(stage: Stage, config: DockerStage) -> list[str]:
    """Return a line for each problem of names and addresses, the engine, the image and the network."""
    path = f"stages.{stage.name}"
    lines = [
        f"{path}: the host name {host.name} is longer than {_HOSTNAME_MAX} characters: shorten the site's name"
        for host in stage.hosts
        if len(host.name) > _HOSTNAME_MAX
    ]
    if config.cidr is None:
        return [*lines, f'{path}.cidr: is missing; the hosts need a network, as in cidr = "10.231.7.0/24"']
    lines += reserved_addresses(stage)
    where = engine_host() or ""
    if where.startswith(("ssh://", "tcp://")) and not where.startswith(("tcp://127.", "tcp://localhost")):
        lines.append(
            f"Docker Engine at {where}: its hosts can't be reached from here: unset DOCKER_HOST, or run doit there"
        )
    try:
        with engine() as client:
            if any("rootless" in option for option in client.info().get("SecurityOptions") or ()):
                lines.append(
                    "Docker Engine: runs rootless, which can't hold hosts: use the system's own engine"
                )
            if shortage := watch_shortage(client, stage):
                lines.append(shortage)
        lines += docker_host_image.problems(config)
        lines += docker_network.problems(stage)
    except ProviderError as error:
        lines.append(str(error))
    return lines


def reserved_addresses(stage: Stage) -> list[str]:
    """Return a line for each host whose address in the network is not a host's. Pure."""
    network = ipaddress.ip_network(str(stage.config.cidr))
    reserved = {network.network_address, network.broadcast_address, network[1]}
    return [
        f"stages.{stage.name}: {host.name} can't have {host.address}, the network's own, its gateway's or the "
        "broadcast address"
        for host in stage.hosts
        if ipaddress.ip_address(host.address) in reserved
    ]


def watch_shortage(
    client: "APIClient", stage: Stage, limit: Path = Path("/proc/sys/fs/inotify/max_user_instances")
) -> str:
    """Return a problem if this machine's kernel gives too few inotify instances for all hosts on it, else "".

    Root's are shared by all containers. Where they run out systemd does not start, or starts and hears nothing.
    """
    if not limit.exists():
        return ""
    hosts = client.containers(filters={"label": NAME_LABEL})
    others = [host for host in hosts if not belongs_to(labels_of(host), stage.labels)]
    needed = _WATCHES * (len(others) + stage.number_of_hosts) + _WATCHES_ELSEWHERE
    allowed = int(limit.read_text())
    if needed <= allowed:
        return ""
    return (
        f"fs.inotify.max_user_instances is {allowed}, and {len(others)} hosts that run here with the "
        f"{stage.number_of_hosts} of this stage need about {needed}: `sysctl -w fs.inotify.max_user_instances=1024` "
        "(to last: a file in /etc/sysctl.d), or destroy another stage"
    )
