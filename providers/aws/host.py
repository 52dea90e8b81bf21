"""A host that is an instance at Amazon."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from model.errors import ProviderError
from model.json_types import Json
from model.keys.digest import Inputs, sha256
from model.keys.record import ADMIN, HostRecord
from model.labels import AUTHORIZED_KEY_TAG, HOST_KEY_TAG, KEY_LABEL, NAME_LABEL
from model.log import Log
from model.site import AwsStage
from model.stage import Stage
from providers.aws.api import AwsApi, of_stage, specification, tags_for, tags_of
from providers.aws.disk import attached_to, data_paths, disk_sizes, disks_of
from providers.aws.errors import AwsError, tolerated
from providers.aws.image import AwsImages, disk_size
from providers.aws.network import AwsNetwork
from providers.cloud.cloud_init import SshKeys, user_data
from providers.cloud.errors import gone
from providers.cloud.host import CloudHosts, Disk, HostSpec, Machine, too_small
from providers.cloud.resources import ADDRESS, FIREWALL, SUBNET
from providers.cloud.retry import poll
from remote.ssh.ssh_files import SshFiles

START_TIMEOUT, STOP_TIMEOUT = 600.0, 600.0
_LISTED_TIMEOUT = 30.0
CONNECT_TIMEOUT = 30.0
"""Seconds for ssh after EC2 Instance Connect was told a key, which it lets in for 60."""
_DEAD = {"shutting-down", "terminated"}


def machine_of(instance: Json) -> Machine:
    """Return an instance as a host's machine. Pure."""
    tags = tags_of(instance)
    return Machine(
        name=tags.get(NAME_LABEL, ""),
        id=str(instance["InstanceId"]),
        key=tags.get(KEY_LABEL, "") if is_alive(instance) else "",
        is_running=instance["State"]["Name"] == "running",
        host_key=tags.get(HOST_KEY_TAG, ""),
        authorized_key=tags.get(AUTHORIZED_KEY_TAG, ""),
        answer=instance,
    )


def is_alive(instance: Json) -> bool:
    """Return whether an instance is there, running or not. Pure."""
    return instance["State"]["Name"] not in _DEAD


