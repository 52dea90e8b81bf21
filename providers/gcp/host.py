"""A host that is an instance of Compute Engine."""

import shlex

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.json_types import Json
from model.keys.digest import Inputs
from model.keys.record import HostRecord
from model.log import Log
from model.secrets.secret import Secret
from model.stage import Host, Stage
from providers.cloud.cloud_init import ADMIN, HostKey, new_host_key
from providers.cloud.host import (
    data_size,
    disk_size,
    fingerprint,
    instance_type,
    log_in,
    parse_tag,
    public_key,
    tag,
)
from providers.cloud.provider import ADDRESS, SUBNET
from providers.cloud.retry import PACE, poll
from providers.gcp.api import GcpApi, GcpError, labels_for
from providers.gcp.image import GcpImages
from providers.gcp.network import GcpNetwork, config_of
from remote.ssh.connection import SshFiles

LAYOUT = "1"
"""Raised when hosts must be made anew for a new version of this file."""

HOST_KEY, AUTHORIZED_KEY_TAG, IMAGE = "skep-host-key", "skep-admitted", "skep-image"
"""Metadata: the public host key, the fingerprint of the key that was let in, and the image's id."""

START_TIMEOUT, STOP_TIMEOUT = 600.0, 600.0
_STOPPED, _RUNNING = {"TERMINATED"}, {"RUNNING"}
_NAT = "external-nat"


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
        "disk_type": config.disk_type,
        "kms_key_id": str(config.kms_key_id),
        "mirrored_disk": str(bool(data_size(stage, host))),
    }


def last(url: str) -> str:
    """Return the last part of a URL: the name of what it is of. Pure."""
    return url.rpartition("/")[2]


def is_public(instance: Json) -> bool:
    """Return whether an instance has a public address. Pure."""
    return any(face.get("accessConfigs") for face in instance.get("networkInterfaces") or ())


def first_start(host: Host, host_key: HostKey, authorized_key: str) -> Secret:
    """Return what a host runs at its first start: its ssh host key, the admin user and the stage's key. Pure.

    Google's own agent runs it, which all public images have; cloud-init is in some of them only. It is a no-op at later
    starts, and so does not undo what was changed since.
    """
    q = shlex.quote
    return Secret(f"""#!/bin/sh
set -eu
[ ! -e /var/lib/skep/started ] || exit 0
printf '%s\\n' {q(host.name.partition(".")[0])} >/etc/hostname
hostname -F /etc/hostname
umask 077
rm -f /etc/ssh/ssh_host_*
cat >/etc/ssh/ssh_host_ed25519_key <<'END'
{host_key.private.reveal().strip()}
END
printf '%s\\n' {q(host_key.public)} >/etc/ssh/ssh_host_ed25519_key.pub
chmod 644 /etc/ssh/ssh_host_ed25519_key.pub
id {ADMIN} >/dev/null 2>&1 || useradd -m -s /bin/bash {ADMIN}
passwd -l {ADMIN}
printf '%s ALL=(ALL) NOPASSWD:ALL\\n' {ADMIN} >/etc/sudoers.d/90-skep
install -d -m 700 -o {ADMIN} -g {ADMIN} ~{ADMIN}/.ssh
printf '%s\\n' {q(authorized_key.strip())} >~{ADMIN}/.ssh/authorized_keys
chown {ADMIN}:{ADMIN} ~{ADMIN}/.ssh/authorized_keys
systemctl restart ssh 2>/dev/null || systemctl restart sshd
mkdir -p /var/lib/skep
: >/var/lib/skep/started
""")


