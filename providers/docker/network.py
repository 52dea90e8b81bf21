"""The bridge network of a stage whose hosts are containers."""

import ipaddress
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import ProviderError
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL, SITE_LABEL, STAGE_LABEL, belongs_to, label_filter, labels_of
from model.log import Log
from model.stage import Stage
from providers.docker.api import (
    CONFLICT,
    FORBIDDEN,
    NOT_FOUND,
    NOT_MODIFIED,
    RACE_TIMEOUT,
    SERVER_ERROR,
    engine,
    status,
    thing,
    tolerated,
    translate_errors,
)
from remote.mother.free_network import ROUTES, routes
from remote.mother.wait import attempts

if TYPE_CHECKING:
    from docker import APIClient

NETWORK = "network"


def find(client: "APIClient", stage: Stage, key: str = "") -> Json | None:
    """Return the stage's network: of several that a race made, the one that every racer picks."""
    networks = _ours(client, stage, key)
    return networks[0] if networks else None


def _ours(client: "APIClient", stage: Stage, key: str) -> list[Json]:
    """Return the networks that carry the stage's labels: first those with the key, the oldest first."""
    networks = client.networks(filters=label_filter({**stage.labels, NAME_LABEL: NETWORK}))
    return sorted(networks, key=lambda n: (labels_of(n).get(KEY_LABEL) != key, n["Created"], n["Id"]))


def ensure(stage: Stage, key: str, log: Log) -> str:
    """Return the id of the stage's network, having made it if need be.

    Docker allows two networks of one name, but gives a subnet only once: of two runs that create it at once one is
    refused, and finds the other's.

    Raises:
        ProviderError: Its addresses are taken by another network, or it can't be made.

    """
    from docker.errors import APIError

    refused: APIError | None = None
    with engine(timeout=180) as client:
        # A network whose addresses are taken already is listed a moment later.
        for _ in attempts(RACE_TIMEOUT):
            ours = _ours(client, stage, key)
            for other in ours[1:]:
                # A second network of ours: made by a race on another engine version, or for another key.
                _release(client, other["Id"], log)
            if ours and labels_of(ours[0]).get(KEY_LABEL) == key:
                return str(ours[0]["Id"])
            # Before a host has left its network.
            if clashes := list(_clashes(client, stage)):
                raise ProviderError("\n".join(clashes))
            if ours:
                log(f"network {ours[0]['Name']}: replaced by one with other addresses")
                _release(client, ours[0]["Id"], log)
            try:
                client.create_network(
                    thing(stage),
                    driver="bridge",
                    check_duplicate=True,
                    ipam={"Driver": "default", "Config": [{"Subnet": stage.config.cidr}]},
                    labels={**stage.labels, NAME_LABEL: NETWORK, KEY_LABEL: key},
                )
                log(f"network {thing(stage)} {stage.config.cidr}")
            except APIError as error:
                # 409 is the name, 403 or 500 "Pool overlaps": another run was first, or it is somebody else's.
                refused = error
                if status(error) not in {FORBIDDEN, CONFLICT, SERVER_ERROR}:
                    raise
                continue
            # Asked at once: hosts that were slow to stop may have taken all the time that a race is given.
            if len(made := _ours(client, stage, key)) == 1:
                return str(made[0]["Id"])
    raise translate_errors(refused) if refused else ProviderError(f"network {thing(stage)}: can't be made")


def _release(client: "APIClient", network: str, log: Log) -> None:
    """Remove a network, having stopped our hosts in order and taken them out; `ensure` puts them into the next one.

    Raises:
        ProviderError: Somebody else's container is in it.

    """
    with tolerated(NOT_FOUND):
        if foreign := list(_foreign(client, network)):
            raise ProviderError("\n".join(foreign))
        attached = client.inspect_network(network)["Containers"] or {}

        def take_out(container: str) -> None:
            with tolerated(NOT_FOUND, NOT_MODIFIED):
                # In order: databases on it lose their network only when they have ended.
                client.stop(container)
            # FORBIDDEN is the answer for a container that is not in the network.
            with tolerated(NOT_FOUND, FORBIDDEN):
                client.disconnect_container_from_network(container, network, force=True)
            log(f"stopped {attached[container]['Name']}, and took it out of the old network")

        with ThreadPoolExecutor(max_workers=max(1, len(attached))) as pool:
            list(pool.map(take_out, attached))
        client.remove_network(network)


