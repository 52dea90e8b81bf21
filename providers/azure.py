"""Provider `azure`: each host is a virtual machine at Azure, in a resource group of the stage's own.

What belongs to a stage carries its tags, and those tags are all that is known of it: nothing is kept elsewhere.
Azure's SDK is an extra, and is imported when Azure is asked something, never before.

Things have one name each in their group, so that two runs that make one come to the same. Whatever fails with what
passes by itself is not repeated call by call: the whole resource is ensured again, and looks before it makes.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from model.digest import key_of
from model.firewall import inbound, rule_inputs
from model.placement import subnets
from model.record import FactRecord, Record
from model.stage import Host, Stage
from providers.azure_api import (
    KEY,
    PATIENCE,
    Api,
    Json,
    config_of,
    passes,
    passes_at_removal,
    properties,
    tags_of,
)
from providers.azure_check import Check
from providers.azure_host import Hosts, inputs, name_of
from providers.azure_image import Images
from providers.azure_network import (
    ADDRESS,
    FIREWALL,
    GROUP,
    NETWORK,
    SUBNET,
    Network,
    is_going,
    is_public,
    named,
)
from providers.azure_nfs import NFS, FileSystem
from providers.base import Found, Provider, Resource, Say
from providers.cloud import lock_of
from providers.cloud_host import data_size, disk_size, instance_type, settings
from providers.cloud_wait import PACE, insist
from remote.ssh import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""


class AzureProvider(Provider):
    """Hosts that are virtual machines at Azure.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by azure-identity itself.

    """

    name: ClassVar[str] = "azure"

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        self._stage, self._config = stage, config_of(stage)
        self._api = Api(stage)
        self._images = Images(self._api, self._config.image_name)
        self._network = Network(stage, self._api)
        self._nfs = FileSystem(stage, self._api, self._network)
        self._hosts = Hosts(stage, files, self._api, self._network, self._images)

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
                counts={"networks": 1},
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
            Resource(
                FIREWALL,
                {"layout": LAYOUT},
                settings=rule_inputs(inbound(self._stage)),
                needs=(GROUP,),
                doc="what the hosts let in: ssh, published ports, one another",
            ),
            *(
                Resource(
                    ADDRESS + host.short,
                    {"host": host.short},
                    needs=(GROUP,),
                    doc=f"the public address of {host.name}",
                    counts={"public addresses": 1},
                )
                for host in self._stage.hosts
                if self._stage.has_public_address(host)
            ),
            *(
                [
                    Resource(
                        NFS,
                        {"layout": LAYOUT},
                        needs=tuple(SUBNET + plan.name for plan in plans),
                        doc="the share of Azure Files for volumes, and the data on it",
                        counts={"file systems": 1},
                    )
                ]
                if self._config.nfs
                else []
            ),
            *(self._host_resource(host) for host in self._stage.hosts),
        )

    def _host_resource(self, host: Host) -> Resource:
        """Return a host as it is wanted."""
        data = data_size(self._stage, host)
        return Resource(
            host.short,
            inputs(self._stage, host),
            settings=settings(self._stage, host),
            needs=(
                SUBNET + self._stage.place(host).subnet.name,
                FIREWALL,
                *([ADDRESS + host.short] if self._stage.has_public_address(host) else []),
            ),
            is_host=True,
            doc=f"{host.name}, {instance_type(self._stage, host)} at {host.address}",
            counts={
                "hosts": 1,
                "disks": 1 + bool(data),
                "GiB of disk": disk_size(self._stage, host) + data,
            },
        )

    def check(self) -> Sequence[str]:
        """Return what stands in the way: credentials, sizes, zones, images, quotas."""
        return list(Check(self._stage, self._api, self._images, self.found).problems())

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
        host = next((host for host in self._stage.hosts if host.short == name), None)
        changes = self._hosts.changes(host, machine) if host is not None else ""
        drift = f"{name} {changes}" if changes else ""
        if host is not None and interface is not None and not changes:
            has = is_public(interface)
            if has != self._stage.has_public_address(host):
                drift = f"{name} has a public address" if has else f"{name} has lost its public address"
        is_broken = there["provisioningState"] in {"Failed", "Canceled", "Deleting"}
        return Found(
            name,
            "" if is_broken else tags_of(machine).get(KEY, ""),
            str(there["vmId"]),
            running=not is_broken and str(machine["id"]).lower() in running,
            is_host=True,
            drift=drift,
            must_stop=bool(changes),
        )

    # -- making it so --------------------------------------------------------------------------------------------------

    def ensure(self, resource: Resource, key: str, say: Say) -> Record:
        """Make a thing, finding it first; again where what failed passes by itself."""
        with lock_of(self.name, self._stage, resource):
            return insist(lambda: self._ensure(resource, key, say), passes, PATIENCE, say, PACE)

    def _ensure(self, resource: Resource, key: str, say: Say) -> Record:
        """Make a thing, finding it first."""
        name = resource.name
        if resource.is_host:
            return self._hosts.ensure(self._stage.host(name), key, say)
        if name == GROUP:
            return FactRecord(id=self._network.ensure_group(key, say))
        if name == NETWORK:
            return FactRecord(id=self._network.ensure(key, say))
        if name == FIREWALL:
            return FactRecord(id=self._network.ensure_firewall(inbound(self._stage), key, say))
        if name == NFS:
            return FactRecord(id=self._nfs.ensure(key, say))
        if name.startswith(ADDRESS):
            return FactRecord(id=self._network.ensure_address(name, key, say))
        plan = next(plan for plan in subnets(self._config) if SUBNET + plan.name == name)
        return FactRecord(id=self._network.ensure_subnet(plan, say))

    def halt(self, name: str, say: Say) -> None:
        """Stop a host in order; it is deallocated, and costs nothing but its disks and addresses."""
        insist(lambda: self._hosts.stop(name, say), passes, PATIENCE, say, PACE)

    def remove(self, name: str, say: Say) -> None:
        """Remove what has a name; what used it may take a moment to be wholly gone."""
        insist(lambda: self._remove(name, say), passes_at_removal, PATIENCE, say, PACE)

    def _remove(self, name: str, say: Say) -> None:
        """Remove what has a name."""
        if name == GROUP:
            self._network.remove_group(say)
        elif name == NETWORK:
            self._network.remove(say)
        elif name == FIREWALL:
            self._network.remove_firewall(say)
        elif name == NFS:
            self._nfs.remove(say)
        elif name.startswith(SUBNET):
            self._network.remove_subnet(name.removeprefix(SUBNET), say)
        elif name.startswith(ADDRESS):
            self._network.remove_address(name, say)
        else:
            self._hosts.remove(name, say)
