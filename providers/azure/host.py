"""A host that is a virtual machine at Azure: its network interface, which keeps its address, and the machine itself."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

from model.errors import ProviderError
from model.json_types import Json
from model.keys.digest import Inputs
from model.keys.record import ADMIN, HostRecord
from model.labels import AUTHORIZED_KEY_TAG, HOST_KEY_TAG, IMAGE_LABEL, KEY_LABEL, NAME_LABEL, belongs_to
from model.log import Log
from model.site import AzureStage
from model.stage import Stage
from providers.azure.api import AzureApi, properties, tags_for, tags_of
from providers.azure.errors import CONFLICT, PRECONDITION, AzureError
from providers.azure.image import AzureImages, image_name
from providers.azure.network import AzureNetwork, is_public, named
from providers.cloud.cloud_init import SshKeys, new_rsa_key, user_data
from providers.cloud.errors import gone
from providers.cloud.host import CloudHosts, Disk, HostSpec, Machine, too_small
from providers.cloud.resources import ADDRESS
from providers.cloud.retry import poll
from remote.ssh.authorized_keys import let_in_script
from remote.ssh.ssh_files import SshFiles

DISK = "StandardSSD_LRS"
"""The type of the disks: one that every size can have."""
DATA_UNIT = 0
MADE_TIMEOUT = 1200.0
_RUNNING, _DEALLOCATED = "PowerState/running", "PowerState/deallocated"
_AT_WORK, _BROKEN = {"Creating", "Updating", "Deleting"}, {"Failed", "Canceled", "Deleting"}
"""States of provisioning in which something is being done to a machine, and in which it can't become the host."""


def machine_of(machine: Json, *, is_running: bool) -> Machine:
    """Return a virtual machine as a host's machine. Pure.

    Args:
        machine: The virtual machine.
        is_running: Whether it runs, which only some answers say.

    """
    tags, there = tags_of(machine), properties(machine)
    is_broken = there["provisioningState"] in _BROKEN
    return Machine(
        name=tags.get(NAME_LABEL) or str(machine["name"]),
        id=str(there["vmId"]),
        key="" if is_broken else tags.get(KEY_LABEL, ""),
        is_running=is_running and not is_broken,
        host_key=tags.get(HOST_KEY_TAG, ""),
        authorized_key=tags.get(AUTHORIZED_KEY_TAG, ""),
        answer=machine,
    )


