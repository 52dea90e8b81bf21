"""A host that is an instance at Amazon, and its public address."""

from model.errors import ProviderError
from model.json_types import Json
from model.keys.digest import Inputs, sha256
from model.keys.record import HostRecord
from model.labels import AUTHORIZED_KEY_TAG, HOST_KEY_TAG, KEY_LABEL
from model.log import Log
from model.site import AwsStage
from model.stage import Host, Stage
from providers.aws.api import AwsApi, AwsError, of_stage, specification, tags_for, tags_of, tolerated
from providers.aws.image import AwsImages
from providers.aws.network import AwsNetwork
from providers.cloud.cloud_init import ADMIN, new_host_key, user_data
from providers.cloud.host import data_size, disk_size, fingerprint, instance_type, log_in, public_key
from providers.cloud.provider import ADDRESS, FIREWALL, SUBNET
from providers.cloud.retry import PACE, poll
from remote.ssh.connection import SshFiles

LAYOUT = "1"
"""Raised when hosts must be made anew for a new version of this file."""


DATA_DEVICE = "/dev/sdf"
"""Of the extra disk; in the host it is called otherwise (`/dev/nvme1n1`)."""

START_TIMEOUT, STOP_TIMEOUT = 600.0, 600.0
_FOUND_TIMEOUT = 30.0
_DEAD = {"shutting-down", "terminated"}


def inputs(stage: Stage, host: Host) -> Inputs:
    """Return what makes a host another host. Pure."""
    config, place = config_of(stage), stage.place(host)
    return {
        "layout": LAYOUT,
        "name": host.name,
        "address": place.address,
        "subnet": place.subnet.cidr,
        "zone": place.zone,
        "image_name": config.image_name,
        "disk_encrypted": str(config.disk_encrypted),
        "kms_key_id": str(config.kms_key_id),
        "mirrored_disk": str(bool(data_size(stage, host))),
    }


def config_of(stage: Stage) -> AwsStage:
    """Return the stage's table, which is one of `provider = "aws"`."""
    if not isinstance(stage.config, AwsStage):
        raise TypeError(f"stage {stage.name} is not one of the aws provider")
    return stage.config


def is_alive(instance: Json) -> bool:
    """Return whether an instance is there, running or not. Pure."""
    return instance["State"]["Name"] not in _DEAD


