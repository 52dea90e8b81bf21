"""A swarm's built-in networks: the routing mesh's, and the bridge by which services reach the outside."""

from collections.abc import Iterable

from docker import DockerClient
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from model.json_types import Json
from model.log import Log
from model.site.networks import MTU
from model.stage import Host
from model.swarm.address_pools import SwarmOptions
from remote.engine.client import engine_errors
from remote.mother.wait import wait_for
from remote.swarm.nodes import READY_PATIENCE

GWBRIDGE = "docker_gwbridge"
_ETHERNET = 1500


def small_mtu(client: DockerClient) -> int:
    """Return the MTU of an engine's own bridge where it is smaller than Ethernet's, else 0.

    Set-up gives it that of the host's way out (`fitting` in `remote/hostsetup/scripts/prelude.sh`). The engine makes
    all other networks with 1500, whatever its own bridge has:
    https://docs.docker.com/engine/daemon/ (mtu), https://docs.docker.com/engine/network/drivers/overlay/
    """
    for found in client.api.networks(names=["bridge"]):
        if found["Name"] == "bridge":
            size = _mtu(found)
            return size if size < _ETHERNET else 0
    return 0


def smallest_mtu(clients: Iterable[DockerClient]) -> int:
    """Return the smallest MTU of some engines' own bridges below Ethernet's, 0 if there is none."""
    return min((mtu for mtu in map(small_mtu, clients) if mtu), default=0)


def bridge_mtus(client: DockerClient) -> dict[str, int]:
    """Return the MTU of the containers at each of an engine's bridges that lead out."""
    names = {"bridge": "docker0", GWBRIDGE: GWBRIDGE}
    return {
        names[found["Name"]]: _mtu(found) or _ETHERNET
        for found in client.api.networks(names=list(names))
        if found["Name"] in names
    }


def _mtu(network: Json) -> int:
    """Return the MTU that a network was made with; 0 if it has the usual one."""
    text = str((network.get("Options") or {}).get(MTU, ""))
    return int(text) if text.isdecimal() else 0


def ensure_gwbridge(host: Host, client: DockerClient, options: SwarmOptions, log: Log) -> None:
    """Make the bridge by which services reach the outside, before the engine makes it: by joining a swarm."""
    with engine_errors(host.short, f"making {GWBRIDGE}"):
        mtu = small_mtu(client)
        if options.pools is None and not mtu:
            return
        subnet = str(options.pools.gwbridge) if options.pools is not None else ""
        for found in client.api.networks(names=[GWBRIDGE]):
            if found["Name"] != GWBRIDGE:
                continue
            if (not subnet or _subnets(found) == [subnet]) and mtu in {0, _mtu(found)}:
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
                **({MTU: str(mtu)} if mtu else {}),
            },
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]) if subnet else None,
        )
    log(f"made {GWBRIDGE}{_about(subnet, mtu)}")


def _about(subnet: str, mtu: int) -> str:
    """Return how a network was made, for a log. Pure."""
    size = f", packets of {mtu} bytes at most" if mtu else ""
    return (f" with addresses out of {subnet}" if subnet else "") + size


def ensure_ingress(host: Host, client: DockerClient, options: SwarmOptions, log: Log) -> None:
    """Make the routing mesh's network exist, with the wanted addresses and packets no larger than the host's network.

    One whose packets are too large stays where services publish by it: it can't be replaced under them. One that a
    killed run, or somebody, took away is made again; without addresses of site.toml's the swarm chooses its own.
    """
    subnet = options.pools.ingress if options.pools is not None else None
    with engine_errors(host.short, "making the ingress network"):
        mtu = small_mtu(client)
        existing = _ingress(client)
        fits = len(existing) == 1 and (subnet is None or _subnets(existing[0]) == [str(subnet)])
        # Another hive's network may take packets that are smaller still.
        if fits and (not mtu or (_mtu(existing[0]) or _ETHERNET) <= mtu or _is_published_by(client)):
            return
        pools = [IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))] if subnet is not None else []
        if subnet is None and existing:
            pools = [
                IPAMPool(subnet=config["Subnet"], gateway=config.get("Gateway"))
                for config in (existing[0].get("IPAM") or {}).get("Config") or ()
            ]
        for network in existing:
            log(
                f"removing network {network['Name']} with its addresses out of {', '.join(_subnets(network))}"
            )
            client.api.remove_network(network["Id"])

        def made() -> bool:
            if not existing and _ingress(client):
                return True
            client.api.create_network(
                "ingress",
                driver="overlay",
                options={MTU: str(mtu)} if mtu else None,
                ipam=IPAMConfig(pool_configs=pools) if pools else None,
                ingress=True,
                scope="swarm",
            )
            return True

        # The old one takes a moment to go.
        wait_for(made, "the ingress network to be made", READY_PATIENCE, retry=APIError)
    log(f"made network ingress{_about(str(subnet or ''), mtu)}")


def _ingress(client: DockerClient) -> list[Json]:
    """Return the network of the routing mesh, if there is one."""
    return [network for network in client.api.networks() if network.get("Ingress")]


def _is_published_by(client: DockerClient) -> bool:
    """Return whether a service publishes a port by the routing mesh; the swarm then keeps its network."""
    return any(
        port.get("PublishMode", "ingress") == "ingress"
        for service in client.api.services()
        for port in (service["Spec"].get("EndpointSpec") or {}).get("Ports") or ()
    )


def _subnets(network: Json) -> list[str]:
    """Return a network's subnets."""
    return [config["Subnet"] for config in (network.get("IPAM") or {}).get("Config") or ()]
