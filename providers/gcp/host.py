"""A host that is an instance of Compute Engine."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.json_types import Json
from model.keys.digest import Inputs
from model.keys.record import ADMIN, HostRecord
from model.labels import AUTHORIZED_KEY_TAG, HOST_KEY_TAG, IMAGE_LABEL
from model.log import Log
from model.secrets.secret import Secret
from model.site import GcpStage
from model.stage import Host, Stage
from providers.cloud.cloud_init import SshKeys
from providers.cloud.errors import gone
from providers.cloud.host import LET_IN_TIMEOUT, CloudHosts, Disk, HostSpec, Machine, too_small
from providers.cloud.resources import ADDRESS, SUBNET
from providers.cloud.retry import poll
from providers.cloud.tag import parse_tag, tag
from providers.gcp.api import GcpApi, labels_for
from providers.gcp.errors import GcpError
from providers.gcp.image import GcpImages, disk_size
from providers.gcp.network import GcpNetwork
from remote.ssh.ssh_files import SshFiles

START_TIMEOUT, STOP_TIMEOUT = 600.0, 600.0
_STOPPED, _RUNNING = {"TERMINATED"}, {"RUNNING"}
_NAT = "external-nat"
_DATA = "data"
"""The name of the extra disk's device."""
_SSH_KEYS = "ssh-keys"
"""The metadata that the agent on an instance makes entries of `authorized_keys` from."""


def machine_of(stage: Stage, instance: Json) -> Machine:
    """Return an instance as a host's machine. Pure."""
    name, key = parse_tag(stage, instance.get("description"))
    items = (instance.get("metadata") or {}).get("items") or ()
    metadata = {item["key"]: item.get("value", "") for item in items}
    return Machine(
        name=name,
        id=str(instance["id"]),
        key=key,
        is_running=instance["status"] in _RUNNING,
        host_key=metadata.get(metadata_key(HOST_KEY_TAG), ""),
        authorized_key=metadata.get(metadata_key(AUTHORIZED_KEY_TAG), ""),
        answer=instance,
    )


def metadata_key(tag_name: str) -> str:
    """Return a tag's name as a key of metadata, which has no dots. Pure."""
    return tag_name.replace(".", "-")


def last(url: str) -> str:
    """Return the last part of a URL, which is a name. Pure."""
    return url.rpartition("/")[2]


def is_public(machine: Machine) -> bool:
    """Return whether an instance has a public address. Pure."""
    return any(face.get("accessConfigs") for face in machine.answer.get("networkInterfaces") or ())


def startup_script(host: Host, keys: SshKeys) -> Secret:
    """Return the script of a host's first start: its ssh host key, the admin user and the stage's key. Pure.

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
{keys.host_key.private.reveal().strip()}
END
printf '%s\\n' {q(keys.host_key.public)} >/etc/ssh/ssh_host_ed25519_key.pub
chmod 644 /etc/ssh/ssh_host_ed25519_key.pub
id {ADMIN} >/dev/null 2>&1 || useradd -m -s /bin/bash {ADMIN}
passwd -l {ADMIN}
printf '%s ALL=(ALL) NOPASSWD:ALL\\n' {ADMIN} >/etc/sudoers.d/90-skep
install -d -m 700 -o {ADMIN} -g {ADMIN} ~{ADMIN}/.ssh
printf '%s\\n' {q(keys.authorized_key.strip())} >>~{ADMIN}/.ssh/authorized_keys
chown {ADMIN}:{ADMIN} ~{ADMIN}/.ssh/authorized_keys
systemctl restart ssh 2>/dev/null || systemctl restart sshd
mkdir -p /var/lib/skep
: >/var/lib/skep/started
""")


