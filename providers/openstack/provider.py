"""Provider `openstack`: each host is a server of OpenStack, in a network of the stage's own.

All that belongs to a stage carries its tag, and those tags are all that is known of it: nothing is kept elsewhere.
openstacksdk is an extra, and is imported when OpenStack is asked something, never before.

OpenStack knows no idempotency tokens: of two things that two runs made at once, both use the older.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from model.hosts.firewall import inbound
from model.hosts.placement import subnets
from model.json_types import Json
from model.site import OpenStackStage
from model.stage import Stage
from providers.base import Found, Resource
from providers.cloud.provider import CloudProvider, ResourceKind, together
from providers.cloud.resources import (
    ADDRESS,
    FIREWALL,
    NETWORK,
    NFS,
    SUBNET,
    address_resources,
    firewall_resource,
    host_resources,
    rules_drift,
)
from providers.cloud.retry import RetryPolicy
from providers.openstack.api import RETRY_TIMEOUT, OpenStackApi
from providers.openstack.check import OpenStackCheck
from providers.openstack.errors import is_transient
from providers.openstack.host import OpenStackHosts
from providers.openstack.image import OpenStackImages
from providers.openstack.network import OpenStackNetwork, rules_of
from providers.openstack.nfs import OpenStackFileSystem, mount_source
from providers.openstack.server import machine_of
from remote.ssh.ssh_files import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""


class OpenStackProvider(CloudProvider[OpenStackStage]):
    """Hosts that are servers at OpenStack.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by openstacksdk itself.

    """

    name: ClassVar[str] = "openstack"
    retry_policy: ClassVar[RetryPolicy] = RetryPolicy(is_transient, RETRY_TIMEOUT)
    delete_policy: ClassVar[RetryPolicy] = retry_policy

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        super().__init__(stage, OpenStackStage)
        config = self._config
        self._api = OpenStackApi(config.cloud, config.region)
        self._images = OpenStackImages(self._api, config.image_name)
        self._network = OpenStackNetwork(stage, config, self._api)
        self._nfs = OpenStackFileSystem(stage, config, self._api, self._network)
        self._hosts: OpenStackHosts = OpenStackHosts(
            stage, config, files, self._api, self._network, self._images
        )

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return network, subnets, firewall, floating IPs, file system and hosts."""
        config, plans = self._config, subnets(self._config)
        return (
            Resource(
                NETWORK,
                {"layout": LAYOUT, "external_network": str(config.external_network)},
                doc="the network of the hosts, and the router that leads out of it",
                quota_usage={"networks": 1, "routers": 1},
            ),
            *(
                Resource(
                    SUBNET + plan.name,
                    {"cidr": plan.cidr},
                    settings={"dns_servers": ", ".join(config.dns_servers)} if config.dns_servers else {},
                    needs=(NETWORK,),
                    doc=f"the subnet {plan.cidr}",
                )
                for plan in plans
            ),
            firewall_resource(self._stage, LAYOUT),
            *address_resources(self._stage, (NETWORK,), "floating IP"),
            *(
                [
                    Resource(
                        NFS,
                        {"share_type": str(config.share_type)},
                        settings={"share_size": str(config.share_size)},
                        needs=(NETWORK, *(SUBNET + plan.name for plan in plans)),
                        doc="the share of Manila for volumes, and the data on it",
                        quota_usage={"file systems": 1, "GiB of file system": config.share_size},
                        costs={"GiB of file system": config.share_size},
                    )
                ]
                if config.nfs
                else []
            ),
            *host_resources(self._specs(), self._hosts.inputs),
        )

    def place(self) -> Mapping[str, str]:
        """Return the cloud, as clouds.yaml or OS_CLOUD calls it, the region, and the project's id."""
        cloud = self._config.cloud or os.environ.get("OS_CLOUD", "")
        region = self._config.region or os.environ.get("OS_REGION_NAME", "")
        return {"cloud": cloud, "region": region, "project": self._api.known_project}

    def check(self) -> Sequence[str]:
        """Return the problems with credentials, roles, flavors, image, zones, external network and quotas."""
        return list(
            OpenStackCheck(
                self._stage,
                self._config,
                self.found,
                self._api,
                self._images,
                self._network,
                self._nfs,
            ).problems()
        )

    # -- what there is -------------------------------------------------------------------------------------------------

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's tag: one listing for each kind of thing, all at a time."""
        self._api.project  # noqa: B018 - to sign in is no matter for threads
        volumes: list[Json] = []

        def servers_with_volumes() -> list[Json]:
            listed = self._hosts.servers()
            volumes.extend(self._hosts.volumes_of(listed))
            return listed

        networks, routers, parts, groups, addresses, ports, shares, servers = together(
            partial(self._network.listing, "networks"),
            partial(self._network.listing, "routers"),
            partial(self._network.listing, "subnets"),
            partial(self._network.listing, "security-groups"),
            partial(self._network.listing, "floatingips"),
            lambda: self._api.listing("network", "/ports", "ports"),
            self._nfs.listing,
            servers_with_volumes,
        )
        found: dict[str, Found] = {}
        led_out = self._network.interfaces(ports)
        for thing in (*networks, *routers, *parts, *groups, *addresses):
            name, key = self._network.parse_tag(thing)
            # Without a way out it is not finished.
            whole = (thing not in networks or bool(routers)) and (
                thing not in parts or thing["id"] in led_out
            )
            drift = self._rules_drift(thing) if thing in groups else ""
            drift = self._network.subnet_drift(thing) if thing in parts else drift
            found.setdefault(name, Found(name, key if whole else "", str(thing["id"]), drift=drift))
        for share in shares:
            name, key = self._network.parse_tag(share)
            is_good = share["status"] not in {"error", "deleting", "error_deleting"}
            drift = self._nfs.drift(share)
            found.setdefault(name, Found(name, key if is_good else "", mount_source(share), drift=drift))
        public = {address["port_id"] for address in addresses if address["port_id"]}
        for host in self._found_hosts(servers, volumes, ports, public):
            found.setdefault(host.name, host)
        return found

    def _found_hosts(
        self, servers: list[Json], volumes: list[Json], ports: list[Json], public: set[str]
    ) -> Iterator[Found]:
        """Yield the hosts as they were found; a port without a server is a half made host.

        Args:
            servers: The stage's servers.
            volumes: All volumes of the project.
            ports: All ports of the project.
            public: The ids of the ports that floating IPs lead to.

        """
        named = ((self._network.parse_tag(port)[0], port) for port in ports)
        own_ports = {name: port for name, port in named if name}
        for machine in map(machine_of, servers):
            port = own_ports.get(machine.name, {})
            yield self._found_host(machine, volumes, is_public=port.get("id") in public)
        for name, port in own_ports.items():
            yield Found(name, "", str(port["id"]), running=False, is_host=True)

    def _rules_drift(self, group: Json) -> str:
        """Return how the security group's rules differ from those that are wanted."""
        there, wanted = rules_of(group).keys(), set(inbound(self._stage))
        return rules_drift(there, wanted)

    # -- making it so --------------------------------------------------------------------------------------------------

    def _kinds(self) -> Mapping[str, ResourceKind]:
        """Return all kinds but hosts."""
        network, nfs = self._network, self._nfs
        rules = inbound(self._stage)
        return {
            NETWORK: ResourceKind.single(network.ensure, network.remove),
            SUBNET: ResourceKind(
                lambda name, key, log: network.ensure_subnet(self._plan(name), key, log),
                network.remove_subnet,
            ),
            FIREWALL: ResourceKind.single(partial(network.ensure_firewall, rules), network.remove_firewall),
            ADDRESS: ResourceKind(network.ensure_address, network.remove_address),
            NFS: ResourceKind.single(nfs.ensure, nfs.remove),
        }
