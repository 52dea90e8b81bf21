"""A swarm's built-in networks: the routing mesh's, and the bridge by which services reach the outside."""

from docker import DockerClient
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from model.json_types import Json
from model.log import Log
from model.stage import Host
from model.swarm.address_pools import SwarmOptions
from remote.engine.client import engine_errors
from remote.mother.wait import wait_for
from remote.swarm.nodes import READY_PATIENCE

GWBRIDGE = "docker_gwbridge"


def ensure_gwbridge(host: Host, client: DockerClient, options: SwarmOptions, log: Log) -> None:
    """Make the bridge by which services reach the outside, before the engine makes it: by joining a swarm."""
    if options.pools is None:
        return
    subnet = str(options.pools.gwbridge)
    with engine_errors(host.short, f"making {GWBRIDGE}"):
        for found in client.api.networks(names=[GWBRIDGE]):
            if found["Name"] != GWBRIDGE:
                continue
            if _subnets(found) == [subnet]:
                return
            log(f"removing {GWBRIDGE} with its addresses out of {', '.join(_subnets(found))}")
            client.api.remove_network(found["Id"])
        client.api.create_network(
            GWBRIDGE,
            driver="bridge",
            options={
                "com.docker.network.bridge.name": GWBRIDGE,
                "com.docker.network.bridge.enable_icc": "false",
                "com.docker.network.bridge.enable_ip_masquerade": "true",
            },
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]),
        )
    log(f"made {GWBRIDGE} with addresses out of {subnet}")


def ensure_ingress(host: Host, client: DockerClient, options: SwarmOptions, log: Log) -> None:
    """Make the network of the routing mesh one with the wanted addresses; no service may publish by it meanwhile."""
    if options.pools is None:
        return
    subnet = options.pools.ingress
    with engine_errors(host.short, "making the ingress network"):
        existing = [network for network in client.api.networks() if network.get("Ingress")]
        if [_subnets(network) for network in existing] == [[str(subnet)]]:
            return
        for network in existing:
            log(
                f"removing network {network['Name']} with its addresses out of {', '.join(_subnets(network))}"
            )
            client.api.remove_network(network["Id"])

        def made() -> bool:
            client.api.create_network(
                "ingress",
                driver="overlay",
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))]),
                ingress=True,
                scope="swarm",
            )
            return True

        # The old one takes a moment to go.
        wait_for(made, "the ingress network to be made", READY_PATIENCE, retry=APIError)
    log(f"made network ingress with addresses out of {subnet}")


def _subnets(network: Json) -> list[str]:
    """Return a network's subnets."""
    return [config["Subnet"] for config in (network.get("IPAM") or {}).get("Config") or ()]