class AwsHosts(CloudHosts[AwsStage]):
    """The hosts of a stage.

    Args:
        stage: The stage.
        config: The stage's table.
        files: Its ssh files; the key pair is there before `ensure` is called.
        api: The region's API.
        network: The network that they are in.
        images: The images that they are made from.

    """

    layout: ClassVar[str] = "1"

    def __init__(
        self,
        stage: Stage,
        config: AwsStage,
        files: SshFiles,
        api: AwsApi,
        network: AwsNetwork,
        images: AwsImages,
    ) -> None:
        super().__init__(stage, config, files)
        self._api, self._network, self._images = api, network, images

    # -- what is wanted, and what there is -----------------------------------------------------------------------------

    def _own_inputs(self) -> Inputs:
        """Return how the disks are encrypted."""
        return {
            "disk_encrypted": str(self._config.disk_encrypted),
            "kms_key_id": str(self._config.kms_key_id),
        }

    def pending_change(self, spec: HostSpec, machine: Machine) -> str:
        """Return that an instance is of another type, or nothing."""
        there = machine.answer["InstanceType"]
        return f"is a {there}" if there != spec.instance_type else ""

    def data_paths(self, machine: Machine) -> Sequence[str]:
        """Return the path by the volume's id, which is the serial number that the host sees, and Xen's."""
        return data_paths(machine)

    def instances(self, name: str = "") -> list[Json]:
        """Return the stage's instances, or those of a name.

        Live ones come first, the oldest first; EC2 lists terminated ones for a while.
        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html
        """
        found = self._api.listing("describe_instances", "Reservations", Filters=of_stage(self._stage, name))
        every = [instance for reservation in found for instance in reservation["Instances"]]
        return sorted(every, key=lambda i: (not is_alive(i), str(i["LaunchTime"]), i["InstanceId"]))

    def _machines(self, name: str) -> list[Machine]:
        """Return the instances of a name that are alive, the oldest first."""
        return [machine_of(instance) for instance in self.instances(name) if is_alive(instance)]

    # -- making --------------------------------------------------------------------------------------------------------

    def _create(self, spec: HostSpec, key: str, keys: SshKeys, log: Log) -> Machine:
        """Make the instance, once: Amazon makes no second one for a token that was used before.

        https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
        """
        dead = self._wait_until_gone(spec.short)
        used = {str(instance.get("ClientToken")) for instance in dead}
        request = self._request(spec, key, keys)
        for n in range(len(used) + 8):
            token = sha256("/".join([self._stage.site_name, self._stage.name, spec.short, key, str(n)]))
            if token in used:
                continue
            try:
                made: Json = self._api.call("run_instances", ClientToken=token, **request)["Instances"][0]
            except AwsError as error:
                if error.code != "IdempotentParameterMismatch":
                    raise
                # Of a run that was killed, or is at work elsewhere, and gave it another host key; or of a host that
                # is long gone, and then the next token is free.
                if (other := self._appears(spec.short, key)) is None:
                    continue
                return other
            log(
                f"made {made['InstanceId']} ({request['InstanceType']}, {request['ImageId']}) at {spec.place.address}"
            )
            return machine_of(made)
        raise ProviderError(f"{spec.name}: none of the tokens for it is free: run doit again in an hour")

    def _appears(self, name: str, key: str) -> Machine | None:
        """Return the instance that another run made, which may take a moment to be listed; None if it is not."""

        def find() -> Machine | None:
            return next((machine for machine in self._machines(name) if machine.key == key), None)

        try:
            return poll(find, f"{name} to be listed", _LISTED_TIMEOUT, str)
        except ProviderError:
            return None

    def _request(self, spec: HostSpec, key: str, keys: SshKeys) -> Json:
        """Return the arguments of `run_instances`."""
        subnets, groups = self._network.subnets(SUBNET + spec.place.subnet.name), self._network.groups()
        for resource, found in ((SUBNET + spec.place.subnet.name, subnets), (FIREWALL, groups)):
            if not found:
                raise gone(spec.name, f"its {resource}", resource)
        return {
            **self.request_without_network(spec, key, keys),
            "UserData": user_data(spec.host, keys).reveal(),
            "NetworkInterfaces": [
                {
                    "DeviceIndex": 0,
                    "SubnetId": subnets[0]["SubnetId"],
                    "PrivateIpAddress": spec.place.address,
                    "Groups": [groups[0]["GroupId"]],
                    "AssociatePublicIpAddress": False,
                    "DeleteOnTermination": True,
                }
            ],
        }

    def request_without_network(self, spec: HostSpec, key: str, keys: SshKeys) -> Json:
        """Return the arguments of `run_instances` that an organization's policies may demand something of.

        A dry run with them is refused if the real call would be, also where there is no network yet.
        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html
        """
        image = self._images.of(spec.instance_type)
        disk: Json = {
            "VolumeType": "gp3",
            "DeleteOnTermination": True,
            "Encrypted": self._config.disk_encrypted,
        }
        if self._config.kms_key_id is not None:
            disk["KmsKeyId"] = self._config.kms_key_id
        sizes = disk_sizes(spec, image["RootDeviceName"], spec.new_size(disk_size(image)))
        tags = tags_for(self._stage, spec.short, key)
        return {
            "MinCount": 1,
            "MaxCount": 1,
            "ImageId": image["ImageId"],
            "InstanceType": spec.instance_type,
            "BlockDeviceMappings": [
                {"DeviceName": device, "Ebs": {**disk, "VolumeSize": size}} for device, size in sizes.items()
            ],
            # Containers are one hop further away: they read no user data, in which the host's private key is.
            "MetadataOptions": {
                "HttpTokens": "required",
                "HttpPutResponseHopLimit": 1,
                "HttpEndpoint": "enabled",
            },
            "TagSpecifications": [
                specification("instance", {**tags, **keys.tags}),
                specification("volume", tags),
                specification("network-interface", tags),
            ],
        }

    # -- changing ------------------------------------------------------------------------------------------------------

    def _change(self, spec: HostSpec, machine: Machine, log: Log) -> Machine:
        """Make disks larger, and give an instance another type, for which it has to be stopped."""
        if machine.answer["State"]["Name"] == "pending":  # its disks may not be attached yet
            machine = self._wait_for(machine, {"running", "stopped"}, START_TIMEOUT)
        self._grow(spec, machine, log)
        if not self.pending_change(spec, machine):
            return machine
        there, wanted = machine.answer["InstanceType"], spec.instance_type
        log(f"{spec.name}: {there} becomes {wanted}, for which it is stopped")
        self.stop(spec.short, log)
        self._api.call("modify_instance_attribute", InstanceId=machine.id, InstanceType={"Value": wanted})
        changed = next((one for one in self._machines(spec.short) if one.id == machine.id), None)
        if changed is None:
            raise AwsError("DescribeInstances", "InvalidInstanceID.NotFound", f"{machine.id} is not listed")
        return changed

    def _grow(self, spec: HostSpec, machine: Machine, log: Log) -> None:
        """Make the disks of an instance larger, whether it runs or not.

        Raises:
            ProviderError: They are larger than they should be.

        """
        volumes = self._api.listing("describe_volumes", "Volumes", Filters=attached_to(machine))
        for disk in too_small(spec, self.disks(spec, machine, volumes)):
            self._modify(disk, log)

    def _modify(self, disk: Disk, log: Log) -> None:
        """Make a disk larger, unless Amazon has changed it a short while ago: then the next run does.

        https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modify-volume.html
        """
        try:
            self._api.call("modify_volume", VolumeId=disk.name, Size=disk.wanted)
        except AwsError as error:
            if error.code not in {"VolumeModificationRateExceeded", "IncorrectModificationState"}:
                raise
            log(
                f"{disk.name}: still has {disk.size} GiB, and not {disk.wanted}: Amazon changes no disk again so soon "
                f"({error.code}): run doit again in some hours"
            )
            return
        log(f"{disk.name}: {disk.size} GiB become {disk.wanted}; file systems grow at the next start")

    def disks(self, spec: HostSpec, machine: Machine, listed: Iterable[Json]) -> list[Disk]:
        """Return the disks of an instance. Pure."""
        return disks_of(spec, machine, listed)

    def _start(self, machine: Machine, log: Log) -> Machine:
        """Start an instance that does not run."""
        if machine.is_running:
            return machine
        if machine.answer["State"]["Name"] == "stopping":
            machine = self._wait_for(machine, {"stopped"}, STOP_TIMEOUT)
        self._api.call("start_instances", InstanceIds=[machine.id])
        log(f"started {machine.id}")
        return self._wait_for(machine, {"running"}, START_TIMEOUT)

    def _connect(self, spec: HostSpec, machine: Machine, log: Log) -> str:
        """Associate the host's public address, or none, and return it."""
        addresses = self._network.addresses(ADDRESS + spec.short)
        if not spec.is_public:
            for address in addresses:
                self._network.disassociate(address, log)
            return ""
        if not addresses:
            raise gone(spec.name, "its public address", ADDRESS + spec.short)
        address = addresses[0]
        if address.get("InstanceId") != machine.id:
            self._api.call(
                "associate_address",
                AllocationId=address["AllocationId"],
                InstanceId=machine.id,
                AllowReassociation=True,
            )
            log(f"{spec.name}: has the public address {address['PublicIp']}")
        return str(address["PublicIp"])

    def _public_address(self, spec: HostSpec, machine: Machine) -> str:
        """Return the address that is associated with an instance."""
        addresses = self._network.addresses(ADDRESS + spec.short)
        own = (str(each["PublicIp"]) for each in addresses if each.get("InstanceId") == machine.id)
        return next(own, "")

    def _let_in(self, record: HostRecord, machine: Machine, log: Log) -> bool:
        """Have EC2 Instance Connect let the key in for a minute, and make it an entry as all others.

        Only images with its package have it, as Ubuntu's; not Debian's.
        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-connect-methods.html
        """
        own = self._files.entry
        log(
            f"{record.name}: refuses this checkout's key; EC2 Instance Connect lets it in, if it is installed"
        )
        try:
            self._api.call(
                "send_ssh_public_key",
                service="ec2-instance-connect",
                InstanceId=machine.id,
                InstanceOSUser=ADMIN,
                SSHPublicKey=own.public,
            )
        except AwsError as error:
            log(str(error))
            return False
        self._keep(record, own, CONNECT_TIMEOUT)
        return True

    def _console_command(self, machine: Machine) -> str:
        """Return the command that prints an instance's console."""
        return f"aws ec2 get-console-output --latest --region {self._api.region} --instance-id {machine.id}"

    def _removal_words(self, machine: Machine) -> str:
        """Return how to remove an instance by hand."""
        return f"terminate {machine.id}"

    # -- stopping and removing -----------------------------------------------------------------------------------------

    def stop(self, name: str, log: Log) -> None:
        """Stop the instances of a name in order."""
        for machine in self._machines(name):
            state = machine.answer["State"]["Name"]
            if state == "stopped":
                continue
            if state == "pending":
                self._wait_for(machine, {"running", "stopped"}, START_TIMEOUT)
            if state != "stopping":
                self._api.call("stop_instances", InstanceIds=[machine.id])
            self._wait_for(machine, {"stopped"}, STOP_TIMEOUT)
            log(f"stopped {machine.id}")

    def remove(self, name: str, log: Log) -> None:
        """Remove the instances of a name and their disks, and come back when they are gone."""
        for machine in self._machines(name):
            self._discard(machine, log)
        self._wait_until_gone(name)

    def _discard(self, machine: Machine, log: Log) -> None:
        """Terminate an instance; its disks go with it."""
        with tolerated("InvalidInstanceID.NotFound"):
            self._api.call("terminate_instances", InstanceIds=[machine.id])
            log(f"removing {machine.id}")

    def _wait_until_gone(self, name: str) -> list[Json]:
        """Wait until no instance of a name has an address or disks any more; return those that are still listed."""
        left: list[Json] = []

        def terminated() -> list[Json] | None:
            instances = self.instances(name)
            left[:] = [one for one in instances if one["State"]["Name"] != "terminated"]
            return None if left else instances

        return poll(
            terminated,
            f"the instance of {name} to be gone",
            STOP_TIMEOUT,
            lambda: ", ".join(f"{one['InstanceId']} is {one['State']['Name']}" for one in left),
        )

    # -- waiting -------------------------------------------------------------------------------------------------------

    def _wait_for(self, machine: Machine, states: set[str], timeout: float) -> Machine:
        """Wait until an instance is in one of several states, and return it.

        Raises:
            ProviderError: It is not in time, or Amazon gave it up.

        """
        what = f"{machine.name} ({machine.id}) to be {' or '.join(sorted(states))}"
        state = "not listed"

        def find() -> Machine | None:
            nonlocal state
            listed = self.instances(machine.name)
            instance = next((one for one in listed if one["InstanceId"] == machine.id), None)
            if instance is None:
                return None
            state = instance["State"]["Name"]
            if not is_alive(instance):
                why = (instance.get("StateReason") or {}).get("Message") or "it gave no reason"
                raise ProviderError(
                    f"{machine.name}: Amazon ended {machine.id}: {why}: fix that, then run doit again"
                )
            return machine_of(instance) if state in states else None

        return poll(find, what, timeout, lambda: f"it is {state}")
