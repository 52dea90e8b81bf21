"""A host that is a virtual machine at Azure."""

import base64
from collections.abc import Iterator

from model.errors import ProviderError
from model.json_types import Json
from model.keys.digest import Inputs
from model.keys.record import HostRecord
from model.labels import AUTHORIZED_KEY_TAG, HOST_KEY_TAG, IMAGE_LABEL, KEY_LABEL, NAME_LABEL, belongs_to
from model.log import Log
from model.stage import Host, Stage
from providers.azure.api import (
    CONFLICT,
    PRECONDITION,
    AzureApi,
    AzureError,
    config_of,
    properties,
    tags_for,
    tags_of,
)
from providers.azure.image import AzureImages, image_name
from providers.azure.network import AzureNetwork
from providers.cloud.cloud_init import ADMIN, new_host_key, user_data
from providers.cloud.host import data_size, disk_size, fingerprint, instance_type, log_in, public_key
from providers.cloud.provider import ADDRESS
from providers.cloud.retry import PACE, poll
from remote.ssh.connection import SshFiles

LAYOUT = "1"
"""Raised when hosts must be made anew for a new version of this file."""

DISK = "StandardSSD_LRS"
"""The kind of the disks: one that every size can have."""
DATA_UNIT = 0
MADE_TIMEOUT = 1200.0
_RUNNING, _BROKEN, _GOING = "PowerState/running", {"Failed", "Canceled"}, "Deleting"


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
        "kms_key_id": str(config.kms_key_id),
        "mirrored_disk": str(bool(data_size(stage, host))),
    }


