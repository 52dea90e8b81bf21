"""A host that is a server at OpenStack: its port, which keeps its address, and the server itself."""

import base64
from collections.abc import Iterable, Sequence
from typing import ClassVar

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.json_types import Json
from model.keys.digest import Inputs
from model.labels import IMAGE_LABEL, KEY_LABEL, NAME_LABEL, belongs_to
from model.log import Log
from model.site import OpenStackStage
from model.stage import Stage
from providers.cloud.cloud_init import SshKeys, user_data
from providers.cloud.errors import gone
from providers.cloud.host import CloudHosts, Disk, HostSpec, Machine, too_small
from providers.cloud.resources import ADDRESS, FIREWALL, NETWORK, SUBNET
from providers.cloud.retry import poll
from providers.openstack.api import OpenStackApi
from providers.openstack.image import OpenStackImages, disk_size
from providers.openstack.network import OpenStackNetwork
from providers.openstack.server import (
    BROKEN,
    RESIZED,
    RUNNING,
    START_TIMEOUT,
    STOP_TIMEOUT,
    STOPPED,
    OpenStackServers,
    machine_of,
)
from remote.ssh.ssh_files import SshFiles

_SCSI = "scsi-0QEMU_QEMU_HARDDISK"
_ATTACHED = "os-extended-volumes:volumes_attached"


