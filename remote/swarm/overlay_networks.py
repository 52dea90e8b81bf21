"""Overlay networks, which can't be changed in place: services are disconnected first, and connected again."""

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from model import site as types
from model.errors import ServiceError
from model.json_types import Json
from model.labels import DISCONNECTED_LABEL, KEY_LABEL, SITE_LABEL, label_filter, labels_of
from model.log import Log
from model.reasons import reason_of
from model.site.networks import MTU
from model.stage import Host
from model.swarm.docker_subnets import is_allocated
from remote.engine.client import engine_errors
from remote.mother.wait import wait_for
from remote.swarm.allocation import refuse_overlaps, wait_until_allocated
from remote.swarm.builtin_networks import smallest_mtu
from remote.swarm.services import write_service

FREE_TIMEOUT = 120
"""Seconds that containers get to end, so that their network can be removed."""
NOWHERE = "node.id==nowhere"
"""A constraint that no node meets: it ends the tasks of a global service, which has no number of them."""


def ensure_network(
    manager: tuple[Host, DockerClient],
    name: str,
    network: types.Network,
    labels: Mapping[str, str],
    log: Log,
    engines: Callable[[], Iterable[DockerClient]],
    replace: Callable[[], Sequence[str]] | None = None,
) -> str:
    """Make a network exist with its key, and return its id.

    One that was defined otherwise is replaced. Where services use it, only if that was asked for: they are stopped and
    disconnected from it first, and connected to the new one as they were. Their own steps follow, which are not part of
    this.

    Args:
        manager: A manager and its engine.
        name: The network's name.
        network: Its definition.
        labels: Its labels.
        log: Takes a line for the log.
        engines: Returns the engines of all hives, for the size of its packets.
        replace: Given if it may be replaced under its services: returns the other containers that are in it.

    Raises:
        ServiceError: Services use the network as it was; or another site's has its name.

    """
    wanted = [pool.subnet for pool in network.ipam.pools] if network.ipam is not None else []
    host, client = manager
    with engine_errors(host.short, f"network {name}", ServiceError):
        for found in client.api.networks(names=[name]):
            if found["Name"] != name:
                continue
            existing = labels_of(found)
            if existing.get(KEY_LABEL) == labels[KEY_LABEL]:
                log(f"found {found['Id']}")
                _found_is_allocated(client, name, found, log)
                _connect_services(client, name, found["Id"], labels[SITE_LABEL], log)
                return str(found["Id"])
            if existing.get(SITE_LABEL) != labels[SITE_LABEL]:
                raise ServiceError(f"network {name}: exists, but skep did not make it; rename or remove it")
            log(f"{found['Id']} had another definition")
            refuse_overlaps(client, name, wanted)
            _remove_network(client, name, found["Id"], labels[SITE_LABEL], replace, log)
        refuse_overlaps(client, name, wanted)
        made = _create(client, name, network, labels, log, engines)
        _connect_services(client, name, made, labels[SITE_LABEL], log)
        return made


def _create(
    client: DockerClient,
    name: str,
    network: types.Network,
    labels: Mapping[str, str],
    log: Log,
    engines: Callable[[], Iterable[DockerClient]],
) -> str:
    """Make a network, whose packets fit into the network of each hive: what one sends, another one gets."""
    options = {**network.driver_opts, **({"encrypted": ""} if network.encrypted else {})}
    if MTU not in options and (mtu := smallest_mtu(engines())):
        options[MTU] = str(mtu)
        log(f"packets of {mtu} bytes at most, as the hives' networks have them")
    made = client.api.create_network(
        name,
        driver="overlay",
        options=options or None,
        ipam=_ipam(network.ipam),
        internal=network.internal,
        labels=dict(labels),
        attachable=network.attachable,
        scope="swarm",
        check_duplicate=True,
    )
    log(f"made {made['Id']}")
    _allocated_or_removed(client, name, made["Id"], log)
    return str(made["Id"])


