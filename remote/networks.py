"""Overlay networks."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from model import site as types
from model.errors import ServiceError
from remote.engine import engine_errors
from remote.wait import wait_for

Say = Callable[[str], None]
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
    say: Say,
    replace: Callable[[], Sequence[str]] | None = None,
) -> str:
    """Make a network exist with its key, and return its id.

    One that was defined otherwise is made anew. Where services use it, only if that was asked for: they are stopped and
    taken out of it first, and their own steps bring them back.

    Args:
        host: The manager's host.
        client: Its engine.
        name: The network's name.
        network: Its definition.
        labels: Its labels.
        say: Takes a line for the log.
        replace: Given if it may be replaced under its services: returns the containers that are in it beside them.

    Raises:
        ServiceError: Services use the network as it was; or another site's has its name.

    """
    with engine_errors(host, f"network {name}", ServiceError):
        for found in client.api.networks(names=[name]):
            if found["Name"] != name:
                continue
            theirs = found.get("Labels") or {}
            if theirs.get("skep.key") == labels["skep.key"]:
                say(f"found {found['Id']}")
                return str(found["Id"])
            if theirs.get("skep.site") != labels["skep.site"]:
                raise ServiceError(
                    f"network {name}: there is one that skep did not make; rename or remove it"
                )
            say(f"{found['Id']} was defined otherwise")
            _make_room(client, name, found["Id"], labels["skep.site"], replace, say)
        return _create(client, name, network, labels, say)


def _create(
    client: DockerClient, name: str, network: types.Network, labels: Mapping[str, str], say: Say
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
    say(f"made {made['Id']}")
    return str(made["Id"])


def _ipam(ipam: types.Ipam | None) -> IPAMConfig | None:
    """Return a network's addresses in Docker's words."""
    if ipam is None:
        return None
    pools = [IPAMPool(subnet=pool.subnet, gateway=pool.gateway, iprange=pool.ip_range) for pool in ipam.pools]
    return IPAMConfig(driver=ipam.driver, pool_configs=pools, options=dict(ipam.options) or None)


# -- replacing ---------------------------------------------------------------------------------------------------------


def users(services: Sequence[Mapping[str, Any]], network: str) -> list[Mapping[str, Any]]:
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
    say: Say,
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
    foreign = [
        service["Spec"]["Name"]
        for service in using
        if (service["Spec"].get("Labels") or {}).get("skep.site") != site
    ]
    inside = [*(f"service {service}" for service in sorted(foreign)), *(replace() if replace else ())]
    if inside:
        raise ServiceError(
            f"network {name}: can't be replaced as long as others are in it, of which skep knows nothing: "
            f"{', '.join(inside)}; take them out of it"
        )
    for service in using:
        say(f"stopping {service['Spec']['Name']}, and taking it out of the network")
        _detach(client, service, network)
    try:
        wait_for(
            lambda: _remove(client, network),
            f"network {name} to be free",
            FREE_TIMEOUT,
            retry=APIError,
            kind=ServiceError,
        )
        wait_for(lambda: not _named(client, name), f"network {name} to be gone", 30, kind=ServiceError)
    except ServiceError:
        for service in using:
            say(f"putting {service['Spec']['Name']} back")
            with contextlib.suppress(APIError):
                _update(client, service["ID"], service["Spec"], service["Spec"].get("Labels") or {})
        raise
    say(f"removed {network}")


def _remove(client: DockerClient, network: str) -> bool:
    """Remove a network unless it is gone."""
    with contextlib.suppress(NotFound):
        client.api.remove_network(network)
    return True


def _detach(client: DockerClient, service: Mapping[str, Any], network: str) -> None:
    """End a service's tasks and take it out of a network, in one update; it stays the same service.

    Without its key the next look sees that it is not as it should be, whatever becomes of this run.
    """
    spec = service["Spec"]
    template = dict(spec["TaskTemplate"])
    template["Networks"] = [joined for joined in template["Networks"] if joined["Target"] != network]
    placement = dict(template.get("Placement") or {})
    template["Placement"] = {**placement, "Constraints": [*(placement.get("Constraints") or ()), NOWHERE]}
    mode = {"Replicated": {"Replicas": 0}} if "Replicated" in spec["Mode"] else spec["Mode"]
    kept = {label: value for label, value in (spec.get("Labels") or {}).items() if label != "skep.key"}
    _update(client, service["ID"], {**spec, "TaskTemplate": template, "Mode": mode}, kept)


def _update(client: DockerClient, service: str, spec: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    """Give a service a specification."""
    version = client.api.inspect_service(service)["Version"]["Index"]
    client.api.update_service(
        service, version, spec["TaskTemplate"], spec["Name"], dict(labels), spec["Mode"], spec.get("UpdateConfig"),
        endpoint_spec=spec.get("EndpointSpec"), rollback_config=spec.get("RollbackConfig"),
    )  # fmt: skip


def _named(client: DockerClient, name: str) -> bool:
    """Return whether there is a network of that name."""
    return any(found["Name"] == name for found in client.api.networks(names=[name]))