class GcpHosts:
    """The hosts of a stage.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there.
        api: The region's API.
        network: What they are in.
        images: What they are made from.

    """

    def __init__(
        self, stage: Stage, files: SshFiles, api: GcpApi, network: GcpNetwork, images: GcpImages
    ) -> None:
        self._stage, self._files, self._api = stage, files, api
        self._network, self._images = network, images

    # -- what there is -------------------------------------------------------------------------------------------------

    def instances(self) -> list[Json]:
        """Return the stage's instances in all zones, in one listing."""
        return self._api.listing(
            "Instances.aggregated_list", filter=f'labels.skep eq "{cloud_name(self._stage)}"'
        )

    def named(self, name: str) -> list[Json]:
        """Return the instances of a name: in one zone, unless the zone was changed."""
        return [one for one in self.instances() if parse_tag(self._stage, one.get("description"))[0] == name]

    def _at(self, instance: Json) -> dict[str, str]:
        """Return what names an instance in a request."""
        return {"zone": last(instance["zone"]), "instance": instance["name"]}

    def _look(self, instance: Json) -> Json | None:
        """Return an instance as it is now."""
        return self._api.get("Instances.get", **self._at(instance))

    # -- making --------------------------------------------------------------------------------------------------------

    def ensure(self, host: Host, key: str, log: Log) -> HostRecord:
        """Make the host be there, as its settings say, running, reachable and open for the stage's key."""
        instance = self._ensure_instance(host, key, log)
        if last(instance["machineType"]) != instance_type(self._stage, host):
            self.stop(host.short, log)
            zone, wanted = last(instance["zone"]), instance_type(self._stage, host)
            log(f"{host.name}: {last(instance['machineType'])} becomes {wanted}")
            body = {"machineType": f"zones/{zone}/machineTypes/{wanted}"}
            self._api.change("Instances.set_machine_type", body, **self._at(instance))
            instance = self._wait_for(host.short, instance, _STOPPED, STOP_TIMEOUT)
        if instance["status"] in {"STOPPING", "SUSPENDING"}:
            instance = self._wait_for(host.short, instance, _STOPPED, STOP_TIMEOUT)
        if instance["status"] == "SUSPENDED":
            self._api.change("Instances.resume", None, **self._at(instance))
        if instance["status"] in _STOPPED:
            self._api.change("Instances.start", None, **self._at(instance))
            log(f"started {instance['name']}")
        instance = self._wait_for(host.short, instance, _RUNNING, START_TIMEOUT)
        self._grow(host, instance, log)
        public = self._ensure_public(host, instance, log)
        told = _metadata(instance)
        record = HostRecord(
            name=host.name,
            id=str(instance["id"]),
            address=host.address,
            ssh_host=public or host.address,
            user=ADMIN,
            host_keys=(told[HOST_KEY],) if HOST_KEY in told else (),
        )
        console = (
            f"gcloud compute instances get-serial-port-output {instance['name']} --zone {last(instance['zone'])} "
            f"--project {self._api.project}"
        )
        log_in(record, self._files, told.get(AUTHORIZED_KEY_TAG, ""), "delete", console, log)
        return record

    def _ensure_instance(self, host: Host, key: str, log: Log) -> Json:
        """Return the host's instance, made if there is none with that key."""
        for instance in self.named(host.short):
            if parse_tag(self._stage, instance.get("description"))[1] == key:
                return instance
            log(f"{host.name}: is made anew; {instance['name']} and its disks go")
            self._delete(instance)
        request = self._request(host, key)
        zone = self._stage.place(host).zone
        self._api.change("Instances.insert", request, zone=zone)
        log(f"made {request['name']} ({instance_type(self._stage, host)}) in {zone} at {host.address}")
        found = self._api.get("Instances.get", zone=zone, instance=request["name"])
        if found is None:
            raise GcpError("Instances.get", "404", f"{request['name']} was made, and is not known yet")
        return found

    def _request(self, host: Host, key: str) -> Json:
        """Return what Google is asked to make."""
        config, place = config_of(self._stage), self._stage.place(host)
        kind = instance_type(self._stage, host)
        image = self._images.of(kind, place.zone)
        host_key, public = new_host_key(), public_key(self._files)
        labels = labels_for(self._stage, host.short, key)
        name = self._network.name(host.short)
        disks = []
        sizes = [("boot", disk_size(self._stage, host)), ("data", data_size(self._stage, host))]
        for use, size in sizes:
            if not size:
                continue
            disk: Json = {
                "autoDelete": True,
                "boot": use == "boot",
                "deviceName": use,
                "initializeParams": {
                    "diskName": self._network.name(host.short, use),
                    "diskSizeGb": str(size),
                    "diskType": f"zones/{place.zone}/diskTypes/{config.disk_type}",
                    "description": tag(self._stage, host.short, key),
                    "labels": labels,
                },
            }
            if use == "boot":
                disk["initializeParams"]["sourceImage"] = _path(image["selfLink"])
            if config.kms_key_id is not None:
                disk["diskEncryptionKey"] = {"kmsKeyName": config.kms_key_id}
            disks.append(disk)
        face: Json = {
            "subnetwork": self._network.subnet_url(SUBNET + place.subnet.name),
            "networkIP": place.address,
        }
        if self._stage.has_public_address(host):
            face["accessConfigs"] = [self._access(host)]
        told = {
            "startup-script": first_start(host, host_key, public).reveal(),
            "block-project-ssh-keys": "TRUE",
            "enable-oslogin": "FALSE",
            HOST_KEY: host_key.public,
            AUTHORIZED_KEY_TAG: fingerprint(public),
            IMAGE: str(image["id"]),
        }
        return {
            "name": name,
            "description": tag(self._stage, host.short, key),
            "machineType": f"zones/{place.zone}/machineTypes/{kind}",
            "disks": disks,
            "networkInterfaces": [face],
            "labels": labels,
            "tags": {"items": [self._network.name()]},
            "metadata": {"items": [{"key": name, "value": value} for name, value in told.items()]},
            "shieldedInstanceConfig": {"enableVtpm": True, "enableIntegrityMonitoring": True},
        }

    def _access(self, host: Host) -> Json:
        """Return the way in from outside, by the host's own public address."""
        address = self._network.address(ADDRESS + host.short)
        if address is None:
            task = f"build_infra:{ADDRESS}{host.short}"
            raise ProviderError(f"{host.name}: its public address is gone: run `doit {task}` first")
        return {
            "name": _NAT,
            "type": "ONE_TO_ONE_NAT",
            "natIP": address["address"],
            "networkTier": address.get("networkTier", "PREMIUM"),
        }

    # -- changing ------------------------------------------------------------------------------------------------------

    def _grow(self, host: Host, instance: Json, log: Log) -> None:
        """Make the disks of an instance larger, as it runs.

        Raises:
            ProviderError: They are larger than they should be.

        """
        sizes = {"boot": disk_size(self._stage, host), "data": data_size(self._stage, host)}
        for disk in instance.get("disks") or ():
            wanted, there = sizes.get(disk["deviceName"], 0), int(disk["diskSizeGb"])
            if not wanted or wanted == there:
                continue
            name = last(disk["source"])
            if there > wanted:
                raise ProviderError(
                    f"{host.name}: its disk {name} has {there} GiB, and can't be made smaller: put the size back"
                )
            body = {"sizeGb": str(wanted)}
            self._api.change("Disks.resize", body, zone=last(instance["zone"]), disk=name)
            log(f"{name}: {there} GiB become {wanted}; file systems grow at the next start")

    def _ensure_public(self, host: Host, instance: Json, log: Log) -> str:
        """Have the host's public address on it, or none, and return it."""
        face = instance["networkInterfaces"][0]
        there = next(iter(face.get("accessConfigs") or ()), None)
        wanted = self._access(host) if self._stage.has_public_address(host) else None
        where = {**self._at(instance), "network_interface": face["name"]}
        if there is not None and (wanted is None or there.get("natIP") != wanted["natIP"]):
            self._api.change("Instances.delete_access_config", access_config=there["name"], **where)
            log(f"{host.name}: took {there.get('natIP')} off")
            there = None
        if wanted is None:
            return ""
        if there is None:
            self._api.change("Instances.add_access_config", wanted, **where)
            log(f"{host.name}: has the public address {wanted['natIP']}")
        return str(wanted["natIP"])

    # -- stopping and removing -----------------------------------------------------------------------------------------

    def stop(self, name: str, log: Log) -> None:
        """Stop the instances of a name in order."""
        for instance in self.named(name):
            if instance["status"] in _STOPPED:
                continue
            if instance["status"] in {"PROVISIONING", "STAGING"}:
                self._wait_for(name, instance, _RUNNING, START_TIMEOUT)
            self._api.change("Instances.stop", None, **self._at(instance))
            self._wait_for(name, instance, _STOPPED, STOP_TIMEOUT)
            log(f"stopped {instance['name']}")

    def remove(self, name: str, log: Log) -> None:
        """Remove the instances of a name and their disks, and come back when they are gone."""
        for instance in self.named(name):
            self._delete(instance)
            log(f"removed {instance['name']}")

    def _delete(self, instance: Json) -> None:
        """Delete an instance; its disks go with it."""
        self._api.drop("Instances.delete", **self._at(instance))

    # -- waiting -------------------------------------------------------------------------------------------------------

    def _wait_for(self, name: str, instance: Json, states: set[str], timeout: float) -> Json:
        """Wait until an instance is in one of several states, and return it.

        Raises:
            ProviderError: It is not in time, or somebody removed it.

        """
        status = instance["status"]

        def look() -> Json | None:
            nonlocal status
            found = self._look(instance)
            if found is None:
                raise ProviderError(f"{name}: {instance['name']} is gone: somebody removed it; run again")
            status = found["status"]
            return found if status in states else None

        what = f"{name} ({instance['name']}) to be {' or '.join(sorted(states))}"
        return poll(look, what, timeout, lambda: f"it is {status}", PACE)


def _metadata(instance: Json) -> dict[str, str]:
    """Return what an instance was told."""
    items = (instance.get("metadata") or {}).get("items") or ()
    return {item["key"]: item.get("value", "") for item in items}


def _path(url: str) -> str:
    """Return a thing's path below the API's version, as requests name it."""
    return "projects/" + url.partition("/projects/")[2]
