"""Provider `aws`: each host is an instance of Amazon EC2, in a VPC of the stage's own.

What belongs to a stage carries its tags, and those tags are all that is known of it: nothing is kept elsewhere.
boto3 is imported when Amazon is asked something, never before.

Whatever fails with what passes by itself (Amazon is busy, an answer was lost, a thing just made is not known
everywhere yet) is not repeated call by call: the whole resource is ensured again, and looks before it makes.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ClassVar

from model.hosts.firewall import inbound
from model.hosts.placement import subnets
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL
from model.stage import Stage
from providers.aws.api import PATIENCE, AwsApi, is_transient, is_transient_on_delete, of_stage, tags_of
from providers.aws.check import AwsCheck
from providers.aws.host import AwsHosts, config_of, inputs, is_alive
from providers.aws.image import AwsImages
from providers.aws.network import AwsNetwork, as_kept, rules_of
from providers.aws.nfs import AwsFileSystem
from providers.base import Found, Resource
from providers.cloud.host import instance_type, settings
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
    rules_drift,
)
from remote.ssh.connection import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""


class AwsProvider(CloudProvider):
    """Hosts that are instances at Amazon.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by boto3 itself.

    """

    name: ClassVar[str] = "aws"
    patience: ClassVar[RetryPolicy] = RetryPolicy(is_transient, is_transient_on_delete, PATIENCE, 180.0)

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        self._stage, self._config = stage, config_of(stage)
        self._api = AwsApi(self._config.region)
        self._images = AwsImages(self._api, self._config.image_name)
        self._network = AwsNetwork(stage, self._api)
        self._nfs = AwsFileSystem(stage, self._api, self._network)
        self._hosts: AwsHosts = AwsHosts(stage, files, self._api, self._network, self._images)

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
                quota_usage={"VPCs": 1},
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
            self._firewall_resource(LAYOUT),
            *self._address_resources(),
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
                        quota_usage={"file systems": 1},
                    )
                ]
                if self._config.nfs
                else []
            ),
            *self._host_resources(inputs, settings),
        )

    def check(self) -> Sequence[str]:
        """Return what stands in the way: credentials, permissions, zones, types, images, quotas."""
        return list(AwsCheck(self._stage, self._api, self._images, self.found).problems())

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
        ):  # fmt: skip
            for thing in things:
                tags = tags_of(thing)
                name = tags.get(NAME_LABEL, "")
                drift = self._rules_drift(thing) if identifier == "GroupId" else ""
                found.setdefault(
                    name, Found(name, tags.get(KEY_LABEL, ""), str(thing[identifier]), drift=drift)
                )
        for system in systems:
            tags = tags_of(system)
            found[NFS] = Found(NFS, tags.get(KEY_LABEL, ""), self._nfs.address(system))
        public = {address.get("InstanceId"): address["PublicIp"] for address in addresses}
        for instance in instances:
            if instance["State"]["Name"] != "terminated":
                thing = self._found_host(instance, public.get(instance["InstanceId"]))
                found.setdefault(thing.name, thing)
        return found

    def _found_host(self, instance: Json, public: str | None) -> Found:
        """Return a host as it was found."""
        tags = tags_of(instance)
        name = tags.get(NAME_LABEL, "")
        host = self._wanted(name)
        if not is_alive(instance):
            # Still there: it has the host's address, and disks, for a moment.
            return Found(name, "", str(instance["InstanceId"]), running=False, is_host=True)
        drift = self._public_drift(name, has=public is not None)
        must_stop = host is not None and instance["InstanceType"] != instance_type(self._stage, host)
        if must_stop:
            drift = f"{name} is a {instance['InstanceType']}"
        return Found(
            name,
            tags.get(KEY_LABEL, ""),
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

    def _kinds(self) -> Mapping[str, Kind]:
        """Return how all but hosts is made."""
        network, nfs, hosts = self._network, self._nfs, self._hosts
        rules = inbound(self._stage)
        return {
            NETWORK: only(network.ensure, network.remove),
            FIREWALL: only(partial(network.ensure_firewall, rules), network.remove_firewall),
            NFS: only(nfs.ensure, nfs.remove),
            ADDRESS: Kind(hosts.ensure_address, hosts.release_address),
            SUBNET: Kind(
                lambda name, key, log: network.ensure_subnet(self._plan(name), key, log),
                network.remove_subnet,
            ),
        }
