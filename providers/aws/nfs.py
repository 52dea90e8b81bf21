"""The stage's file system at Amazon (EFS), which every host can mount as NFS."""

from model.errors import ProviderError
from model.hosts.placement import SubnetPlan, subnets, usable
from model.json_types import Json
from model.labels import KEY_LABEL
from model.log import Log
from model.site import AwsStage
from model.stage import Stage
from providers.aws.api import RETRY_TIMEOUT, AwsApi, as_tags, tags_for, tags_of
from providers.aws.errors import AwsError, tolerated
from providers.aws.network import AwsNetwork
from providers.cloud.errors import gone
from providers.cloud.resources import FIREWALL, NFS, SUBNET
from providers.cloud.retry import poll

_MADE_TIMEOUT = 300.0


def target_address(stage: Stage, config: AwsStage, plan: SubnetPlan) -> str:
    """Return the address of the target in a subnet: the last that no host has. Pure.

    Left to Amazon, it may be one that a host is to have.
    """
    taken = {host.address for host in stage.hosts}
    for index in reversed(usable(config, plan.network)):
        if (address := str(plan.network[index])) not in taken:
            return address
    raise ProviderError(f"{NFS}: {plan.cidr} has no address left for it: set a larger cidr, or subnets")


class AwsFileSystem:
    """The file system of a stage, with a target in each zone that hosts are in.

    Args:
        stage: The stage.
        config: The stage's table.
        api: The region's API.
        network: The network of its targets.

    """

    def __init__(self, stage: Stage, config: AwsStage, api: AwsApi, network: AwsNetwork) -> None:
        self._stage, self._config, self._api, self._network = stage, config, api, network
        self._token = tags_for(stage, NFS)["Name"]

    def find(self) -> Json | None:
        """Return the file system, or None. It is found by the token that it was made with."""
        found = self._api.listing(
            "describe_file_systems", "FileSystems", service="efs", CreationToken=self._token
        )
        return next((one for one in found if one["LifeCycleState"] not in {"deleting", "deleted"}), None)

    def listing(self) -> list[Json]:
        """Return the file system, if there is one: also where none is wanted any more, if the account may list them."""
        try:
            found = self.find()
        except AwsError as error:
            if error.code == "AccessDeniedException" and not self._config.nfs:
                return []
            raise
        return [found] if found is not None else []

    def mount_source(self, found: Json) -> str:
        """Return the source from which a file system is mounted. Pure.

        Its name leads each host to the target in the host's own zone.

        https://docs.aws.amazon.com/efs/latest/ug/mounting-fs-mount-cmd-dns-name.html
        """
        region = self._api.region
        china = ".cn" if region.startswith("cn-") else ""
        return f"{found['FileSystemId']}.efs.{region}.amazonaws.com{china}:/"

    def ensure(self, key: str, log: Log) -> str:
        """Make the file system and its targets, and return its address, as `server:/`."""
        config = self._config
        found = self.find()
        if found is not None and tags_of(found).get(KEY_LABEL) != key:
            raise ProviderError(
                f"{NFS}: {found['FileSystemId']} has other encryption, which can't be changed, and it may hold data: "
                "restore disk_encrypted and kms_key_id; or save the data, remove it, and run doit again"
            )
        if found is None:
            encryption: Json = {"Encrypted": config.disk_encrypted}
            if config.kms_key_id is not None:
                encryption["KmsKeyId"] = config.kms_key_id
            found = self._api.call(
                "create_file_system",
                service="efs",
                CreationToken=self._token,
                Tags=as_tags(tags_for(self._stage, NFS, key)),
                **encryption,
            )
            log(f"made file system {found['FileSystemId']}")
        identifier = str(found["FileSystemId"])
        self._wait_until_available(identifier)
        group = self._group()
        zones = {target["AvailabilityZoneName"] for target in self._targets(identifier)}
        for plan in subnets(config):
            if plan.zone in zones:
                continue
            zones.add(plan.zone)
            there = self._network.subnets(SUBNET + plan.name)
            if not there:
                raise gone(NFS, f"subnet {plan.name}", SUBNET + plan.name)
            self._api.call(
                "create_mount_target",
                service="efs",
                FileSystemId=identifier,
                SubnetId=there[0]["SubnetId"],
                IpAddress=target_address(self._stage, self._config, plan),
                SecurityGroups=[group],
            )
            log(f"made its target in {plan.zone}")
        poll(
            lambda: all(t["LifeCycleState"] == "available" for t in self._targets(identifier)) or None,
            f"the targets of {identifier}",
            _MADE_TIMEOUT,
            lambda: ", ".join(
                f"{t['MountTargetId']} is {t['LifeCycleState']}" for t in self._targets(identifier)
            ),
        )
        return self.mount_source(found)

    def remove(self, log: Log) -> None:
        """Remove the file system, and the data on it."""
        found = self.find()
        if found is None:
            return
        identifier = str(found["FileSystemId"])
        for target in self._targets(identifier):
            with tolerated("MountTargetNotFound"):
                self._api.call("delete_mount_target", service="efs", MountTargetId=target["MountTargetId"])
        poll(
            lambda: None if self._targets(identifier) else True,
            f"the targets of {identifier} to be gone",
            _MADE_TIMEOUT,
            lambda: f"{len(self._targets(identifier))} are left",
        )
        with tolerated("FileSystemNotFound"):
            self._api.call("delete_file_system", service="efs", FileSystemId=identifier)
            log(f"removed file system {identifier}")

    def _targets(self, identifier: str) -> list[Json]:
        """Return the targets of the file system."""
        try:
            return self._api.listing(
                "describe_mount_targets", "MountTargets", service="efs", FileSystemId=identifier
            )
        except AwsError as error:
            if error.code == "FileSystemNotFound":
                return []
            raise

    def _group(self) -> str:
        """Return the security group of the targets, which is the hosts' own."""
        groups = self._network.groups()
        if not groups:
            raise gone(NFS, "the firewall", FIREWALL)
        return str(groups[0]["GroupId"])

    def _wait_until_available(self, identifier: str) -> None:
        """Wait until targets can be made."""

        def state() -> str:
            found = self.find()
            return str(found["LifeCycleState"]) if found is not None else "not listed"

        poll(
            lambda: state() == "available" or None,
            f"file system {identifier}",
            RETRY_TIMEOUT,
            lambda: f"it is {state()}",
        )
