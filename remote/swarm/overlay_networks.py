"""Overlay networks."""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from model import site as types
from model.errors import ServiceError
from model.json_types import Json
from model.labels import KEY_LABEL, SITE_LABEL, TAKEN_OUT_LABEL, label_filter, labels_of
from model.log import Log
from remote.engine.client import engine_errors
from remote.mother.wait import wait_for
from remote.swarm.services import write_service

FREE_TIMEOUT = 120
"""Seconds that containers get to end, so that their network can be removed."""
NOWHERE = "node.id==nowhere"
"""A constraint that no node meets: what ends the tasks of a global service, which has no number of them."""


def ensure_network(
    host: str,
    client: DockerClient,
    name: str,
    network: types.Network,
    labels: Mapping[str, str],
    log: Log,
    replace: Callable[[], Sequence[str]] | None = None,
) -> str:
    """Make a network exist with its key, and return its id.

    One that was defined otherwise is made anew. Where services use it, only if that was asked for: they are stopped and
    taken out of it first, and put into the new one as they were. Their own steps follow, which are not part of this.

    Args:
        host: The manager's host.
        client: Its engine.
        name: The network's name.
        network: Its definition.
        labels: Its labels.
        log: Takes a line for the log.
        replace: Given if it may be replaced under its services: returns the containers that are in it beside them.

    Raises:
        ServiceError: Services use the network as it was; or another site's has its name.

    """
    with engine_errors(host, f"network {name}", ServiceError):
        for found in client.api.networks(names=[name]):
            if found["Name"] != name:
                continue
            theirs = labels_of(found)
            if theirs.get(KEY_LABEL) == labels[KEY_LABEL]:
                log(f"found {found['Id']}")
                _put_back(client, name, found["Id"], labels[SITE_LABEL], log)
                return str(found["Id"])
            if theirs.get(SITE_LABEL) != labels[SITE_LABEL]:
                raise ServiceError(
                    f"network {name}: there is one that skep did not make; rename or remove it"
                )
            log(f"{found['Id']} was defined otherwise")
            _make_room(client, name, found["Id"], labels[SITE_LABEL], replace, log)
        made = _create(client, name, network, labels, log)
        _put_back(client, name, made, labels[SITE_LABEL], log)
        return made


def _create(
    client: DockerClient, name: str, network: types.Network, labels: Mapping[str, str], log: Log
) -> str:
    """Make a network."""
    options = {**network.driver_opts, **({"encrypted": ""} if network.encrypted else {})}
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
    return str(made["Id"])


def _ipam(ipam: types.Ipam | None) -> IPAMConfig | None:
    """Return a network's addresses in Docker's words."""
    if ipam is None:
        return None
    pools = [IPAMPool(subnet=pool.subnet, gateway=pool.gateway, iprange=pool.ip_range) for pool in ipam.pools]
    return IPAMConfig(driver=ipam.driver, pool_configs=pools, options=dict(ipam.options) or None)


# -- replacing ---------------------------------------------------------------------------------------------------------


def users(services: Sequence[Json], network: str) -> list[Json]:
    """Return the services that are in a network."""
    return [
        service
        for service in services
        if any(
            joined["Target"] == network for joined in service["Spec"]["TaskTemplate"].get("Networks") or ()
        )
    ]


def _make_room(
    client: DockerClient,
    name: str,
    network: str,
    site: str,
    replace: Callable[[], Sequence[str]] | None,
    log: Log,
) -> None:
    """Remove a network, from which services are taken out first if that was asked for; else they stay as they are."""
    using = users(client.api.services(), network)
    names = sorted(service["Spec"]["Name"] for service in using)
    if using and replace is None:
        raise ServiceError(
            f"network {name}: its definition changed while {', '.join(names)} use it, and a network can't be changed "
            f"in place; give the new one another name, or type: doit replace={name} (they are stopped, the network is "
            "made anew, and they are deployed again)"
        )
    foreign = [service["Spec"]["Name"] for service in using if labels_of(service).get(SITE_LABEL) != site]
    inside = [*(f"service {service}" for service in sorted(foreign)), *(replace() if replace else ())]
    if inside:
        raise ServiceError(
            f"network {name}: can't be replaced as long as others are in it, of which skep knows nothing: "
            f"{', '.join(inside)}; take them out of it"
        )
    try:
        for service in using:
            _give(client, service, lambda spec: taken_out(spec, name, network))
            log(f"stopping {service['Spec']['Name']}, which was taken out of the network")
        wait_for(
            lambda: _remove(client, network),
            f"network {name} to be free",
            FREE_TIMEOUT,
            retry=APIError,
            kind=ServiceError,
        )
        wait_for(lambda: not _named(client, name), f"network {name} to be gone", 30, kind=ServiceError)
    except (ServiceError, APIError, OSError):
        for service in using:
            was = service["Spec"]
            log(f"putting {was['Name']} back")
            try:
                _give(client, service, lambda _spec, was=was: (was, labels_of(was)))  # type: ignore[misc]
            except (ServiceError, OSError) as error:
                log(f"{was['Name']} could not be put back: {error}")
        raise
    log(f"removed {network}")