class GcpHosts(CloudHosts[GcpStage]):
    """The hosts of a stage.

    Args:
        stage: The stage.
        config: The stage's table.
        files: Its ssh files; the key pair is there before `ensure` is called.
        api: The project's API.
        network: The network that they are in.
        images: The images that they are made from.

    """

    layout: ClassVar[str] = "1"

    def __init__(
        self,
        stage: Stage,
        config: GcpStage,
        files: SshFiles,
        api: GcpApi,
        network: GcpNetwork,
        images: GcpImages,
    ) -> None:
        super().__init__(stage, config, files)
        self._api, self._network, self._images = api, network, images

    # -- what is wanted, and what there is -----------------------------------------------------------------------------

    def _own_inputs(self) -> Inputs:
        """Return the type of the disks and how they are encrypted."""
        return {"disk_type": self._config.disk_type, "kms_key_id": str(self._config.kms_key_id)}

    def pending_change(self, spec: HostSpec, machine: Machine) -> str:
        """Return that an instance is of another machine type, or nothing."""
        there = last(machine.answer["machineType"])
        return f"is a {there}" if there != spec.instance_type else ""

    def data_paths(self, machine: Machine) -> Sequence[str]:
        """Return the path by the device's name, which is the same on every host.

        https://cloud.google.com/compute/docs/disks/disk-symlinks
        """
        del machine
        return (f"/dev/disk/by-id/google-{_DATA}",)

    def instances(self) -> list[Json]:
        """Return the stage's instances in all zones, in one listing."""
        return self._api.listing(
            "Instances.aggregated_list", filter=f'labels.skep eq "{cloud_name(self._stage)}"'
        )

    def _machines(self, name: str) -> list[Machine]:
        """Return the instances of a name: in one zone, unless the zone was changed."""
        machines = (machine_of(self._stage, instance) for instance in self.instances())
        return [machine for machine in machines if machine.name == name]

    # -- making --------------------------------------------------------------------------------------------------------

    def _create(self, spec: HostSpec, key: str, keys: SshKeys, log: Log) -> Machine:
        """Make the instance; its name is unique in the project, so that two runs come to one."""
        request, zone = self._request(spec, key, keys), spec.place.zone
        self._api.change("Instances.insert", request, zone=zone)
        log(f"made {request['name']} ({spec.instance_type}) in {zone} at {spec.place.address}")
        found = self._api.get("Instances.get", zone=zone, instance=request["name"])
        if found is None:
            raise GcpError("Instances.get", "404", f"{request['name']} was made, and is not known yet")
        return machine_of(self._stage, found)

    def _request(self, spec: HostSpec, key: str, keys: SshKeys) -> Json:
        """Return the body of `Instances.insert`."""
        zone = spec.place.zone
        image = self._images.of(spec.instance_type, zone)
        face: Json = {
            "subnetwork": self._network.subnet_url(SUBNET + spec.place.subnet.name),
            "networkIP": spec.place.address,
        }
        if spec.is_public:
            face["accessConfigs"] = [self._access(spec)]
        metadata = {
            "startup-script": startup_script(spec.host, keys).reveal(),
            "block-project-ssh-keys": "TRUE",
            "enable-oslogin": "FALSE",
            **{metadata_key(name): value for name, value in keys.tags.items()},
            metadata_key(IMAGE_LABEL): str(image["id"]),
        }
        return {
            "name": self._network.name(spec.short),
            "description": tag(self._stage, spec.short, key),
            "machineType": f"zones/{zone}/machineTypes/{spec.instance_type}",
            "disks": self._disks(spec, key, image),
            "networkInterfaces": [face],
            "labels": labels_for(self._stage, spec.short, key),
            "tags": {"items": [self._network.name()]},
            "metadata": {"items": [{"key": name, "value": value} for name, value in metadata.items()]},
            "shieldedInstanceConfig": {"enableVtpm": True, "enableIntegrityMonitoring": True},
        }

    def _disks(self, spec: HostSpec, key: str, image: Json) -> list[Json]:
        """Return the disks of a new instance, the one with the image first."""
        disks = []
        for use, size in _disk_sizes(spec, spec.new_size(disk_size(image))).items():
            disk: Json = {
                "autoDelete": True,
                "boot": use == "boot",
                "deviceName": use,
                "initializeParams": {
                    "diskName": self._network.name(spec.short, use),
                    "diskSizeGb": str(size),
                    "diskType": f"zones/{spec.place.zone}/diskTypes/{self._config.disk_type}",
                    "description": tag(self._stage, spec.short, key),
                    "labels": labels_for(self._stage, spec.short, key),
                },
            }
            if use == "boot":
                disk["initializeParams"]["sourceImage"] = _path(image["selfLink"])
            if self._config.kms_key_id is not None:
                disk["diskEncryptionKey"] = {"kmsKeyName": self._config.kms_key_id}
            disks.append(disk)
        return disks

    def _access(self, spec: HostSpec) -> Json:
        """Return the access configuration that holds the host's own public address."""
        address = self._network.address(ADDRESS + spec.short)
        if address is None:
            raise gone(spec.name, "its public address", ADDRESS + spec.short)
        return {
            "name": _NAT,
            "type": "ONE_TO_ONE_NAT",
            "natIP": address["address"],
            "networkTier": address.get("networkTier", "PREMIUM"),
        }

    # -- changing ------------------------------------------------------------------------------------------------------

    def _change(self, spec: HostSpec, machine: Machine, log: Log) -> Machine:
        """Make disks larger, and give an instance another machine type, for which it has to be stopped."""
        self._grow(spec, machine, log)
        if not self.pending_change(spec, machine):
            return machine
        zone, there = last(machine.answer["zone"]), last(machine.answer["machineType"])
        log(f"{spec.name}: {there} becomes {spec.instance_type}, for which it is stopped")
        self.stop(spec.short, log)
        body = {"machineType": f"zones/{zone}/machineTypes/{spec.instance_type}"}
        self._api.change("Instances.set_machine_type", body, **self._at(machine))
        return self._wait_for(machine, _STOPPED, STOP_TIMEOUT)

    def _grow(self, spec: HostSpec, machine: Machine, log: Log) -> None:
        """Make the disks of an instance larger, whether it runs or not.

        Raises:
            ProviderError: They are larger than they should be.

        """
        for disk in too_small(spec, self.disks(spec, machine)):
            body = {"sizeGb": str(disk.wanted)}
            self._api.change("Disks.resize", body, zone=last(machine.answer["zone"]), disk=disk.name)
            log(f"{disk.name}: {disk.size} GiB become {disk.wanted}; file systems grow at the next start")

    def disks(self, spec: HostSpec, machine: Machine, listed: Iterable[Json] = ()) -> list[Disk]:
        """Return the disks of an instance, whose sizes are told with it. Pure."""
        del listed
        found = []
        for disk in machine.answer.get("disks") or ():
            there = int(disk["diskSizeGb"])
            if wanted := _disk_sizes(spec, spec.kept_size(there)).get(disk["deviceName"], 0):
                found.append(Disk(last(disk["source"]), there, wanted))
        return found

    def _start(self, machine: Machine, log: Log) -> Machine:
        """Start an instance that does not run; one that is suspended goes on."""
        status = machine.answer["status"]
        if status in {"STOPPING", "SUSPENDING"}:
            machine = self._wait_for(machine, {*_STOPPED, "SUSPENDED"}, STOP_TIMEOUT)
            status = machine.answer["status"]
        if status == "SUSPENDED":
            self._api.change("Instances.resume", None, **self._at(machine))
        if status in _STOPPED:
            self._api.change("Instances.start", None, **self._at(machine))
            log(f"started {machine.answer['name']}")
        return self._wait_for(machine, _RUNNING, START_TIMEOUT)

    def _connect(self, spec: HostSpec, machine: Machine, log: Log) -> str:
        """Give the instance the host's public address, or take it off, and return it."""
        face = machine.answer["networkInterfaces"][0]
        there = next(iter(face.get("accessConfigs") or ()), None)
        wanted = self._access(spec) if spec.is_public else None
        where = {**self._at(machine), "network_interface": face["name"]}
        if there is not None and (wanted is None or there.get("natIP") != wanted["natIP"]):
            self._api.change("Instances.delete_access_config", access_config=there["name"], **where)
            log(f"{spec.name}: took {there.get('natIP')} off")
            there = None
        if wanted is None:
            return ""
        if there is None:
            self._api.change("Instances.add_access_config", wanted, **where)
            log(f"{spec.name}: has the public address {wanted['natIP']}")
        return str(wanted["natIP"])

    def _public_address(self, spec: HostSpec, machine: Machine) -> str:
        """Return the address of an instance's access configuration. Pure."""
        del spec
        access = machine.answer["networkInterfaces"][0].get("accessConfigs") or [{}]
        return str(access[0].get("natIP") or "")

    def _let_in(self, record: HostRecord, machine: Machine, log: Log) -> bool:
        """Have Google's agent let the key in, then make it an entry as all others, and take it from the agent again.

        https://cloud.google.com/compute/docs/connect/add-ssh-keys
        """
        own = self._files.entry
        log(f"{record.name}: refuses this checkout's key; the instance's metadata lets it in")
        self._set_ssh_keys(machine, lambda lines: [*lines, f"{ADMIN}:{own.public} {own.who}"])
        self._keep(record, own, LET_IN_TIMEOUT)
        self._set_ssh_keys(machine, lambda lines: [line for line in lines if own.blob not in line])
        return True

    def _set_ssh_keys(self, machine: Machine, change: Callable[[list[str]], list[str]]) -> None:
        """Change the keys in an instance's metadata; all else there stays."""
        found = self._api.get("Instances.get", **self._at(machine)) or {}
        metadata = found.get("metadata") or {}
        items = {item["key"]: item.get("value", "") for item in metadata.get("items") or ()}
        lines = change(items.pop(_SSH_KEYS, "").splitlines())
        if lines:
            items[_SSH_KEYS] = "\n".join(lines)
        body: Json = {"items": [{"key": name, "value": value} for name, value in items.items()]}
        if "fingerprint" in metadata:
            body["fingerprint"] = metadata["fingerprint"]
        self._api.change("Instances.set_metadata", body, **self._at(machine))

    def _console_command(self, machine: Machine) -> str:
        """Return the command that prints an instance's console."""
        name, zone = machine.answer["name"], last(machine.answer["zone"])
        return f"gcloud compute instances get-serial-port-output {name} --zone {zone} --project {self._api.project}"

    def _removal_words(self, machine: Machine) -> str:
        """Return how to remove an instance by hand."""
        return f"delete {machine.id}"

    # -- stopping and removing -----------------------------------------------------------------------------------------

    def stop(self, name: str, log: Log) -> None:
        """Stop the instances of a name in order."""
        for machine in self._machines(name):
            status = machine.answer["status"]
            if status in _STOPPED:
                continue
            if status in {"PROVISIONING", "STAGING"}:
                self._wait_for(machine, _RUNNING, START_TIMEOUT)
            self._api.change("Instances.stop", None, **self._at(machine))
            self._wait_for(machine, _STOPPED, STOP_TIMEOUT)
            log(f"stopped {machine.answer['name']}")

    def remove(self, name: str, log: Log) -> None:
        """Remove the instances of a name and their disks, and come back when they are gone."""
        for machine in self._machines(name):
            self._discard(machine, log)

    def _discard(self, machine: Machine, log: Log) -> None:
        """Delete an instance; its disks go with it."""
        self._api.drop("Instances.delete", **self._at(machine))
        log(f"removed {machine.answer['name']}")

    # -- waiting -------------------------------------------------------------------------------------------------------

    def _at(self, machine: Machine) -> dict[str, str]:
        """Return the fields that name an instance in a request. Pure."""
        return {"zone": last(machine.answer["zone"]), "instance": machine.answer["name"]}

    def _wait_for(self, machine: Machine, states: set[str], timeout: float) -> Machine:
        """Wait until an instance is in one of several states, and return it.

        Raises:
            ProviderError: It is not in time, or somebody removed it.

        """
        what = f"{machine.name} ({machine.answer['name']}) to be {' or '.join(sorted(states))}"
        status = machine.answer["status"]

        def find() -> Machine | None:
            nonlocal status
            found = self._api.get("Instances.get", **self._at(machine))
            if found is None:
                raise ProviderError(
                    f"{machine.name}: {machine.answer['name']} is gone: somebody removed it; run doit again"
                )
            status = found["status"]
            return machine_of(self._stage, found) if status in states else None

        return poll(find, what, timeout, lambda: f"it is {status}")


def _path(url: str) -> str:
    """Return a thing's path below the API's version, as requests name it."""
    return "projects/" + url.partition("/projects/")[2]


def _disk_sizes(spec: HostSpec, size: int) -> dict[str, int]:
    """Return the GiB of each disk by its device, that of the disk that a host starts from among them. Pure."""
    return {"boot": size, _DATA: spec.data_size} if spec.data_size else {"boot": size}