class AzureHosts(CloudHosts[AzureStage]):
    """The hosts of a stage.

    Args:
        stage: The stage.
        config: The stage's table.
        files: Its ssh files; the key pair is there before `ensure` is called.
        api: Azure as the stage sees it.
        network: The network that they are in.
        images: The images that they are made from.

    """

    layout: ClassVar[str] = "1"

    def __init__(
        self,
        stage: Stage,
        config: AzureStage,
        files: SshFiles,
        api: AzureApi,
        network: AzureNetwork,
        images: AzureImages,
    ) -> None:
        super().__init__(stage, config, files)
        self._api, self._network, self._images = api, network, images

    # -- what is wanted, and what there is -----------------------------------------------------------------------------

    def _own_inputs(self) -> Inputs:
        """Return the key that encrypts the disks."""
        return {"kms_key_id": str(self._config.kms_key_id)}

    def pending_change(self, spec: HostSpec, machine: Machine) -> str:
        """Return that a machine has another size or smaller disks, or nothing. Pure."""
        size = properties(machine.answer)["hardwareProfile"]["vmSize"]
        changes = [f"is a {size}"] if size != spec.instance_type else []
        changes += [
            f"{disk.name} has {disk.size} GiB"
            for disk in self._own_disks(spec, machine)
            if disk.size < disk.wanted
        ]
        return ", ".join(changes)

    def _own_disks(self, spec: HostSpec, machine: Machine) -> Iterator[Disk]:
        """Yield the disks of a machine whose size Azure says; they grow only while it is stopped. Pure."""
        profile = properties(machine.answer)["storageProfile"]
        others: list[Json] = profile.get("dataDisks") or []
        for disk in (profile["osDisk"], *others):
            if there := int(disk.get("diskSizeGB") or 0):
                is_system = disk is profile["osDisk"]
                yield Disk(str(disk["name"]), there, spec.kept_size(there) if is_system else spec.data_size)

    def data_paths(self, machine: Machine) -> Sequence[str]:
        """Return the paths by the unit's number, which are the same on every host: udev rules of the image make them.

        The agent's are for disks by SCSI alone; those of azure-vm-utils are for NVMe as well.
        https://learn.microsoft.com/azure/virtual-machines/linux/azure-to-guest-disk-mapping
        https://github.com/Azure/azure-vm-utils
        """
        del machine
        return f"/dev/disk/azure/scsi1/lun{DATA_UNIT}", f"/dev/disk/azure/data/by-lun/{DATA_UNIT}"

    def virtual_machines(self) -> list[Json]:
        """Return the stage's virtual machines, without their power states."""
        found = self._api.listing("compute.virtual_machines.list", self._api.group)
        return [one for one in found if belongs_to(tags_of(one), self._stage.labels)]

    def power_states(self) -> list[Json]:
        """Return all virtual machines of the subscription with their power states, and little else.

        Azure has no listing with both these and a machine's properties.
        """
        return self._api.listing("compute.virtual_machines.list_all", status_only="true")

    def _machines(self, name: str) -> list[Machine]:
        """Return the machine of a name, once nothing is being done to it any more."""
        state = ""

        def settled() -> list[Machine] | None:
            nonlocal state
            found = self._api.find(
                "compute.virtual_machines.get", self._api.group, name, expand="instanceView"
            )
            if found is None:
                return []
            state = properties(found)["provisioningState"]
            return None if state in _AT_WORK else [machine_of(found, is_running=is_running(found))]

        return poll(settled, f"virtual machine {name}", MADE_TIMEOUT, lambda: f"it is {state}")

    # -- making --------------------------------------------------------------------------------------------------------

    def _create(self, spec: HostSpec, key: str, keys: SshKeys, log: Log) -> Machine:
        """Make the machine, unless another run was first."""
        from azure.core import MatchConditions

        self._ensure_interface(spec, log)
        self._remove_disks(spec.short, log)  # of one that could not be made
        body = self._request(spec, key, keys)
        try:
            self._api.call(
                "compute.virtual_machines.begin_create_or_update",
                self._api.group,
                spec.short,
                body=body,
                match_condition=MatchConditions.IfMissing,
            )
            log(
                f"made {spec.short} ({spec.instance_type}, {body['tags'][IMAGE_LABEL]}) at {spec.place.address}"
            )
        except AzureError as error:
            if error.status not in {CONFLICT, PRECONDITION} or not self._is_there(spec.short):
                raise
            if error.status == CONFLICT and error.code not in {"Conflict", "PropertyChangeNotAllowed"}:
                raise
        made = next((machine for machine in self._machines(spec.short) if machine.key == key), None)
        if made is None:
            raise ProviderError(
                f"{spec.name}: Azure could not make it, or somebody removed it: run doit again"
            )
        return made

    def _new_keys(self) -> SshKeys:
        """Return the ssh keys for a new machine, among them the one that Azure's agent waits for.

        Before it reports the machine as ready it waits for ssh_host_rsa_key.pub, up to 30 minutes, and cloud-init makes
        none where another is given: `wait_for_ssh_host_key` in
        https://github.com/Azure/WALinuxAgent/blob/master/azurelinuxagent/pa/provision/cloudinit.py
        """
        return replace(super()._new_keys(), agent_key=new_rsa_key())

    def _is_there(self, name: str) -> bool:
        """Return whether there is a machine of a name, in whatever state."""
        return self._api.find("compute.virtual_machines.get", self._api.group, name) is not None

    def _ensure_interface(self, spec: HostSpec, log: Log) -> str:
        """Make or change the host's network interface, and return its public address; empty for none."""
        public_name, public_address = "", ""
        if spec.is_public:
            public_name = ADDRESS + spec.short
            address = self._network.address(public_name)
            if address is None:
                raise gone(spec.name, "its public address", public_name)
            public_address = str(properties(address)["ipAddress"])
        place = spec.place
        self._network.ensure_interface(spec.short, place.subnet.name, place.address, public_name, log)
        return public_address

    def _request(self, spec: HostSpec, key: str, keys: SshKeys) -> Json:
        """Return the body of the request for a new machine."""
        image = self._images.of(spec.instance_type)
        text = user_data(spec.host, keys).reveal()
        body: Json = {
            "location": self._api.region,
            "tags": tags_for(self._stage, spec.short, key, **keys.tags, **{IMAGE_LABEL: image_name(image)}),
            "properties": {
                "hardwareProfile": {"vmSize": spec.instance_type},
                "storageProfile": self._disks(spec, image),
                "osProfile": {
                    "computerName": spec.name.partition(".")[0],
                    "adminUsername": ADMIN,
                    # The metadata service of Azure does not show it: no container reads the host's private key.
                    "customData": base64.b64encode(text.encode()).decode(),
                    "linuxConfiguration": {
                        "disablePasswordAuthentication": True,
                        "ssh": {
                            "publicKeys": [
                                {
                                    "path": f"/home/{ADMIN}/.ssh/authorized_keys",
                                    "keyData": keys.authorized_key,
                                }
                            ]
                        },
                    },
                },
                "networkProfile": {
                    "networkInterfaces": [
                        {
                            "id": self._network.interface_id(spec.short),
                            # It stays when the host is replaced.
                            "properties": {"primary": True, "deleteOption": "Detach"},
                        }
                    ]
                },
                "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
            },
        }
        if plan := self._images.description(spec.instance_type).get("plan"):
            body["plan"] = {name: plan[name] for name in ("name", "product", "publisher")}
        if spec.place.zone:
            body["zones"] = [spec.place.zone]
        return body

    def _disks(self, spec: HostSpec, image: Json) -> Json:
        """Return the disks of a new machine: Azure encrypts every one, by the stage's key set if it names one."""
        managed: Json = {"storageAccountType": DISK}
        if key := self._config.kms_key_id:
            managed["diskEncryptionSet"] = {"id": key}
        common = {"caching": "ReadWrite", "deleteOption": "Delete", "managedDisk": managed}
        disks: Json = {
            "imageReference": image,
            "osDisk": {
                "name": os_disk(spec.short),
                "createOption": "FromImage",
                "osType": "Linux",
                "diskSizeGB": spec.new_size(self._images.disk_size(spec.instance_type)),
                **common,
            },
        }
        if spec.data_size:
            disks["dataDisks"] = [
                {
                    "name": data_disk(spec.short),
                    "lun": DATA_UNIT,
                    "createOption": "Empty",
                    "diskSizeGB": spec.data_size,
                    **common,
                }
            ]
        return disks

    # -- changing ------------------------------------------------------------------------------------------------------

    def _change(self, spec: HostSpec, machine: Machine, log: Log) -> Machine:
        """Give a machine another size and larger disks, for which it is stopped."""
        growing = too_small(spec, self._own_disks(spec, machine))
        changes = self.pending_change(spec, machine)
        if not changes:
            return machine
        log(f"{spec.name}: {changes}, which is changed while it is stopped")
        self.stop(spec.short, log)
        for disk in growing:
            body: Json = {"properties": {"diskSizeGB": disk.wanted}}
            self._api.call("compute.disks.begin_update", self._api.group, disk.name, body=body)
            log(f"{disk.name}: {disk.size} GiB become {disk.wanted}")
        if properties(machine.answer)["hardwareProfile"]["vmSize"] != spec.instance_type:
            body = {"properties": {"hardwareProfile": {"vmSize": spec.instance_type}}}
            self._api.call("compute.virtual_machines.begin_update", self._api.group, spec.short, body=body)
        changed = self._machines(spec.short)
        if not changed:
            raise ProviderError(f"{spec.name}: is gone: somebody removed it; run doit again")
        return changed[0]

    def _start(self, machine: Machine, log: Log) -> Machine:
        """Start a machine that does not run."""
        if not machine.is_running:
            self._api.call("compute.virtual_machines.begin_start", self._api.group, machine.name)
            log(f"started {machine.name}")
        return machine

    def _connect(self, spec: HostSpec, machine: Machine, log: Log) -> str:
        """Change the network interface where it differs, and return its public address; empty for none."""
        del machine  # it has the interface
        return self._ensure_interface(spec, log)

    def _public_address(self, spec: HostSpec, machine: Machine) -> str:
        """Return the address that the host's network interface has."""
        del machine  # it has the interface
        own = (one for name, _, one in named(self._network.interfaces()) if name == spec.short)
        address = self._network.address(ADDRESS + spec.short) if any(map(is_public, own)) else None
        return "" if address is None else str(properties(address)["ipAddress"])

    def _let_in(self, record: HostRecord, machine: Machine, log: Log) -> bool:
        """Have the machine's agent let the key in.

        https://learn.microsoft.com/azure/virtual-machines/linux/run-command
        """
        log(f"{record.name}: refuses this checkout's key; Azure's run command lets it in")
        script = f"set -eu\n{let_in_script([self._files.entry])}"
        body = {"commandId": "RunShellScript", "script": script.splitlines()}
        self._api.call("compute.virtual_machines.begin_run_command", self._api.group, machine.name, body=body)
        return True

    def _console_command(self, machine: Machine) -> str:
        """Return the command that prints a machine's console."""
        return f"az vm boot-diagnostics get-boot-log -g {self._api.group} -n {machine.name}"

    def _removal_words(self, machine: Machine) -> str:
        """Return how to remove a machine by hand."""
        return f"delete {machine.name}, vmId {machine.id}"

    # -- stopping and removing -----------------------------------------------------------------------------------------

    def stop(self, name: str, log: Log) -> None:
        """Stop a machine in order, so that it costs nothing but its disks."""
        for machine in self._machines(name):
            if power_state(machine.answer) != _DEALLOCATED:
                self._api.call("compute.virtual_machines.begin_deallocate", self._api.group, name)
                log(f"stopped {name}")

    def remove(self, name: str, log: Log) -> None:
        """Remove a machine, its disks and its network interface, and come back when they are gone."""
        self._remove_machine(name, log)
        self._network.remove_interface(name, log)

    def _discard(self, machine: Machine, log: Log) -> None:
        """Remove a machine and its disks; the network interface stays."""
        self._remove_machine(machine.name, log)

    def _remove_machine(self, name: str, log: Log) -> None:
        """Remove the machine of a name, if there is one, and its disks."""
        if self._api.drop("compute.virtual_machines.begin_delete", self._api.group, name):
            log(f"removed virtual machine {name}")
        self._remove_disks(name, log)

    def _remove_disks(self, name: str, log: Log) -> None:
        """Remove the disks that a machine may have left, which go with it where all goes well."""
        own = {os_disk(name), data_disk(name)}
        for disk in self._api.listing("compute.disks.list_by_resource_group", self._api.group):
            if disk["name"] in own and not disk.get("managedBy"):
                self._api.drop("compute.disks.begin_delete", self._api.group, disk["name"])
                log(f"removed disk {disk['name']}")


def os_disk(short: str) -> str:
    """Return the name of a host's disk. Pure."""
    return f"{short}-system"


def data_disk(short: str) -> str:
    """Return the name of a host's extra disk. Pure."""
    return f"{short}-data"


def is_running(machine: Json) -> bool:
    """Return whether a machine runs, by an answer with power states. Pure."""
    return power_state(machine) == _RUNNING


def power_state(machine: Json) -> str:
    """Return a machine's power state; empty in an answer without it. Pure."""
    view = properties(machine).get("instanceView") or {}
    states = [str(one["code"]) for one in view.get("statuses") or ()]
    return next((state for state in states if state.startswith("PowerState/")), "")