class AwsHosts:
    """The hosts of a stage.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there.
        api: The region's API.
        network: What they are in.
        images: What they are made from.

    """

    def __init__(
        self, stage: Stage, files: SshFiles, api: AwsApi, network: AwsNetwork, images: AwsImages
    ) -> None:
        self._stage, self._files, self._api = stage, files, api
        self._network, self._images = network, images

    # -- what there is -------------------------------------------------------------------------------------------------

    def instances(self, name: str = "") -> list[Json]:
        """Return the stage's instances, or those of a name: first the living, the oldest first. The dead stay listed.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html
        """
        found = self._api.listing("describe_instances", "Reservations", Filters=of_stage(self._stage, name))
        every = [instance for reservation in found for instance in reservation["Instances"]]
        return sorted(every, key=lambda i: (not is_alive(i), str(i["LaunchTime"]), i["InstanceId"]))

    def addresses(self, name: str = "") -> list[Json]:
        """Return the stage's public addresses, or those of a name."""
        found = self._api.listing("describe_addresses", "Addresses", Filters=of_stage(self._stage, name))
        return sorted(found, key=lambda address: str(address["AllocationId"]))

    # -- making --------------------------------------------------------------------------------------------------------

    def ensure(self, host: Host, key: str, log: Log) -> HostRecord:
        """Make the host be there, as its settings say, running, reachable and open for the stage's key."""
        instance = self._ensure_instance(host, key, log)
        identifier = str(instance["InstanceId"])
        if instance["InstanceType"] != instance_type(self._stage, host):
            instance = self._resize(host, instance, log)
        if instance["State"]["Name"] == "stopping":
            instance = self._wait_for_state(host, identifier, "stopped", STOP_TIMEOUT)
        if instance["State"]["Name"] == "stopped":
            self._api.call("start_instances", InstanceIds=[identifier])
            log(f"started {identifier}")
        if instance["State"]["Name"] != "running":
            instance = self._wait_for_state(host, identifier, "running", START_TIMEOUT)
        self._grow(host, instance, log)
        public = self._ensure_public(host, identifier, log)
        tags = tags_of(instance)
        record = HostRecord(
            name=host.name,
            id=identifier,
            address=host.address,
            ssh_host=public or host.address,
            user=ADMIN,
            host_keys=(tags[HOST_KEY_TAG],) if HOST_KEY_TAG in tags else (),
        )
        console = f"aws ec2 get-console-output --latest --region {self._api.region} --instance-id {record.id}"
        log_in(record, self._files, tags.get(AUTHORIZED_KEY_TAG, ""), "terminate", console, log)
        return record

    def _ensure_instance(self, host: Host, key: str, log: Log) -> Json:
        """Return the host's instance, made if there is none with that key."""
        found = self.instances(host.short)
        living = [instance for instance in found if is_alive(instance)]
        if living and tags_of(living[0]).get(KEY_LABEL) == key:
            return living[0]
        for instance in living:
            log(f"{host.name}: is made anew; {instance['InstanceId']} and its disks go")
            self._terminate(instance["InstanceId"])
        # Until they are wholly gone they have the host's address.
        self._wait_until_gone(host.short)
        return self._create(host, key, {str(instance.get("ClientToken")) for instance in found}, log)

    def _create(self, host: Host, key: str, used: set[str], log: Log) -> Json:
        """Have the instance made, once: for a token that was used before Amazon makes no second one.

        https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
        """
        request = self._request(host, key)
        for n in range(len(used) + 8):
            token = sha256("/".join([self._stage.site_name, self._stage.name, host.short, key, str(n)]))
            if token in used:
                continue
            try:
                made: Json = self._api.call("run_instances", ClientToken=token, **request)["Instances"][0]
            except AwsError as error:
                if error.code != "IdempotentParameterMismatch":
                    raise
                # Of a run that was killed, or is at work elsewhere, and gave it another host key; or of a host that
                # is long gone, and then the next token is free.
                if (other := self._appears(host, key)) is None:
                    continue
                return other
            log(
                f"made {made['InstanceId']} ({request['InstanceType']}, {request['ImageId']}) at {host.address}"
            )
            return made
        raise ProviderError(f"{host.name}: none of the tokens for it is free: run again in an hour")

    def _appears(self, host: Host, key: str) -> Json | None:
        """Return the living instance that somebody else made, which may take a moment to be listed."""

        def look() -> Json | None:
            living = [one for one in self.instances(host.short) if is_alive(one)]
            return next((one for one in living if tags_of(one).get(KEY_LABEL) == key), None)

        try:
            return poll(look, f"{host.short} to be listed", _FOUND_TIMEOUT, str, PACE)
        except ProviderError:
            return None

    def _request(self, host: Host, key: str) -> Json:
        """Return what Amazon is asked to make."""
        config, place = config_of(self._stage), self._stage.place(host)
        subnets, groups = self._network.subnets(SUBNET + place.subnet.name), self._network.groups()
        for what, found in ((SUBNET + place.subnet.name, subnets), (FIREWALL, groups)):
            if not found:
                raise ProviderError(f"{host.name}: its {what} is gone: run `doit build_infra:{what}` first")
        wanted_type = instance_type(self._stage, host)
        image = self._images.of(wanted_type)
        host_key, public = new_host_key(), public_key(self._files)
        disk: Json = {"VolumeType": "gp3", "DeleteOnTermination": True, "Encrypted": config.disk_encrypted}
        if config.kms_key_id is not None:
            disk["KmsKeyId"] = config.kms_key_id
        disks = [(image["RootDeviceName"], disk_size(self._stage, host))]
        if data_size(self._stage, host):
            disks.append((DATA_DEVICE, data_size(self._stage, host)))
        tags = tags_for(
            self._stage,
            host.short,
            key,
            **{HOST_KEY_TAG: host_key.public, AUTHORIZED_KEY_TAG: fingerprint(public)},
        )
        of_disks = {
            name: value for name, value in tags.items() if name not in {HOST_KEY_TAG, AUTHORIZED_KEY_TAG}
        }
        return {
            "MinCount": 1,
            "MaxCount": 1,
            "ImageId": image["ImageId"],
            "InstanceType": wanted_type,
            "UserData": user_data(host, host_key, public).reveal(),
            "BlockDeviceMappings": [
                {"DeviceName": device, "Ebs": {**disk, "VolumeSize": size}} for device, size in disks
            ],
            "NetworkInterfaces": [
                {
                    "DeviceIndex": 0,
                    "SubnetId": subnets[0]["SubnetId"],
                    "PrivateIpAddress": place.address,
                    "Groups": [groups[0]["GroupId"]],
                    "AssociatePublicIpAddress": False,
                    "DeleteOnTermination": True,
                }
            ],
            # Containers are one hop further away: they read no user data, in which the host's private key is.
            "MetadataOptions": {
                "HttpTokens": "required",
                "HttpPutResponseHopLimit": 1,
                "HttpEndpoint": "enabled",
            },
            "TagSpecifications": [
                specification("instance", tags),
                specification("volume", of_disks),
                specification("network-interface", of_disks),
            ],
        }

    # -- changing ------------------------------------------------------------------------------------------------------

    def _resize(self, host: Host, instance: Json, log: Log) -> Json:
        """Give an instance another type, for which it has to be stopped."""
        identifier, wanted = str(instance["InstanceId"]), instance_type(self._stage, host)
        log(f"{host.name}: {instance['InstanceType']} becomes {wanted}, for which it is stopped")
        self.stop(host.short, log)
        self._api.call("modify_instance_attribute", InstanceId=identifier, InstanceType={"Value": wanted})
        return self._instance(host, identifier)

    def _grow(self, host: Host, instance: Json, log: Log) -> None:
        """Make the disks of an instance larger, as it runs.

        Raises:
            ProviderError: They are larger than they should be.

        """
        sizes = {instance["RootDeviceName"]: disk_size(self._stage, host)}
        if data_size(self._stage, host):
            sizes[DATA_DEVICE] = data_size(self._stage, host)
        attached = {
            mapping["Ebs"]["VolumeId"]: sizes[mapping["DeviceName"]]
            for mapping in instance.get("BlockDeviceMappings") or ()
            if mapping["DeviceName"] in sizes
        }
        if not attached:
            return
        for volume in self._api.listing("describe_volumes", "Volumes", VolumeIds=sorted(attached)):
            identifier, wanted = volume["VolumeId"], attached[volume["VolumeId"]]
            if volume["Size"] > wanted:
                raise ProviderError(
                    f"{host.name}: its disk {identifier} has {volume['Size']} GiB, and can't be made smaller: put the "
                    "size back"
                )
            if volume["Size"] < wanted:
                with tolerated("VolumeModificationRateExceeded", "IncorrectModificationState"):
                    self._api.call("modify_volume", VolumeId=identifier, Size=wanted)
                    log(
                        f"{identifier}: {volume['Size']} GiB become {wanted}; file systems grow at the next start"
                    )

    def _ensure_public(self, host: Host, instance: str, log: Log) -> str:
        """Associate the host's public address, or none, and return it."""
        ours = self.addresses(ADDRESS + host.short)
        if not self._stage.has_public_address(host):
            for address in ours:
                self._disassociate(address, log)
            return ""
        if not ours:
            task = f"build_infra:{ADDRESS}{host.short}"
            raise ProviderError(f"{host.name}: its public address is gone: run `doit {task}` first")
        address = ours[0]
        if address.get("InstanceId") != instance:
            self._api.call(
                "associate_address",
                AllocationId=address["AllocationId"],
                InstanceId=instance,
                AllowReassociation=True,
            )
            log(f"{host.name}: has the public address {address['PublicIp']}")
        return str(address["PublicIp"])

    # -- public addresses ----------------------------------------------------------------------------------------------

    def ensure_address(self, name: str, key: str, log: Log) -> str:
        """Have a public address; it stays when its host is made anew."""
        found = self.addresses(name)
        if found:
            return str(found[0]["AllocationId"])
        made = self._api.call(
            "allocate_address",
            Domain="vpc",
            TagSpecifications=[specification("elastic-ip", tags_for(self._stage, name, key))],
        )
        identifier = str(made["AllocationId"])
        log(f"allocated {made['PublicIp']}")
        self._api.await_listed(lambda: self.addresses(name), identifier)
        return identifier

    def release_address(self, name: str, log: Log) -> None:
        """Give a public address back."""
        for address in self.addresses(name):
            self._disassociate(address, log)
            with tolerated("InvalidAllocationID.NotFound"):
                self._api.call("release_address", AllocationId=address["AllocationId"])
                log(f"released {address['PublicIp']}")

    def _disassociate(self, address: Json, log: Log) -> None:
        """Take a public address off its host."""
        if address.get("AssociationId"):
            with tolerated("InvalidAssociationID.NotFound"):
                self._api.call("disassociate_address", AssociationId=address["AssociationId"])
                log(f"took {address['PublicIp']} off {address.get('InstanceId')}")

    # -- stopping and removing -----------------------------------------------------------------------------------------

    def stop(self, name: str, log: Log) -> None:
        """Stop the instances of a name in order."""
        for instance in self.instances(name):
            identifier, state = str(instance["InstanceId"]), instance["State"]["Name"]
            if not is_alive(instance) or state == "stopped":
                continue
            if state == "pending":
                self._wait_for_states(name, identifier, {"running", "stopped"}, START_TIMEOUT)
            if state != "stopping":
                self._api.call("stop_instances", InstanceIds=[identifier])
            self._wait_for_states(name, identifier, {"stopped"}, STOP_TIMEOUT)
            log(f"stopped {identifier}")

    def remove(self, name: str, log: Log) -> None:
        """Remove the instances of a name and their disks, and come back when they are gone."""
        for instance in self.instances(name):
            if is_alive(instance):
                self._terminate(instance["InstanceId"])
                log(f"removing {instance['InstanceId']}")
        self._wait_until_gone(name)

    def _terminate(self, instance: str) -> None:
        """Have an instance removed."""
        with tolerated("InvalidInstanceID.NotFound"):
            self._api.call("terminate_instances", InstanceIds=[instance])

    def _wait_until_gone(self, name: str) -> None:
        """Wait until no instance of a name has an address or disks any more."""

        def left() -> list[Json]:
            return [one for one in self.instances(name) if one["State"]["Name"] != "terminated"]

        poll(
            lambda: None if left() else True,
            f"the instance of {name} to be gone",
            STOP_TIMEOUT,
            lambda: ", ".join(f"{one['InstanceId']} is {one['State']['Name']}" for one in left()),
            PACE,
        )

    # -- waiting -------------------------------------------------------------------------------------------------------

    def _instance(self, host: Host, identifier: str) -> Json:
        """Return an instance as it is now."""
        found = [one for one in self.instances(host.short) if one["InstanceId"] == identifier]
        if not found:
            raise AwsError("DescribeInstances", "InvalidInstanceID.NotFound", f"{identifier} is not listed")
        return found[0]

    def _wait_for_state(self, host: Host, identifier: str, state: str, timeout: float) -> Json:
        """Wait until an instance is in a state, and return it."""
        return self._wait_for_states(host.short, identifier, {state}, timeout)

    def _wait_for_states(self, name: str, identifier: str, states: set[str], timeout: float) -> Json:
        """Wait until an instance is in one of several states, and return it.

        Raises:
            ProviderError: It is not in time, or Amazon gave it up.

        """

        def listed() -> Json | None:
            return next((one for one in self.instances(name) if one["InstanceId"] == identifier), None)

        def look() -> Json | None:
            instance = listed()
            if instance is not None and not is_alive(instance):
                why = (instance.get("StateReason") or {}).get("Message") or "it gave no reason"
                raise ProviderError(f"{name}: Amazon ended {identifier}: {why}: mend that, then run again")
            return instance if instance is not None and instance["State"]["Name"] in states else None

        def now() -> str:
            instance = listed()
            return f"it is {instance['State']['Name']}" if instance is not None else "it is not listed"

        return poll(look, f"{name} ({identifier}) to be {' or '.join(sorted(states))}", timeout, now, PACE)