def _found_is_allocated(client: DockerClient, name: str, network: Json, log: Log) -> None:
    """Wait until a network that is there has its addresses; one that does not get them goes if nothing uses it."""
    if is_allocated(network):
        return
    if users := [service["Spec"]["Name"] for service in services_in(client.api.services(), network["Id"])]:
        try:
            wait_until_allocated(client, name, network["Id"], log)
        except ServiceError as error:
            raise ServiceError(
                f"{error}; {', '.join(users)} wait for it: change networks.{name}, then type: doit replace={name}"
            ) from error
        return
    _allocated_or_removed(client, name, network["Id"], log)


def _allocated_or_removed(client: DockerClient, name: str, network: str, log: Log) -> None:
    """Wait until a network has its addresses; remove it if it does not get them, so that nothing waits for it.

    Raises:
        ServiceError: It does not get them.

    """
    try:
        wait_until_allocated(client, name, network, log)
    except ServiceError:
        client.api.remove_network(network)
        log(f"removed {network}")
        raise


def _ipam(ipam: types.Ipam | None) -> IPAMConfig | None:
    """Return a network's addresses in Docker's words."""
    if ipam is None:
        return None
    pools = [IPAMPool(subnet=pool.subnet, gateway=pool.gateway, iprange=pool.ip_range) for pool in ipam.pools]
    return IPAMConfig(driver=ipam.driver, pool_configs=pools, options=dict(ipam.options) or None)


# -- replacing ---------------------------------------------------------------------------------------------------------


def services_in(services: Sequence[Json], network: str) -> list[Json]:
    """Return the services that are in a network."""
    return [
        service
        for service in services
        if any(
            joined["Target"] == network for joined in service["Spec"]["TaskTemplate"].get("Networks") or ()
        )
    ]


def _remove_network(
    client: DockerClient,
    name: str,
    network: str,
    site: str,
    replace: Callable[[], Sequence[str]] | None,
    log: Log,
) -> None:
    """Remove a network, from which services are disconnected first if that was asked for; else all stays as it is."""
    using = services_in(client.api.services(), network)
    names = sorted(service["Spec"]["Name"] for service in using)
    if using and replace is None:
        raise ServiceError(
            f"network {name}: its definition changed while {', '.join(names)} use it, and a network can't be changed "
            f"in place; give the new one another name, or type: doit replace={name} (they are stopped, the network is "
            "replaced, and they are deployed again)"
        )
    foreign = [service["Spec"]["Name"] for service in using if labels_of(service).get(SITE_LABEL) != site]
    inside = [*(f"service {service}" for service in sorted(foreign)), *(replace() if replace else ())]
    if inside:
        raise ServiceError(
            f"network {name}: can't be replaced while containers or services use it that skep does not know: "
            f"{', '.join(inside)}; take them out of it"
        )
    try:
        for service in using:
            _change_service(client, service, lambda spec: disconnected(spec, name, network))
            log(f"stopping {service['Spec']['Name']}, which was disconnected from the network")
        wait_for(
            lambda: _remove(client, network),
            f"network {name} to be free",
            FREE_TIMEOUT,
            retry=APIError,
            kind=ServiceError,
        )
        wait_for(lambda: not _exists(client, name), f"network {name} to be gone", 30, kind=ServiceError)
    except (ServiceError, APIError, OSError):
        for service in using:
            before = service["Spec"]
            log(f"putting {before['Name']} back")
            try:
                _change_service(client, service, lambda _spec, before=before: (before, labels_of(before)))  # type: ignore[misc]
            except (ServiceError, OSError) as error:
                log(f"{before['Name']} could not be restored: {reason_of(error)}")
        raise
    log(f"removed {network}")


def _remove(client: DockerClient, network: str) -> bool:
    """Remove a network unless it is gone."""
    with contextlib.suppress(NotFound):
        client.api.remove_network(network)
    return True