class OpenStackHosts(CloudHosts[OpenStackStage]):
    """The hosts of a stage.

    Args:
        stage: The stage.
        config: The stage's table.
        files: Its ssh files; the key pair is there before `ensure` is called.
        api: The services.
        network: The network that they are in.
        images: The image that they are made from, and their flavors.

    """

    layout: ClassVar[str] = "1"

    def __init__(
        self,
        stage: Stage,
        config: OpenStackStage,
        files: SshFiles,
        api: OpenStackApi,
        network: OpenStackNetwork,
        images: OpenStackImages,
    ) -> None:
        super().__init__(stage, config, files)
        self._api, self._network, self._images = api, network, images
        self._servers = OpenStackServers(api)

    # -- what is wanted, and what there is -----------------------------------------------------------------------------

    def _own_inputs(self) -> Inputs:
        """Return the type of the volumes."""
        return {"volume_type": str(self._config.volume_type)}

    def pending_change(self, spec: HostSpec, machine: Machine) -> str:
        """Return that a server has another flavor than is wanted, which may be named by its id; or nothing."""
        wanted, there = spec.instance_type, machine.answer["flavor"]["original_name"]
        if wanted == there or any(
            flavor["id"] == wanted and flavor["name"] == there for flavor in self._images.flavors()
        ):
            return ""
        return f"is a {there}"

    def data_paths(self, machine: Machine) -> Sequence[str]:
        """Return the paths by the volume's id, of which virtio has room for twenty characters.

        The image's `hw_disk_bus` decides, and libvirt how much of the id is there: by GetDevicePath of
        https://github.com/kubernetes/cloud-provider-openstack, which looks for all of them.
        """
        own = {attached["id"] for attached in machine.answer[_ATTACHED]}
        found = [volume for volume in self.volumes() if volume["id"] in own and volume["bootable"] == "false"]
        if not found:
            return ()
        beginning = str(found[0]["id"])[:20]
        return f"/dev/disk/by-id/virtio-{beginning}*", f"/dev/disk/by-id/{_SCSI}_{beginning}*"

    def servers(self, name: str = "") -> list[Json]:
        """Return the stage's servers, or those of a name, the oldest first."""
        query = {"name": f"^{cloud_name(self._stage, name)}$"} if name else {}
        found = self._api.listing("compute", "/servers/detail", "servers", **query)
        wanted = {**self._stage.labels, **({NAME_LABEL: name} if name else {})}
        ours = [server for server in found if belongs_to(server["metadata"], wanted)]
        return sorted(ours, key=lambda server: (server["created"], server["id"]))

    def volumes_of(self, servers: Iterable[Json]) -> list[Json]:
        """Return volumes, those of some servers among them.

        None where no server has any, and where they can't be listed: only the sizes of disks are not compared then.
        """
        if not any(server[_ATTACHED] for server in servers):
            return []
        try:
            return self.volumes()
        except ProviderError:
            return []

    def volumes(self) -> list[Json]:
        """Return all volumes of the project; none where the cloud has no Cinder."""
        if not self._api.has("block_storage"):
            return []
        return self._api.listing("block_storage", "/volumes/detail", "volumes")

    def _machines(self, name: str) -> list[Machine]:
        """Return the servers of a name; of two that a race made, first the one that has the port."""
        machines = [machine_of(server) for server in self.servers(name)]
        if len(machines) > 1:
            with_port = {port["device_id"] for port in self._network.listing("ports", name)}
            machines.sort(key=lambda machine: machine.id not in with_port)
        return machines

    # -- making --------------------------------------------------------------------------------------------------------

    def _create(self, spec: HostSpec, key: str, keys: SshKeys, log: Log) -> Machine:
        """Make the server; a second one of another run gets no port."""
        port = self._ensure_port(spec, key, log)
        request = self._request(spec, key, keys, port)
        made = self._api.ask("POST", "compute", "/servers", {"server": request})["server"]
        log(f"made server {made['id']} ({spec.instance_type}) at {spec.place.address}")
        return self._servers.wait_for(spec.short, made["id"], {RUNNING}, START_TIMEOUT)

    def _ensure_port(self, spec: HostSpec, key: str, log: Log) -> Json:
        """Return the host's port, made if need be: Neutron gives an address once, so that two runs come to one."""
        subnet = self._network.need("subnets", SUBNET + spec.place.subnet.name)
        group = self._network.need("security-groups", FIREWALL)
        wanted: Json = {
            "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": spec.place.address}],
            "security_groups": [group["id"]],
        }
        port = self._network.first("ports", spec.short)
        if port is None:
            network = self._network.need("networks", NETWORK)
            body = {"network_id": network["id"], **wanted}
            return self._network.make("ports", spec.short, key, body, log)
        if any(port[name] != value for name, value in wanted.items()):
            self._api.ask("PUT", "network", f"/ports/{port['id']}", {"port": wanted})
        return port

    def _request(self, spec: HostSpec, key: str, keys: SshKeys, port: Json) -> Json:
        """Return the server that Nova is to make."""
        image, flavor = self._images.image(), self._images.flavor(spec.instance_type)
        text = user_data(spec.host, keys).reveal()
        server: Json = {
            "name": cloud_name(self._stage, spec.short),
            "flavorRef": flavor["id"],
            "networks": [{"port": port["id"]}],
            "user_data": base64.b64encode(text.encode()).decode(),
            "config_drive": True,
            "metadata": {
                **self._stage.labels,
                NAME_LABEL: spec.short,
                KEY_LABEL: key,
                IMAGE_LABEL: image["id"],
                **keys.tags,
            },
            "block_device_mapping_v2": self._disks(spec, image, flavor),
        }
        if self._is_local(spec, image, flavor):
            server["imageRef"] = image["id"]
        if spec.place.zone:
            server["availability_zone"] = spec.place.zone
        return server

    def _is_local(self, spec: HostSpec, image: Json, flavor: Json) -> bool:
        """Return whether a new host's disk is its flavor's own, and no volume. Pure."""
        return bool(flavor["disk"] == spec.new_size(disk_size(image)) and not self._config.volume_type)

    def _disks(self, spec: HostSpec, image: Json, flavor: Json) -> list[Json]:
        """Return the disks of a new server, the one with the image first. Pure."""
        kind = {"volume_type": self._config.volume_type} if self._config.volume_type else {}
        volume: Json = {"destination_type": "volume", "delete_on_termination": True, **kind}
        root: Json = {"source_type": "image", "uuid": image["id"], "boot_index": 0}
        if self._is_local(spec, image, flavor):
            disks = [{**root, "destination_type": "local", "delete_on_termination": True}]
        else:
            disks = [{**volume, **root, "volume_size": spec.new_size(disk_size(image))}]
        if spec.data_size:
            disks.append({**volume, "source_type": "blank", "volume_size": spec.data_size, "boot_index": -1})
        return disks

    # -- changing ------------------------------------------------------------------------------------------------------

    def _change(self, spec: HostSpec, machine: Machine, log: Log) -> Machine:
        """Give a server another flavor, for which Nova stops it, and make its volumes larger."""
        machine = self._confirmed(machine)
        if self.pending_change(spec, machine):
            machine = self._resize(spec, machine, log)
        self._grow(spec, machine, log)
        return machine

    def _resize(self, spec: HostSpec, machine: Machine, log: Log) -> Machine:
        """Give a server another flavor, for which Nova stops it.

        https://docs.openstack.org/api-guide/compute/server_concepts.html

        Raises:
            ProviderError: Its disk is the flavor's own and would have another size than is wanted; or no host has room.

        """
        flavor, before = self._images.flavor(spec.instance_type), machine.answer["flavor"]
        is_volume = not machine.answer["image"]
        if not is_volume and flavor["disk"] != spec.kept_size(flavor["disk"]):
            raise ProviderError(
                f"{spec.name}: its disk is its flavor's own, and that of {flavor['name']} has {flavor['disk']} GiB: "
                f"set disk_size to that, or instance_type back ({before['original_name']})"
            )
        if not is_volume and flavor["disk"] < before["disk"]:
            raise ProviderError(
                f"{spec.name}: its disk has {before['disk']} GiB, and can't be made smaller: restore the sizes"
            )
        log(f"{spec.name}: {before['original_name']} becomes {flavor['name']}, for which it is stopped")
        self._servers.act(machine, "resize", {"flavorRef": flavor["id"]})
        # Where the cloud confirms by itself, that may be over before it is seen.
        states = {RUNNING, STOPPED, RESIZED}
        changed = self._confirmed(
            self._servers.wait_for(machine.name, machine.id, states, START_TIMEOUT, is_idle=True)
        )
        if changed.answer["flavor"]["original_name"] != flavor["name"]:
            raise ProviderError(
                f"{spec.name}: no host of the cloud has room for {flavor['name']}: set another instance_type, or ask "
                "the cloud's operators; it stays as it was"
            )
        return changed

    def _confirmed(self, machine: Machine) -> Machine:
        """Return a server whose resize, if it was in one, is confirmed, also that of a run that was killed in it."""
        if machine.answer["status"] == "RESIZE":
            machine = self._servers.wait_for(
                machine.name, machine.id, {RUNNING, STOPPED, RESIZED}, START_TIMEOUT
            )
        if machine.answer["status"] == RESIZED:
            self._servers.act(machine, "confirmResize")
            machine = self._servers.wait_for(machine.name, machine.id, {RUNNING, STOPPED}, START_TIMEOUT)
        return machine

    def _grow(self, spec: HostSpec, machine: Machine, log: Log) -> None:
        """Make a server's volumes larger, whether it runs or not.

        Raises:
            ProviderError: A disk is larger than it should be, or is the flavor's own and smaller.

        """
        server = machine.answer
        own = server["flavor"]["disk"]
        if server["image"] and own != spec.kept_size(own):
            raise ProviderError(
                f"{spec.name}: its disk is its flavor's own and has {own} GiB, which another "
                "instance_type alone can change: restore disk_size"
            )
        volumes = [
            self._api.ask("GET", "block_storage", f"/volumes/{attached['id']}")["volume"]
            for attached in server[_ATTACHED]
        ]
        for disk in too_small(spec, self.disks(spec, machine, volumes)):
            self._extend(spec, disk.name, disk.wanted)
            log(f"{disk.name}: {disk.size} GiB become {disk.wanted}; file systems grow at the next start")

    def disks(self, spec: HostSpec, machine: Machine, listed: Iterable[Json]) -> list[Disk]:
        """Return the volumes of a server. Pure."""
        own = {attached["id"] for attached in machine.answer[_ATTACHED]}
        return [
            Disk(
                str(volume["id"]),
                int(volume["size"]),
                spec.data_size if volume["bootable"] == "false" else spec.kept_size(int(volume["size"])),
            )
            for volume in listed
            if volume["id"] in own
        ]

    def _extend(self, spec: HostSpec, volume: str, size: int) -> None:
        """Make a volume larger, and come back when it is."""
        path = f"/volumes/{volume}"
        self._api.ask("POST", "block_storage", f"{path}/action", {"os-extend": {"new_size": size}})
        status = ""

        def is_done() -> bool | None:
            nonlocal status
            now = self._api.ask("GET", "block_storage", path)["volume"]
            status = now["status"]
            if status == "error_extending":
                raise ProviderError(
                    f"{spec.name}: OpenStack could not make volume {volume} larger: ask the cloud's operators"
                )
            return True if now["size"] >= size and status in {"in-use", "available"} else None

        poll(is_done, f"volume {volume} to have {size} GiB", STOP_TIMEOUT, lambda: f"it is {status}")

    def _start(self, machine: Machine, log: Log) -> Machine:
        """Start a server that does not run."""
        if machine.is_running:
            return machine
        if machine.answer["status"] == STOPPED:
            self._servers.act(machine, "os-start")
            log(f"started {machine.id}")
        return self._servers.wait_for(machine.name, machine.id, {RUNNING}, START_TIMEOUT)

    def _connect(self, spec: HostSpec, machine: Machine, log: Log) -> str:
        """Change the port where it differs; associate the floating IP with it, or with nothing, and return it."""
        port = self._ensure_port(spec, machine.key, log)
        address = self._network.associate(ADDRESS + spec.short, port["id"] if spec.is_public else None, log)
        if spec.is_public and not address:
            raise gone(spec.name, "its public address", ADDRESS + spec.short)
        return address if spec.is_public else ""

    def _public_address(self, spec: HostSpec, machine: Machine) -> str:
        """Return the floating IP that leads to the host's port."""
        del machine  # it has the port
        port = self._network.first("ports", spec.short)
        address = self._network.first("floatingips", ADDRESS + spec.short)
        is_led = port is not None and address is not None and address["port_id"] == port["id"]
        return str(address["floating_ip_address"]) if address is not None and is_led else ""

    def _console_command(self, machine: Machine) -> str:
        """Return the command that prints a server's console."""
        return f"openstack console log show {machine.id}"

    def _removal_words(self, machine: Machine) -> str:
        """Return how to remove a server by hand."""
        return f"delete server {machine.id}"

    # -- stopping and removing -----------------------------------------------------------------------------------------

    def stop(self, name: str, log: Log) -> None:
        """Stop the servers of a name in order."""
        for machine in self._machines(name):
            if machine.answer["status"] in {STOPPED, BROKEN}:
                continue
            if not self._confirmed(machine).is_running:
                self._servers.wait_for(name, machine.id, {RUNNING, STOPPED}, START_TIMEOUT)
            self._servers.act(machine, "os-stop")
            self._servers.wait_for(name, machine.id, {STOPPED}, STOP_TIMEOUT)
            log(f"stopped {machine.id}")

    def remove(self, name: str, log: Log) -> None:
        """Remove the servers of a name, their disks and their port, and come back when they are gone."""
        for machine in self._machines(name):
            self._discard(machine, log)
        self._network.remove_named("ports", name, log)

    def _discard(self, machine: Machine, log: Log) -> None:
        """Delete a server and wait until it is gone: until then it has the host's port."""
        self._servers.delete(machine, log)
