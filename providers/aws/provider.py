"""Provider `aws`: each host is an instance of Amazon EC2, in a VPC of the stage's own.

All that belongs to a stage carries its tags, and those tags are all that is known of it: nothing is kept elsewhere.
boto3 is imported when Amazon is asked something, never before.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from model.hosts.firewall import inbound
from model.hosts.placement import subnets
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL
from model.site import AwsStage
from model.stage import Stage
from providers.aws.api import RETRY_TIMEOUT, AwsApi, of_stage, tags_of
from providers.aws.check import AwsCheck
from providers.aws.errors import is_transient, is_transient_on_delete
from providers.aws.host import AwsHosts, machine_of
from providers.aws.image import AwsImages
from providers.aws.network import AwsNetwork, as_kept, rules_of
from providers.aws.nfs import AwsFileSystem
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
from remote.ssh.ssh_files import SshFiles

LAYOUT = "1"
"""Raised when the network has to be another one for a new version of skep."""


class AwsProvider(CloudProvider[AwsStage]):
    """Hosts that are instances at Amazon.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; credentials are found by boto3 itself.

    """

    name: ClassVar[str] = "aws"
    retry_policy: ClassVar[RetryPolicy] = RetryPolicy(is_transient, RETRY_TIMEOUT)
    delete_policy: ClassVar[RetryPolicy] = RetryPolicy(is_transient_on_delete, 180.0)
    fixed: ClassVar[tuple[str, ...]] = (NETWORK, SUBNET)

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        super().__init__(stage, AwsStage)
        config = self._config
        self._api = AwsApi(config.region)
        self._images = AwsImages(self._api, config.image_name)
        self._network = AwsNetwork(stage, config, self._api)
        self._nfs = AwsFileSystem(stage, config, self._api, self._network)
        self._hosts: AwsHosts = AwsHosts(stage, config, files, self._api, self._network, self._images)

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return network, subnets, firewall, public addresses, file system and hosts."""
        config, plans = self._config, subnets(self._config)
        return (
            Resource(
                NETWORK,
                {"layout": LAYOUT, "cidr": str(config.cidr)},
                doc=f"the VPC of the hosts, {config.cidr} in {config.region}",
                quota_usage={"VPCs": 1},
            ),
            *(
                Resource(
                    SUBNET + plan.name,
                    {"cidr": plan.cidr, "zone": plan.zone},
                    needs=(NETWORK,),
                    doc=f"the subnet {plan.cidr} in zone {plan.zone}",
                )
                for plan in plans
            ),
            firewall_resource(self._stage, LAYOUT),
            *address_resources(self._stage),
            *(
                [
                    Resource(
                        NFS,
                        {"encrypted": str(config.disk_encrypted), "kms_key_id": str(config.kms_key_id)},
                        needs=(*(SUBNET + plan.name for plan in plans), FIREWALL),
                        doc="the file system for volumes, and the data on it",
                        quota_usage={"file systems": 1},
                        costs={"file systems": 1},  # by what is in it
                    )
                ]
                if config.nfs
                else []
            ),
            *host_resources(self._specs(), self._hosts.inputs),
        )

    def place(self) -> Mapping[str, str]:
        """Return the region and the account."""
        return {"region": self._config.region, "account": self._api.account}

    def place_of(self, inputs: Mapping[str, str], identifier: str) -> Mapping[str, str]:
        """Return the region that a zone is in, which its name begins with; that of a local zone goes on after it.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-regions-availability-zones.html
        """
        del identifier
        region = re.match(r"[a-z]{2}(-[a-z]+)+-\d+", inputs.get("zone", ""))
        return {"region": region[0]} if region else {}

    def check(self) -> Sequence[str]:
        """Return the problems with credentials, permissions, zones, types, images and quotas."""
        return list(
            AwsCheck(self._stage, self._config, self.found, self._api, self._images, self._hosts).problems()
        )

    # -- what there is -------------------------------------------------------------------------------------------------

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's tags: one listing for each kind of thing, all at a time."""
        # The SDK's import is no matter for threads.
        self._api.client("ec2")
        vpcs, parts, groups, addresses, systems, instances, volumes = together(
            self._network.vpcs,
            lambda: self._api.listing("describe_subnets", "Subnets", Filters=of_stage(self._stage)),
            self._network.groups,
            self._network.addresses,
            self._nfs.listing,
            self._hosts.instances,
            lambda: self._api.listing("describe_volumes", "Volumes", Filters=of_stage(self._stage)),
        )
        self._api.learn_account([*groups, *vpcs, *parts])
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
            found[NFS] = Found(NFS, tags_of(system).get(KEY_LABEL, ""), self._nfs.mount_source(system))
        public = {address.get("InstanceId") for address in addresses}
        # Those that are shutting down are hosts, too: they have the host's address, and disks, for a moment.
        for machine in (machine_of(one) for one in instances if one["State"]["Name"] != "terminated"):
            found.setdefault(machine.name, self._found_host(machine, volumes, is_public=machine.id in public))
        return found

    def _rules_drift(self, group: Json) -> str:
        """Return how the security group's rules differ from those that are wanted."""
        there, wanted = rules_of(group).keys(), set(map(as_kept, inbound(self._stage)))
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