def _foreign(client: "APIClient", network: str) -> Iterator[str]:
    """Yield a line for each container in a network that is not skep's, and so keeps it from being removed."""
    with tolerated(NOT_FOUND):
        for container, endpoint in (client.inspect_network(network)["Containers"] or {}).items():
            with tolerated(NOT_FOUND):
                if SITE_LABEL not in labels_of(client.inspect_container(container)["Config"]):
                    yield (
                        f"network {network[:12]}: can't be removed, as {endpoint['Name']} is in it, which is not "
                        f"skep's: `docker network disconnect {network[:12]} {endpoint['Name']}`, then run doit again"
                    )


def remove(stage: Stage, log: Log) -> None:
    """Remove the stage's network; its hosts must be gone."""
    with engine() as client:
        for network in _ours(client, stage, ""):
            attached: Json = {}
            with tolerated(NOT_FOUND):
                attached = client.inspect_network(network["Id"])["Containers"] or {}
            if attached:
                names = ", ".join(sorted(endpoint["Name"] for endpoint in attached.values()))
                raise ProviderError(f"network {network['Name']}: is still used by {names}; remove them first")
            with tolerated(NOT_FOUND):
                client.remove_network(network["Id"])
                log(f"removed network {network['Name']}")


def problems(stage: Stage, replaced: str = "") -> list[str]:
    """Return a line for each problem that would keep the network from being made.

    Args:
        stage: The stage.
        replaced: The id of the network that it replaces.

    """
    with engine() as client:
        foreign = list(_foreign(client, replaced)) if replaced else []
        return [*foreign, *_clashes(client, stage)]


def _clashes(client: "APIClient", stage: Stage) -> Iterator[str]:
    """Yield a line for each network that has addresses of ours."""
    cidr = ipaddress.ip_network(stage.config.cidr or "0.0.0.0/32")
    for network in client.networks():
        labels = labels_of(network)
        if belongs_to(labels, stage.labels):
            continue
        for config in (network.get("IPAM") or {}).get("Config") or ():
            subnet = config.get("Subnet")
            if subnet and _overlap(cidr, subnet):
                yield (
                    f"stages.{stage.name}.cidr: {cidr} overlaps with {subnet} of the Docker network "
                    f"{network['Name']}{_owner(stage, labels, network['Name'])}"
                )
    for interface, subnet in _routes():
        if _overlap(cidr, subnet):
            yield (
                f"stages.{stage.name}.cidr: {cidr} overlaps with {subnet}, which this machine reaches through "
                f"{interface}: set another"
            )


def _owner(stage: Stage, labels: Mapping[str, str], name: str) -> str:
    """Return whose a network is, and the way out, for the end of a message."""
    if SITE_LABEL not in labels:
        return f": set another, or remove that network: docker network rm {name}"
    site, other = labels[SITE_LABEL], labels.get(STAGE_LABEL)
    destroy = f"doit destroy stage={other} confirm={site}"
    if site == stage.site_name:
        return (
            f", which is stage {other}'s: set another; or if stage {other} is not needed any more: {destroy}"
        )
    return (
        f", which is stage {other}'s of the site {site}: set another; or if that stage is not needed any more, in its "
        f"directory: {destroy}"
    )


def _overlap(cidr: ipaddress.IPv4Network | ipaddress.IPv6Network, other: str) -> bool:
    """Return whether two networks share an address; those of two kinds never do."""
    subnet = ipaddress.ip_network(other, strict=False)
    return cidr.version == subnet.version and cidr.overlaps(subnet)


def _routes(table: Path = ROUTES) -> Iterator[tuple[str, str]]:
    """Yield the mother's own IPv4 routes as interface and network, without the default ones and Docker's bridges."""
    for interface, network in routes(table):
        if not interface.startswith(("br-", "docker")):
            yield interface, network.with_netmask