class AzureHosts:
    """The hosts of a stage.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there.
        api: Azure as the stage sees it.
        network: What they are in.
        images: What they are made from.

    """

    def __init__(
        self, stage: Stage, files: SshFiles, api: AzureApi, network: AzureNetwork, images: AzureImages
    ) -> None:
        self._stage, self._files, self._api = stage, files, api
        self._network, self._images = network, images

    # -- what there is -------------------------------------------------------------------------------------------------

    def machines(self) -> list[Json]:
        """Return the stage's virtual machines."""
        found = self._api.listing("compute.virtual_machines.list", self._api.group)
        return [one for one in found if belongs_to(tags_of(one), self._stage.labels)]

    def running(self) -> set[str]:
        """Return the ids of the virtual machines of the subscription that run, in small letters.

        A listing with that and a listing of what machines are made from are two: Azure has none with both.
        """
        found = self._api.listing("compute.virtual_machines.list_all", status_only="true")
        return {str(one["id"]).lower() for one in found if _power(one) == _RUNNING}

    def machine(self, name: str) -> Json | None:
        """Return a machine with its state, if it is there."""
        found: Json | None = self._api.find(
            "compute.virtual_machines.get", self._api.group, name, expand="instanceView"
        )
        return found

    def changes(self, host: Host, machine: Json) -> str:
        """Return what of a machine can only be changed while it is stopped; empty for nothing. Pure."""
        there = properties(machine)
        said = []
        if there["hardwareProfile"]["vmSize"] != instance_type(self._stage, host):
            said.append(f"is a {there['hardwareProfile']['vmSize']}")
        said += [f"{name} has {size} GiB" for name, size, wanted in self._disks(host, there) if size < wanted]
        return ", ".join(said)

    def _disks(self, host: Host, there: Json) -> Iterator[tuple[str, int, int]]:
        """Yield name, GiB and wanted GiB of each disk of a machine whose size Azure says. Pure."""
        profile = there["storageProfile"]
        wanted = [(profile["osDisk"], disk_size(self._stage, host))]
        wanted += [(disk, data_size(self._stage, host)) for disk in profile.get("dataDisks") or ()]
        for disk, size in wanted:
            if disk.get("diskSizeGB"):
                yield str(disk["name"]), int(disk["diskSizeGB"]), size

    # -- making --------------------------------------------------------------------------------------------------------

    def ensure(self, host: Host, key: str, log: Log) -> HostRecord:
        """Make the host be there, as its settings say, running, reachable and open for the stage's key."""
        is_public = self._stage.has_public_address(host)
        address = self._network.address(ADDRESS + host.short) if is_public else None
        if is_public and address is None:
            task = f"build_infra:{ADDRESS}{host.short}"
            raise ProviderError(f"{host.name}: its public address is gone: run `doit {task}` first")
        machine = self._settled(host.short)
        if machine is not None and not self._is_good(machine, key):
            log(f"{host.name}: is made anew; {properties(machine)['vmId']} and its disks go")
            self._remove_machine(host.short, log)
            machine = None
        place = self._stage.place(host)
        public_name = ADDRESS + host.short if is_public else ""
        self._network.ensure_interface(host.short, place.subnet.name, place.address, public_name, log)
        if machine is None:
            machine = self._create(host, key, log)
        self._refuse_to_shrink(host, machine)
        if self.changes(host, machine):
            machine = self._change(host, machine, log)
        if _power(machine) != _RUNNING:
            self._api.call("compute.virtual_machines.begin_start", self._api.group, host.short)
            log(f"started {host.short}")
        tags = tags_of(machine)
        record = HostRecord(
            name=host.name,
            id=str(properties(machine)["vmId"]),
            address=host.address,
            ssh_host=str(properties(address)["ipAddress"]) if address is not None else host.address,
            user=ADMIN,
            host_keys=(tags[HOST_KEY_TAG],) if HOST_KEY_TAG in tags else (),
        )
        console = f"az vm boot-diagnostics get-boot-log -g {self._api.group} -n {host.short}"
        log_in(
            record, self._files, tags.get(AUTHORIZED_KEY_TAG, ""), f"delete {host.short}, vmId", console, log
        )
        return record

    def _is_good(self, machine: Json, key: str) -> bool:
        """Return whether a machine is the wanted one. Pure."""
        return (
            tags_of(machine).get(KEY_LABEL) == key and properties(machine)["provisioningState"] not in _BROKEN
        )

    def _settled(self, name: str) -> Json | None:
        """Return a machine that nothing is being done to any more, or None if there is none."""
        state = ""

        def look() -> tuple[Json | None] | None:
            nonlocal state
            found = self.machine(name)
            state = properties(found)["provisioningState"] if found is not None else "gone"
            return None if state in {"Creating", "Updating", _GOING} else (found,)

        return poll(look, f"virtual machine {name}", MADE_TIMEOUT, lambda: f"it is {state}", PACE)[0]

    def _create(self, host: Host, key: str, log: Log) -> Json:
        """Have the machine made, unless another run was first."""
        self._remove_disks(host.short, log)  # of one that could not be made
        body = self._request(host, key)
        try:
            self._api.call(
                "compute.virtual_machines.begin_create_or_update",
                self._api.group,
                host.short,
                body=body,
                if_none_match="*",
            )
            size, image = instance_type(self._stage, host), body["tags"][IMAGE_LABEL]
            log(f"made {host.short} ({size}, {image}) at {host.address}")
        except AzureError as error:
            if error.status not in {CONFLICT, PRECONDITION} or self.machine(host.short) is None:
                raise
            if error.status == CONFLICT and error.code not in {"Conflict", "PropertyChangeNotAllowed"}:
                raise
        machine = self._settled(host.short)
        if machine is None or not self._is_good(machine, key):
            raise ProviderError(f"{host.name}: Azure could not make it, or somebody removed it: run again")
        return machine

    def _request(self, host: Host, key: str) -> Json:
        """Return what Azure is asked to make."""
        place, size = self._stage.place(host), instance_type(self._stage, host)
        image, host_key, public = self._images.of(size), new_host_key(), public_key(self._files)
        tags = {
            HOST_KEY_TAG: host_key.public,
            AUTHORIZED_KEY_TAG: fingerprint(public),
            IMAGE_LABEL: image_name(image),
        }
        disks: Json = {
            "imageReference": image,
            "osDisk": {
                "name": os_disk(host.short),
                "createOption": "FromImage",
                "osType": "Linux",
                **self._disk(disk_size(self._stage, host)),
            },
        }
        if data := data_size(self._stage, host):
            more = {"name": data_disk(host.short), "lun": DATA_UNIT, "createOption": "Empty"}
            disks["dataDisks"] = [{**more, **self._disk(data)}]
        text = user_data(host, host_key, public).reveal()
        body: Json = {
            "location": self._api.region,
            "tags": tags_for(self._stage, host.short, key, **tags),
            "properties": {
                "hardwareProfile": {"vmSize": size},
                "storageProfile": disks,
                "osProfile": {
                    "computerName": host.name.partition(".")[0],
                    "adminUsername": ADMIN,
                    # The metadata service of Azure does not show it: no container reads the host's private key.
                    "customData": base64.b64encode(text.encode()).decode(),
                    "linuxConfiguration": {
                        "disablePasswordAuthentication": True,
                        "ssh": {
                            "publicKeys": [{"path": f"/home/{ADMIN}/.ssh/authorized_keys", "keyData": public}]
                        },
                    },
                },
                "networkProfile": {
                    "networkInterfaces": [
                        {
                            "id": self._network.interface_id(host.short),
                            # It stays when the host is made anew.
                            "properties": {"primary": True, "deleteOption": "Detach"},
                        }
                    ]
                },
                "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
            },
        }
        if place.zone:
            body["zones"] = [place.zone]
        return body

    def _disk(self, size: int) -> Json:
        """Return what all disks are like: Azure encrypts every one, by the stage's key set if it names one. Pure."""
        managed: Json = {"storageAccountType": DISK}
        if key := config_of(self._stage).kms_key_id:
            managed["diskEncryptionSet"] = {"id": key}
        return {
            "diskSizeGB": size,
            "caching": "ReadWrite",
            "deleteOption": "Delete",
            "managedDisk": managed,
        }

    # -- changing ------------------------------------------------------------------------------------------------------

    def _refuse_to_shrink(self, host: Host, machine: Json) -> None:
        """Refuse what would make a disk smaller.

        Raises:
            ProviderError: A disk is larger than it should be.

        """
        for name, size, wanted in self._disks(host, properties(machine)):
            if size > wanted:
                raise ProviderError(
                    f"{host.name}: its disk {name} has {size} GiB, and can't be made smaller: put the size back"
                )

    def _change(self, host: Host, machine: Json, log: Log) -> Json:
        """Give a machine another size and larger disks, for which it is stopped."""
        log(f"{host.name}: {self.changes(host, machine)}, which is changed while it is stopped")
        self.stop(host.short, log)
        there, size = properties(machine), instance_type(self._stage, host)
        for name, now, wanted in self._disks(host, there):
            if now < wanted:
                body: Json = {"properties": {"diskSizeGB": wanted}}
                self._api.call("compute.disks.begin_update", self._api.group, name, body=body)
                log(f"{name}: {now} GiB become {wanted}")
        if there["hardwareProfile"]["vmSize"] != size:
            body = {"properties": {"hardwareProfile": {"vmSize": size}}}
            self._api.call("compute.virtual_machines.begin_update", self._api.group, host.short, body=body)
        changed = self.machine(host.short)
        if changed is None:
            raise ProviderError(f"{host.name}: is gone: somebody removed it; run again")
        return changed

    # -- stopping and removing -----------------------------------------------------------------------------------------

    def stop(self, name: str, log: Log) -> None:
        """Stop a machine in order, so that it costs nothing but its disks."""
        machine = self._settled(name)
        if machine is None or _power(machine) == "PowerState/deallocated":
            return
        self._api.call("compute.virtual_machines.begin_deallocate", self._api.group, name)
        log(f"stopped {name}")

    def remove(self, name: str, log: Log) -> None:
        """Remove a machine, its disks and its network interface, and come back when they are gone."""
        self._remove_machine(name, log)
        self._network.remove_interface(name, log)

    def _remove_machine(self, name: str, log: Log) -> None:
        """Remove a machine and its disks."""
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


def name_of(machine: Json) -> str:
    """Return a host's name by its machine's tags. Pure."""
    return tags_of(machine).get(NAME_LABEL, "")


def _power(machine: Json) -> str:
    """Return whether a machine runs, in Azure's words. Pure."""
    view = properties(machine).get("instanceView") or {}
    states = [str(one["code"]) for one in view.get("statuses") or ()]
    return next((state for state in states if state.startswith("PowerState/")), "")
