"""Provider `azure`: each host is a virtual machine at Azure, in a resource group of the stage's own.

All that belongs to a stage carries its tags, and those tags are all that is known of it: nothing is kept elsewhere.
Azure's SDK is an extra, and is imported when Azure is asked something, never before.

Things have one name each in their group, so that two runs that make one come to the same.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from model.hosts.firewall import inbound
from model.hosts.placement import subnets
from model.json_types import Json
from model.keys.digest import key_of
from model.site import AzureStage
from model.stage import Stage
from providers.azure.api import RETRY_TIMEOUT, AzureApi, properties
from providers.azure.check import AzureCheck
from providers.azure.errors import is_transient, is_transient_on_delete
from providers.azure.host import AzureHosts, is_running, machine_of
from providers.azure.image import AzureImages
from providers.azure.network import GROUP, AzureNetwork, is_going, is_public, named
from providers.azure.nfs import SMALLEST, AzureFileSystem
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
)
from providers.cloud.retry import RetryPolicy
from remote.ssh.ssh_files import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""


class AzureProvider(CloudProvider[AzureStage]):
    """Hosts that are virtual machines at Azure.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by azure-identity itself.

    """

    name: ClassVar[str] = "azure"
    retry_policy: ClassVar[RetryPolicy] = RetryPolicy(is_transient, RETRY_TIMEOUT)
    delete_policy: ClassVar[RetryPolicy] = RetryPolicy(is_transient_on_delete, RETRY_TIMEOUT)

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        super().__init__(stage, AzureStage)
        config = self._config
        self._api = AzureApi(stage, config)
        self._images = AzureImages(self._api, config.image_name)
        self._network = AzureNetwork(stage, config, self._api)
        self._nfs = AzureFileSystem(stage, config, self._api, self._network)
        self._hosts: AzureHosts = AzureHosts(stage, config, files, self._api, self._network, self._images)

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return resource group, network, subnets, firewall, public addresses, file system and hosts."""
        config, plans = self._config, subnets(self._config)
        return (
            Resource(
                GROUP, {"region": config.region}, doc="the resource group that holds all other resources"
            ),
            Resource(
                NETWORK,
                {"layout": LAYOUT, "cidr": str(config.cidr)},
                needs=(GROUP,),
                doc=f"the virtual network of the hosts, {config.cidr} in {config.region}",
                quota_usage={"networks": 1},
            ),
            *(
                Resource(
                    SUBNET + plan.name,
                    {"cidr": plan.cidr},
                    settings={"storage": str(config.nfs)},
                    needs=(NETWORK,),
                    doc=f"the subnet {plan.cidr}",
                )
                for plan in plans
            ),
            firewall_resource(self._stage, LAYOUT, (GROUP,)),
            *address_resources(self._stage, (GROUP,)),
            *(
                [
                    Resource(
                        NFS,
                        {"layout": LAYOUT},
                        needs=tuple(SUBNET + plan.name for plan in plans),
                        doc="the share of Azure Files for volumes, and the data on it",
                        quota_usage={"file systems": 1, "GiB of Azure Files": SMALLEST},
                        costs={"GiB of Azure Files": SMALLEST},
                    )
                ]
                if config.nfs
                else []
            ),
            *host_resources(self._specs(), self._hosts.inputs),
        )

    def place(self) -> Mapping[str, str]:
        """Return the region and the subscription."""
        return {"region": self._config.region, "subscription_id": self._api.known_subscription}

    def place_of(self, inputs: Mapping[str, str], identifier: str) -> Mapping[str, str]:
        """Return the region of the resource group, and the subscription that ids begin with."""
        subscription = re.match(r"/subscriptions/([^/]+)/", identifier)
        found = {"subscription_id": subscription[1]} if subscription else {}
        return {**found, "region": inputs["region"]} if "region" in inputs else found

    def check(self) -> Sequence[str]:
        """Return the problems with credentials, permissions, services, sizes, zones, images and quotas."""
        return list(AzureCheck(self._stage, self._config, self.found, self._api, self._images).problems())

    # -- what there is -------------------------------------------------------------------------------------------------

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's tags: one listing for each kind of thing, all at a time."""
        self._api.connect()
        groups, networks, firewalls, addresses, accounts, interfaces, machines, power_states = together(
            lambda: [one for one in [self._network.group()] if one is not None],
            self._network.networks,
            self._network.firewalls,
            self._network.addresses,
            self._nfs.listing,
            self._network.interfaces,
            self._hosts.virtual_machines,
            self._hosts.power_states,
        )
        found: dict[str, Found] = {}
        for name, key, thing in named((*groups, *networks)):
            found[name] = Found(name, "" if is_going(thing) else key, str(thing["id"]))
        for network in networks:
            for subnet in map(self._found_subnet, properties(network).get("subnets") or ()):
                found[subnet.name] = subnet
        for name, key, thing in named((*firewalls, *addresses, *accounts)):
            drift = self._network.drift(thing, inbound(self._stage)) if name == FIREWALL else ""
            identifier = self._nfs.mount_source(thing["name"]) if name == NFS else str(thing["id"])
            found[name] = Found(name, key, identifier, drift=drift)
        for host in self._found_hosts(machines, power_states, interfaces):
            found.setdefault(host.name, host)
        return found

    def _found_subnet(self, subnet: Json) -> Found:
        """Return a subnet as it was found: it has no tags, but all its inputs can be seen."""
        name = SUBNET + subnet["name"]
        plan = next((plan for plan in subnets(self._config) if SUBNET + plan.name == name), None)
        identifier = self._network.subnet_id(subnet["name"])
        if plan is None or properties(subnet)["addressPrefix"] != plan.cidr:
            return Found(name, "", identifier)
        key = key_of({"cidr": plan.cidr})
        drift = "" if self._network.is_as_wanted(plan, subnet) else f"{plan.name} has no way to Azure Files"
        return Found(name, key, identifier, drift=drift)

    def _found_hosts(
        self, machines: list[Json], power_states: list[Json], interfaces: list[Json]
    ) -> Iterator[Found]:
        """Yield the hosts as they were found; an interface without a machine is a half made host."""
        running = {str(one["id"]).lower() for one in power_states if is_running(one)}
        own_interfaces = {name: thing for name, _, thing in named(interfaces)}
        for answer in machines:
            machine = machine_of(answer, is_running=str(answer["id"]).lower() in running)
            interface = own_interfaces.get(machine.name)
            yield self._found_host(machine, is_public=interface is not None and is_public(interface))
        for name, interface in own_interfaces.items():
            yield Found(name, "", str(interface["id"]), running=False, is_host=True)

    # -- making it so --------------------------------------------------------------------------------------------------

    def _kinds(self) -> Mapping[str, ResourceKind]:
        """Return all kinds but hosts."""
        network, nfs = self._network, self._nfs
        rules = inbound(self._stage)
        return {
            GROUP: ResourceKind.single(network.ensure_group, network.remove_group),
            NETWORK: ResourceKind.single(network.ensure, network.remove),
            SUBNET: ResourceKind(
                lambda name, _, log: network.ensure_subnet(self._plan(name), log),
                lambda name, log: network.remove_subnet(name.removeprefix(SUBNET), log),
            ),
            FIREWALL: ResourceKind.single(partial(network.ensure_firewall, rules), network.remove_firewall),
            ADDRESS: ResourceKind(network.ensure_address, network.remove_address),
            NFS: ResourceKind.single(nfs.ensure, nfs.remove),
        }
