"""Provider `aws`: each host is an instance of Amazon EC2, in a VPC of the stage's own.

What belongs to a stage carries its tags, and those tags are all that is known of it: nothing is kept elsewhere.
boto3 is imported when Amazon is asked something, never before.

Whatever fails with what passes by itself (Amazon is busy, an answer was lost, a thing just made is not known
everywhere yet) is not repeated call by call: the whole resource is ensured again, and looks before it makes.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from model.firewall import inbound, rule_inputs
from model.placement import subnets
from model.record import FactRecord, Record
from model.stage import Stage
from providers.aws_api import KEY, NAME, PATIENCE, Api, Json, of_stage, passes, passes_at_removal, tags_of
from providers.aws_check import Check
from providers.aws_host import ADDRESS, Hosts, config_of, inputs, is_alive
from providers.aws_image import Images
from providers.aws_network import FIREWALL, NETWORK, SUBNET, Network, as_kept, rules_of
from providers.aws_nfs import NFS, FileSystem
from providers.base import Found, Provider, Resource, Say
from providers.cloud import lock_of, rules_drift
from providers.cloud_host import data_size, disk_size, instance_type, settings
from providers.cloud_wait import PACE, insist
from remote.ssh import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""

_REMOVAL_PATIENCE = 180.0


class AwsProvider(Provider):
    """Hosts that are instances at Amazon.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by boto3 itself.

    """

    name: ClassVar[str] = "aws"

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        self._stage, self._config = stage, config_of(stage)
        self._api = Api(self._config.region)
        self._images = Images(self._api, self._config.image_name)
        self._network = Network(stage, self._api)
        self._nfs = FileSystem(stage, self._api, self._network)
        self._hosts = Hosts(stage, files, self._api, self._network, self._images)

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return network, subnets, firewall, public addresses, file system and hosts."""
        plans = subnets(self._config)
        within = tuple(SUBNET + plan.name for plan in plans)
        return (
            Resource(
                NETWORK,
                {"layout": LAYOUT, "cidr": str(self._config.cidr)},
                doc=f"the VPC of the hosts, {self._config.cidr} in {self._config.region}",
                counts={"VPCs": 1},
            ),
            *(
                Resource(
                    SUBNET + plan.name,
                    {"cidr": plan.cidr, "zone": plan.zone},
                    needs=(NETWORK,),
                    doc=f"{plan.cidr} in zone {plan.zone}",
                )
                for plan in plans
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
                        {
                            "encrypted": str(self._config.disk_encrypted),
                            "kms_key_id": str(self._config.kms_key_id),
                        },
                        needs=(*within, FIREWALL),
                        doc="the file system for volumes, and the data on it",
                        counts={"file systems": 1},
                    )
                ]
                if self._config.nfs
                else []
            ),
            *(
                Resource(
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
                        "disks": 1 + bool(data_size(self._stage, host)),
                        "GiB of disk": disk_size(self._stage, host) + data_size(self._stage, host),
                    },
                )
                for host in self._stage.hosts
            ),
        )

    def check(self) -> Sequence[str]:
        """Return what stands in the way: credentials, permissions, zones, types, images, quotas."""
        return list(Check(self._stage, self._api, self._images, self.found).problems())

    # -- what there is -------------------------------------------------------------------------------------------------

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's tags: one listing for each kind of thing, all at a time."""
        mine = of_stage(self._stage)
        looks: list[Callable[[], list[Json]]] = [
            self._network.vpcs,
            lambda: self._api.listing("describe_subnets", "Subnets", Filters=mine),
            self._network.groups,
            self._hosts.addresses,
            self._nfs.listing,
            self._hosts.instances,
        ]
        # The SDK's import is no matter for threads.
        self._api.client("ec2")
        with ThreadPoolExecutor(max_workers=len(looks)) as pool:
            vpcs, parts, groups, addresses, systems, instances = pool.map(lambda look: look(), looks)
        found: dict[str, Found] = {}
        for things, identifier in (
            (vpcs, "VpcId"), (parts, "SubnetId"), (groups, "GroupId"), (addresses, "AllocationId"),
            (systems, "FileSystemId"),
        ):  # fmt: skip
            for thing in things:
                tags = tags_of(thing)
                name = tags.get(NAME, "")
                drift = self._rules_drift(thing) if identifier == "GroupId" else ""
                found.setdefault(name, Found(name, tags.get(KEY, ""), str(thing[identifier]), drift=drift))
        public = {address.get("InstanceId"): address["PublicIp"] for address in addresses}
        for instance in instances:
            if instance["State"]["Name"] != "terminated":
                thing = self._found_host(instance, public.get(instance["InstanceId"]))
                found.setdefault(thing.name, thing)
        return found

    def _found_host(self, instance: Json, public: str | None) -> Found:
        """Return a host as it was found."""
        tags = tags_of(instance)
        name = tags.get(NAME, "")
        host = next((host for host in self._stage.hosts if host.short == name), None)
        if not is_alive(instance):
            # Still there: it has the host's address, and disks, for a moment.
            return Found(name, "", str(instance["InstanceId"]), running=False, is_host=True)
        drift = ""
        must_stop = host is not None and instance["InstanceType"] != instance_type(self._stage, host)
        if host is not None and must_stop:
            drift = f"{name} is a {instance['InstanceType']}"
        elif host is not None and (public is not None) != self._stage.has_public_address(host):
            drift = f"{name} has a public address" if public else f"{name} has lost its public address"
        return Found(
            name,
            tags.get(KEY, ""),
            str(instance["InstanceId"]),
            running=instance["State"]["Name"] == "running",
            is_host=True,
            drift=drift,
            must_stop=must_stop,
        )

    def _rules_drift(self, group: Json) -> str:
        """Return how the security group's rules differ from those that are wanted."""
        there, wanted = rules_of(group).keys(), set(map(as_kept, inbound(self._stage)))
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
            return FactRecord(id=self._hosts.ensure_address(name, key, say))
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
            self._hosts.release_address(name, say)
        else:
            self._hosts.remove(name, say)
