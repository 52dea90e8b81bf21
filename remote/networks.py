"""Overlay networks."""

from collections.abc import Callable, Mapping

from docker import DockerClient
from docker.types import IPAMConfig, IPAMPool

from model import site as types
from model.errors import ServiceError
from remote.engine import engine_errors
from remote.wait import wait_for


def ensure_network(
    host: str,
    client: DockerClient,
    name: str,
    network: types.Network,
    labels: Mapping[str, str],
    say: Callable[[str], None],
) -> str:
    """Make a network exist with its key, and return its id.

    One that was defined otherwise is made anew, unless services use it.

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
            users = sorted(
                service["Spec"]["Name"]
                for service in client.api.services()
                if any(
                    n["Target"] == found["Id"] for n in service["Spec"]["TaskTemplate"].get("Networks") or []
                )
            )
            if users:
                raise ServiceError(
                    f"network {name}: its definition changed while {', '.join(users)} use it, and a network can't be "
                    f"changed in place; give the new one another name, or remove the services first "
                    f"(docker service rm {' '.join(users)}; they come back with the next run)"
                )
            say(f"removing {found['Id']}, which was defined otherwise")
            client.api.remove_network(found["Id"])
            wait_for(lambda: not _named(client, name), f"network {name} to be gone", 30, kind=ServiceError)
        pools = [IPAMPool(subnet=network.ipam.subnet, gateway=network.ipam.gateway)] if network.ipam else []
        options = {**network.driver_opts, **({"encrypted": ""} if network.encrypted else {})}
        made = client.api.create_network(
            name,
            driver="overlay",
            options=options or None,
            ipam=IPAMConfig(pool_configs=pools) if pools else None,
            internal=network.internal,
            labels=dict(labels),
            attachable=network.attachable,
            scope="swarm",
            check_duplicate=True,
        )
        say(f"made {made['Id']}")
        return str(made["Id"])


def _named(client: DockerClient, name: str) -> bool:
    """Return whether there is a network of that name."""
    return any(found["Name"] == name for found in client.api.networks(names=[name]))