def disconnected(spec: Json, name: str, network: str) -> tuple[Json, dict[str, str]]:
    """Return a service's specification, and its labels, without tasks and disconnected from a network. Pure.

    It stays the same service. Without its key the next run sees that it is not as it should be, whatever becomes of
    this one; a label says how it is connected again.

    Args:
        spec: The specification.
        name: The network's name.
        network: Its id.

    """
    labels = {label: value for label, value in labels_of(spec).items() if label != KEY_LABEL}
    template = dict(spec["TaskTemplate"])
    was = _before(labels) or {"mode": spec["Mode"], "placement": template.get("Placement")}
    joined = [[i, each] for i, each in enumerate(template["Networks"]) if each["Target"] == network]
    labels[f"{DISCONNECTED_LABEL}{name}"] = json.dumps({**was, "joined": joined})
    template["Networks"] = [each for each in template["Networks"] if each["Target"] != network]
    placement = dict(template.get("Placement") or {})
    template["Placement"] = {**placement, "Constraints": [*(placement.get("Constraints") or ()), NOWHERE]}
    mode = {"Replicated": {"Replicas": 0}} if "Replicated" in spec["Mode"] else spec["Mode"]
    return {**spec, "TaskTemplate": template, "Mode": mode}, labels


def _before(labels: Mapping[str, str]) -> Json | None:
    """Return how a service was before it was disconnected from a first network; None if it is in all of its own."""
    states: list[Json] = [
        json.loads(value) for label, value in labels.items() if label.startswith(DISCONNECTED_LABEL)
    ]
    return states[0] if states else None


def connected(spec: Json, name: str, network: str) -> tuple[Json, dict[str, str]]:
    """Return a service's specification, and its labels, connected to a network again and as it was before. Pure.

    Args:
        spec: The specification of the service that was disconnected.
        name: The network's name.
        network: The new network's id.

    """
    labels = dict(spec["Labels"])
    was = json.loads(labels.pop(f"{DISCONNECTED_LABEL}{name}"))
    template = dict(spec["TaskTemplate"])
    networks = list(template.get("Networks") or ())
    for i, each in was["joined"]:
        networks.insert(i, {**each, "Target": network})
    template["Networks"] = networks
    if _before(labels) is not None:
        # It is still disconnected from another one, and runs when it is back in that, too.
        return {**spec, "TaskTemplate": template}, labels
    del template["Placement"]
    if was["placement"] is not None:
        template["Placement"] = was["placement"]
    return {**spec, "TaskTemplate": template, "Mode": was["mode"]}, labels


def _connect_services(client: DockerClient, name: str, network: str, site: str, log: Log) -> None:
    """Connect the services that were disconnected from a network to the new one, and have them run as they did."""
    filters = label_filter({SITE_LABEL: site}, f"{DISCONNECTED_LABEL}{name}")
    for service in client.api.services(filters=filters):
        log(f"connecting {service['Spec']['Name']} to the new network, as it was")

        def back(spec: Json) -> tuple[Json, Mapping[str, str]] | None:
            is_disconnected = f"{DISCONNECTED_LABEL}{name}" in labels_of(spec)
            return connected(spec, name, network) if is_disconnected else None

        _change_service(client, service, back, "connected")


def _change_service(
    client: DockerClient,
    service: Json,
    change: Callable[[Json], tuple[Json, Mapping[str, str]] | None],
    done: str = "changed",
) -> None:
    """Write the specification that a function makes of a service's present one, unless that returns None."""

    def is_written() -> bool:
        found = client.api.inspect_service(service["ID"])
        changed = change(found["Spec"])
        if changed is not None:
            spec, labels = changed
            write_service(client, found, {**spec, "Labels": dict(labels)})
        return True

    # "update out of sequence": the swarm itself may change the service between reading and writing.
    wait_for(
        is_written, f"service {service['Spec']['Name']} to be {done}", 30, retry=APIError, kind=ServiceError
    )


def _exists(client: DockerClient, name: str) -> bool:
    """Return whether there is a network of that name."""
    return any(found["Name"] == name for found in client.api.networks(names=[name]))
