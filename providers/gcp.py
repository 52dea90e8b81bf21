"""Provider `gcp`: each host is an instance of Compute Engine, in a VPC of the stage's own.

What belongs to a stage carries its mark as the description, and labels where Google has them; those are all that is
known of it: nothing is kept elsewhere. The SDK is imported when Google is asked something, never before.

Things have one name each in their project, so that two runs that make one come to the same. What was lost on the way is
asked for again with the same request id; whatever else passes by itself has the whole resource ensured again.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from model.firewall import inbound, rule_inputs
from model.placement import subnets, zones
from model.record import FactRecord, Record
from model.stage import Host, Stage
from providers.base import Found, Provider, Resource, Say
from providers.cloud import lock_of, rules_drift
from providers.cloud_host import data_size, disk_size, instance_type, mark_of, settings
from providers.cloud_wait import PACE, insist
from providers.gcp_api import PATIENCE, Api, Json, passes, passes_at_removal
from providers.gcp_check import Check
from providers.gcp_host import Hosts, inputs, is_public, last
from providers.gcp_image import Images
from providers.gcp_network import ADDRESS, FIREWALL, NETWORK, SUBNET, Network, config_of, rules_of
from providers.gcp_nfs import NFS, FileSystem, mount_of
from remote.ssh import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""

_REMOVAL_PATIENCE = 180.0


class GcpProvider(Provider):
    """Hosts that are instances at Google.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by the SDK itself.

    """

    name: ClassVar[str] = "gcp"

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        self._stage, self._config = stage, config_of(stage)
        self._api = Api(self._config.project, self._config.region)
        self._images = Images(self._api, self._config.image_name)
        self._network = Network(stage, self._api)
        self._nfs = FileSystem(stage, self._api, self._network)
        self._hosts = Hosts(stage, files, self._api, self._network, self._images)

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return network, subnets, firewall, public addresses, file system and hosts."""
        config = self._config
        return (
            Resource(
                NETWORK,
                {"layout": LAYOUT},
                doc=f"the VPC of the hosts, in {config.region}",
                counts={"networks": 1},
            ),
            *(
                Resource(
                    SUBNET + plan.name, {"cidr": plan.cidr}, needs=(NETWORK,), doc=f"the subnet {plan.cidr}"
                )
                for plan in subnets(config)
            ),
            Resource(
                FIREWALL,
                {"layout": LAYOUT},
                settings=rule_inputs(inbound(self._stage)),
                needs=(NETWORK,),
                doc="what the hosts let in: ssh, published ports, one another",
            ),
            *(
                Resource(
                    ADDRESS + host.short,
                    {"host": host.short},
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
                        {"tier": config.filestore_tier, "zone": zones(config)[0]},
                        needs=(NETWORK,),
                        doc="the Filestore for volumes, and the data on it",
                        counts={"file systems": 1, "GiB of Filestore": config.filestore_capacity},
                    )
                ]
                if config.nfs
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
                NETWORK,
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
        """Return what stands in the way: credentials, permissions, zones, machine types, images, quotas."""
        return list(Check(self._stage, self._api, self._images, self.found).problems())

    # -- what there is -------------------------------------------------------------------------------------------------

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's mark: one listing for each kind of thing, all at a time."""
        looks: list[Callable[[], list[Json]]] = [
            self._network.networks,
            self._network.subnets,
            self._network.firewalls,
            self._network.addresses,
            self._nfs.listing,
            self._hosts.instances,
        ]
        self._api.client("Networks")  # the SDK's import is no matter for threads
        with ThreadPoolExecutor(max_workers=len(looks)) as pool:
            networks, parts, rules, addresses, systems, instances = pool.map(lambda look: look(), looks)
        found: dict[str, Found] = {}
        for things in (networks, parts, rules[:1], addresses, systems):
            for thing in things:
                name, key = mark_of(self._stage, thing.get("description"))
                drift = self._rules_drift(rules) if things == rules[:1] and name == FIREWALL else ""
                if name == FIREWALL:
                    identifier = self._network.name(FIREWALL)
                else:
                    identifier = mount_of(thing) if name == NFS else str(thing["id"])
                found.setdefault(name, Found(name, key, identifier, drift=drift))
        for instance in instances:
            one = self._found_host(instance)
            found.setdefault(one.name, one)
        return found

    def _found_host(self, instance: Json) -> Found:
        """Return a host as it was found."""
        name, key = mark_of(self._stage, instance.get("description"))
        host = next((host for host in self._stage.hosts if host.short == name), None)
        drift, must_stop = "", False
        if host is not None:
            kind = last(instance["machineType"])
            must_stop = kind != instance_type(self._stage, host)
            has = is_public(instance)
            if must_stop:
                drift = f"{name} is a {kind}"
            elif has != self._stage.has_public_address(host):
                drift = f"{name} has a public address" if has else f"{name} has lost its public address"
        return Found(
            name,
            key,
            str(instance["id"]),
            running=instance["status"] == "RUNNING",
            is_host=True,
            drift=drift,
            must_stop=must_stop,
        )

    def _rules_drift(self, firewalls: list[Json]) -> str:
        """Return how the firewall's rules differ from those that are wanted."""
        there, wanted = rules_of(firewalls), set(inbound(self._stage))
        return rules_drift(there, wanted)

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
        if name == NETWORK:
            return FactRecord(id=self._network.ensure(key, say))
        if name == FIREWALL:
            return FactRecord(id=self._network.ensure_firewall(inbound(self._stage), key, say))
        if name == NFS:
            return FactRecord(id=self._nfs.ensure(key, say))
        if name.startswith(ADDRESS):
            return FactRecord(id=self._network.ensure_address(name, key, say))
        plan = next(plan for plan in subnets(self._config) if SUBNET + plan.name == name)
        return FactRecord(id=self._network.ensure_subnet(plan, key, say))

    def halt(self, name: str, say: Say) -> None:
        """Stop a host in order."""
        insist(lambda: self._hosts.stop(name, say), passes, PATIENCE, say, PACE)

    def remove(self, name: str, say: Say) -> None:
        """Remove what has a name; what used it may take a moment to be wholly gone."""
        insist(lambda: self._remove(name, say), passes_at_removal, _REMOVAL_PATIENCE, say, PACE)

    def _remove(self, name: str, say: Say) -> None:
        """Remove what has a name."""
        if name == NETWORK:
            self._network.remove(say)
        elif name == FIREWALL:
            self._network.remove_firewall(say)
        elif name == NFS:
            self._nfs.remove(say)
        elif name.startswith(SUBNET):
            self._network.remove_subnet(name, say)
        elif name.startswith(ADDRESS):
            self._network.release_address(name, say)
        else:
            self._hosts.remove(name, say)
