"""The bridge network of a stage whose hosts are containers."""

import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import ProviderError
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL, SITE_LABEL, STAGE_LABEL, belongs_to, label_filter, labels_of
from model.log import Log
from model.stage import Stage
from providers.docker.api import (
    CONFLICT,
    NOT_FOUND,
    RACE_TIMEOUT,
    SERVER_ERROR,
    engine,
    status,
    thing,
    tolerated,
    translate_errors,
)
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
    with engine() as client:
        # A network whose addresses are taken already is listed a moment later.
        for _ in attempts(RACE_TIMEOUT):
            ours = _ours(client, stage, key)
            for other in ours[1:]:
                # A second network of ours: made by a race on another engine version, or for another key.
                _release(client, other["Id"], log)
            if ours and labels_of(ours[0]).get(KEY_LABEL) == key:
                return str(ours[0]["Id"])
            if ours:
                log(f"network {ours[0]['Name']}: replaced by one with other addresses")
                _release(client, ours[0]["Id"], log)
            if clashes := list(_clashes(client, stage)):
                raise ProviderError("\n".join(clashes))
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
                if status(error) not in {403, CONFLICT, SERVER_ERROR}:
                    raise
    raise translate_errors(refused) if refused else ProviderError(f"network {thing(stage)}: can't be made")


def _release(client: "APIClient", network: str, log: Log) -> None:
    """Remove a network, taking our hosts out of it; `ensure` puts them into the next one.

    Raises:
        ProviderError: Somebody else's container is in it.

    """
    with tolerated(NOT_FOUND):
        attached = client.inspect_network(network)["Containers"] or {}
        for container, endpoint in attached.items():
            with tolerated(NOT_FOUND):
                labels = labels_of(client.inspect_container(container)["Config"])
                if SITE_LABEL not in labels:
                    raise ProviderError(
                        f"network {network[:12]}: can't be removed, as {endpoint['Name']} is in it, which is "
                        f"not skep's: `docker network disconnect {network[:12]} {endpoint['Name']}`, then run "
                        "doit again"
                    )
                log(f"taking {endpoint['Name']} out of the old network")
                client.disconnect_container_from_network(container, network, force=True)
        client.remove_network(network)


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


def problems(stage: Stage) -> list[str]:
    """Return a line for each problem that would keep the network from being made."""
    with engine() as client:
        return list(_clashes(client, stage))


def _clashes(client: "APIClient", stage: Stage) -> Iterator[str]:
    """Yield a line for each network that has addresses of ours."""
    cidr = ipaddress.ip_network(stage.config.cidr or "0.0.0.0/32")
    way_out = f"set another stages.{stage.name}.cidr"
    for network in client.networks():
        labels = labels_of(network)
        if belongs_to(labels, stage.labels):
            continue
        for config in (network.get("IPAM") or {}).get("Config") or ():
            subnet = config.get("Subnet")
            if subnet and _overlap(cidr, subnet):
                owner = (
                    f" (stage {labels.get(STAGE_LABEL)} of the site {labels[SITE_LABEL]}: destroy that, or {way_out})"
                    if SITE_LABEL in labels
                    else f" (remove it with `docker network rm {network['Name']}`, or {way_out})"
                )
                yield (
                    f"stages.{stage.name}.cidr: {cidr} overlaps with {subnet} of the Docker network "
                    f"{network['Name']}{owner}"
                )
    for interface, subnet in _routes():
        if _overlap(cidr, subnet):
            yield (
                f"stages.{stage.name}.cidr: {cidr} overlaps with {subnet}, which this machine reaches through "
                f"{interface}: {way_out}"
            )


def _overlap(cidr: ipaddress.IPv4Network | ipaddress.IPv6Network, other: str) -> bool:
    """Return whether two networks share an address; those of two kinds never do."""
    subnet = ipaddress.ip_network(other, strict=False)
    return cidr.version == subnet.version and cidr.overlaps(subnet)


def _routes(table: Path = Path("/proc/net/route")) -> Iterator[tuple[str, str]]:
    """Yield the mother's own IPv4 routes as interface and network, without the default ones and Docker's bridges."""
    if sys.platform != "linux" or not table.exists():
        return
    for line in table.read_text().splitlines()[1:]:
        words = line.split()
        interface, destination, mask = words[0], words[1], words[7]
        if mask == "00000000" or interface.startswith(("br-", "docker")):
            continue
        # The kernel prints them in the machine's byte order.
        address, netmask = (
            ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(word), sys.byteorder))
            for word in (destination, mask)
        )
        yield interface, f"{address}/{netmask}"
