"""Provider `azure`: each host is a virtual machine at Azure, in a resource group of the stage's own.

What belongs to a stage carries its tags, and those tags are all that is known of it: nothing is kept elsewhere.
Azure's SDK is an extra, and is imported when Azure is asked something, never before.

Things have one name each in their group, so that two runs that make one come to the same. Whatever fails with what
passes by itself is not repeated call by call: the whole resource is ensured again, and looks before it makes.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ClassVar

from model.hosts.firewall import inbound
from model.hosts.placement import subnets
from model.json_types import Json
from model.keys.digest import key_of
from model.labels import KEY_LABEL
from model.stage import Stage
from providers.azure.api import (
    PATIENCE,
    AzureApi,
    config_of,
    is_transient,
    is_transient_on_delete,
    properties,
    tags_of,
)
from providers.azure.check import AzureCheck
from providers.azure.host import AzureHosts, inputs, name_of
from providers.azure.image import AzureImages
from providers.azure.network import GROUP, AzureNetwork, is_going, is_public, named
from providers.azure.nfs import AzureFileSystem
from providers.base import Found, Resource
from providers.cloud.host import settings
from providers.cloud.provider import (
    ADDRESS,
    FIREWALL,
    NETWORK,
    NFS,
    SUBNET,
    CloudProvider,
    Kind,
    RetryPolicy,
    only,
)
from remote.ssh.connection import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""


class AzureProvider(CloudProvider):
    """Hosts that are virtual machines at Azure.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by azure-identity itself.

    """

    name: ClassVar[str] = "azure"
    patience: ClassVar[RetryPolicy] = RetryPolicy(is_transient, is_transient_on_delete, PATIENCE, PATIENCE)

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        self._stage, self._config = stage, config_of(stage)
        self._api = AzureApi(stage)
        self._images = AzureImages(self._api, self._config.image_name)
        self._network = AzureNetwork(stage, self._api)
        self._nfs = AzureFileSystem(stage, self._api, self._network)
        self._hosts: AzureHosts = AzureHosts(stage, files, self._api, self._network, self._images)

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return resource group, network, subnets, firewall, public addresses, file system and hosts."""
        plans = subnets(self._config)
        return (
            Resource(GROUP, {"region": self._config.region}, doc="the resource group of all the rest"),
            Resource(
                NETWORK,
                {"layout": LAYOUT, "cidr": str(self._config.cidr)},
                needs=(GROUP,),
                doc=f"the virtual network of the hosts, {self._config.cidr} in {self._config.region}",
                quota_usage={"networks": 1},
            ),
            *(
                Resource(
                    SUBNET + plan.name,
                    {"cidr": plan.cidr},
                    settings={"storage": str(self._config.nfs)},
                    needs=(NETWORK,),
                    doc=f"the subnet {plan.cidr}",
                )
                for plan in plans
            ),
            self._firewall_resource(LAYOUT, (GROUP,)),
            *self._address_resources((GROUP,)),
            *(
                [
                    Resource(
                        NFS,
                        {"layout": LAYOUT},
                        needs=tuple(SUBNET + plan.name for plan in plans),
                        doc="the share of Azure Files for volumes, and the data on it",
                        quota_usage={"file systems": 1},
                    )
                ]
                if self._config.nfs
                else []
            ),
            *self._host_resources(inputs, settings),
        )

    def check(self) -> Sequence[str]:
        """Return what stands in the way: credentials, sizes, zones, images, quotas."""
        return list(AzureCheck(self._stage, self._api, self._images, self.found).problems())

    # -- what there is -------------------------------------------------------------------------------------------------

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's tags: one listing for each kind of thing, all at a time."""
        self._api.connect()
        looks: list[Callable[[], list[Json]]] = [
            lambda: [one for one in [self._network.group()] if one is not None],
            self._network.networks,
            self._network.firewalls,
            self._network.addresses,
            self._nfs.listing,
            self._network.interfaces,
            self._hosts.machines,
        ]
        with ThreadPoolExecutor(max_workers=len(looks) + 1) as pool:
            running_look = pool.submit(self._hosts.running)
            groups, networks, firewalls, addresses, accounts, interfaces, machines = pool.map(
                lambda look: look(), looks
            )
            running = running_look.result()
        found: dict[str, Found] = {}
        for name, key, thing in named((*groups, *networks)):
            found[name] = Found(name, "" if is_going(thing) else key, str(thing["id"]))
        for network in networks:
            for subnet in properties(network).get("subnets") or ():
                one = self._found_subnet(subnet)
                found[one.name] = one
        for name, key, thing in named((*firewalls, *addresses, *accounts)):
            drift = self._network.drift(thing, inbound(self._stage)) if name == FIREWALL else ""
            identifier = self._nfs.address(thing["name"]) if name == NFS else str(thing["id"])
            found[name] = Found(name, key, identifier, drift=drift)
        homes = {name: thing for name, _, thing in named(interfaces)}
        for machine in machines:
            one = self._found_host(machine, running, homes.get(name_of(machine)))
            found[one.name] = one
        for name, thing in homes.items():
            # What is left of a host, or not yet one.
            found.setdefault(name, Found(name, "", str(thing["id"]), running=False, is_host=True))
        return found

    def _found_subnet(self, subnet: Json) -> Found:
        """Return a subnet as it was found: it has no tags, but all that makes it what it is."""
        name = SUBNET + subnet["name"]
        plan = next((plan for plan in subnets(self._config) if SUBNET + plan.name == name), None)
        identifier = self._network.subnet_id(subnet["name"])
        if plan is None or properties(subnet)["addressPrefix"] != plan.cidr:
            return Found(name, "", identifier)
        key = key_of({"cidr": plan.cidr})
        drift = "" if self._network.is_as_wanted(plan, subnet) else f"{plan.name} has no way to Azure Files"
        return Found(name, key, identifier, drift=drift)

    def _found_host(self, machine: Json, running: set[str], interface: Json | None) -> Found:
        """Return a host as it was found."""
        name, there = name_of(machine), properties(machine)
        host = self._wanted(name)
        changes = self._hosts.changes(host, machine) if host is not None else ""
        drift = f"{name} {changes}" if changes else ""
        if interface is not None and not changes:
            drift = self._public_drift(name, has=is_public(interface))
        is_broken = there["provisioningState"] in {"Failed", "Canceled", "Deleting"}
        return Found(
            name,
            "" if is_broken else tags_of(machine).get(KEY_LABEL, ""),
            str(there["vmId"]),
            running=not is_broken and str(machine["id"]).lower() in running,
            is_host=True,
            drift=drift,
            must_stop=bool(changes),
        )

    # -- making it so --------------------------------------------------------------------------------------------------

    def _kinds(self) -> Mapping[str, Kind]:
        """Return how all but hosts is made."""
        network, nfs = self._network, self._nfs
        rules = inbound(self._stage)
        return {
            GROUP: only(network.ensure_group, network.remove_group),
            NETWORK: only(network.ensure, network.remove),
            FIREWALL: only(partial(network.ensure_firewall, rules), network.remove_firewall),
            NFS: only(nfs.ensure, nfs.remove),
            ADDRESS: Kind(network.ensure_address, network.remove_address),
            SUBNET: Kind(
                lambda name, _, log: network.ensure_subnet(self._plan(name), log),
                lambda name, log: network.remove_subnet(name.removeprefix(SUBNET), log),
            ),
        }