def _remove(client: DockerClient, network: str) -> bool:
    """Remove a network unless it is gone."""
    with contextlib.suppress(NotFound):
        client.api.remove_network(network)
    return True


def taken_out(spec: Json, name: str, network: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a service's specification, and its labels, without tasks and out of a network. Pure.

    It stays the same service. Without its key the next look sees that it is not as it should be, whatever becomes of
    this run; a label says how it is put back.

    Args:
        spec: The specification.
        name: The network's name.
        network: Its id.

    """
    labels = {label: value for label, value in labels_of(spec).items() if label != KEY_LABEL}
    template = dict(spec["TaskTemplate"])
    was = _taken_out_before(labels) or {"mode": spec["Mode"], "placement": template.get("Placement")}
    joined = [[i, each] for i, each in enumerate(template["Networks"]) if each["Target"] == network]
    labels[f"{TAKEN_OUT_LABEL}{name}"] = json.dumps({**was, "joined": joined})
    template["Networks"] = [each for each in template["Networks"] if each["Target"] != network]
    placement = dict(template.get("Placement") or {})
    template["Placement"] = {**placement, "Constraints": [*(placement.get("Constraints") or ()), NOWHERE]}
    mode = {"Replicated": {"Replicas": 0}} if "Replicated" in spec["Mode"] else spec["Mode"]
    return {**spec, "TaskTemplate": template, "Mode": mode}, labels


def _taken_out_before(labels: Mapping[str, str]) -> dict[str, Any] | None:
    """Return how a service was before it was taken out of a first network; None if it is in all of its own."""
    said: list[dict[str, Any]] = [
        json.loads(labels[label]) for label in labels if label.startswith(TAKEN_OUT_LABEL)
    ]
    return said[0] if said else None


def put_back(spec: Json, name: str, network: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a service's specification, and its labels, in a network again and as it was before. Pure.

    Args:
        spec: The specification of the service that was taken out.
        name: The network's name.
        network: The new network's id.

    """
    labels = dict(spec["Labels"])
    was = json.loads(labels.pop(f"{TAKEN_OUT_LABEL}{name}"))
    template = dict(spec["TaskTemplate"])
    networks = list(template.get("Networks") or ())
    for i, each in was["joined"]:
        networks.insert(i, {**each, "Target": network})
    template["Networks"] = networks
    if _taken_out_before(labels) is not None:
        # It is still out of another one, and runs when it is back in that, too.
        return {**spec, "TaskTemplate": template}, labels
    del template["Placement"]
    if was["placement"] is not None:
        template["Placement"] = was["placement"]
    return {**spec, "TaskTemplate": template, "Mode": was["mode"]}, labels


def _put_back(client: DockerClient, name: str, network: str, site: str, log: Log) -> None:
    """Put the services that were taken out of a network into the new one, and have them run as they did."""
    filters = label_filter({SITE_LABEL: site}, f"{TAKEN_OUT_LABEL}{name}")
    for service in client.api.services(filters=filters):
        log(f"putting {service['Spec']['Name']} into the new network, as it was")

        def back(spec: Json) -> tuple[Json, Mapping[str, str]] | None:
            is_out = f"{TAKEN_OUT_LABEL}{name}" in labels_of(spec)
            return put_back(spec, name, network) if is_out else None

        _give(client, service, back, "put back")


def _give(
    client: DockerClient,
    service: Json,
    change: Callable[[Json], tuple[Json, Mapping[str, str]] | None],
    what: str = "changed",
) -> None:
    """Give a service what a function makes of its present specification; nothing, if that returns None."""

    def done() -> bool:
        found = client.api.inspect_service(service["ID"])
        changed = change(found["Spec"])
        if changed is not None:
            spec, labels = changed
            write_service(client, found, {**spec, "Labels": dict(labels)})
        return True

    # "update out of sequence": the swarm itself may change the service between reading and writing.
    wait_for(done, f"service {service['Spec']['Name']} to be {what}", 30, retry=APIError, kind=ServiceError)


def _named(client: DockerClient, name: str) -> bool:
    """Return whether there is a network of that name."""
    return any(found["Name"] == name for found in client.api.networks(names=[name]))
