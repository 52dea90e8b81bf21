"""A host that is a server at OpenStack: its port, which keeps its address, and the server itself."""

import base64
import threading

from model.errors import ProviderError
from model.hosts.cloud_name import cloud_name
from model.json_types import Json
from model.keys.digest import Inputs
from model.keys.record import HostRecord
from model.labels import AUTHORIZED_KEY_TAG, HOST_KEY_TAG, IMAGE_LABEL, KEY_LABEL, NAME_LABEL, belongs_to
from model.log import Log
from model.stage import Host, Stage
from providers.cloud.cloud_init import ADMIN, new_host_key, user_data
from providers.cloud.host import data_size, disk_size, fingerprint, instance_type, log_in, public_key
from providers.cloud.provider import ADDRESS, FIREWALL, NETWORK, SUBNET
from providers.cloud.retry import PACE, poll
from providers.openstack.api import CONFLICT, NOT_FOUND, OpenStackApi, OpenStackError
from providers.openstack.network import OpenStackNetwork, config_of
from remote.ssh.connection import SshFiles

LAYOUT = "1"
"""Raised when hosts must be made anew for a new version of this file."""

START_TIMEOUT, STOP_TIMEOUT = 900.0, 600.0
_STOPPED, _RESIZED = "SHUTOFF", "VERIFY_RESIZE"
_ATTACHED = "os-extended-volumes:volumes_attached"


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
        "mirrored_disk": str(bool(data_size(stage, host))),
        "volume_type": str(config.volume_type),
    }


class OpenStackHosts:
    """The hosts of a stage.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there.
        api: The services.
        network: What they are in.

    """

    def __init__(self, stage: Stage, files: SshFiles, api: OpenStackApi, network: OpenStackNetwork) -> None:
        self._stage, self._files, self._api, self._network = stage, files, api, network
        self._lock = threading.Lock()
        self._image: Json | None = None

    # -- what there is -------------------------------------------------------------------------------------------------

    def servers(self, name: str = "") -> list[Json]:
        """Return the stage's servers, or those of a name, the oldest first."""
        query = {"name": f"^{cloud_name(self._stage, name)}$"} if name else {}
        found = self._api.listing("compute", "/servers/detail", "servers", **query)
        wanted = {**self._stage.labels, **({NAME_LABEL: name} if name else {})}
        ours = [server for server in found if belongs_to(server["metadata"], wanted)]
        return sorted(ours, key=lambda server: (server["created"], server["id"]))

    def flavors(self) -> list[Json]:
        """Return all flavors that the project may use."""
        return self._api.listing("compute", "/flavors/detail", "flavors")

    def flavor(self, name: str) -> Json:
        """Return a flavor by its name or id.

        Raises:
            ProviderError: There is none.

        """
        flavors = self.flavors()
        found = next((flavor for flavor in flavors if name in {flavor["name"], flavor["id"]}), None)
        if found is None:
            known = ", ".join(sorted(flavor["name"] for flavor in flavors))
            raise ProviderError(f"instance_type: there is no flavor {name}; the project has {known}")
        return found

    def image(self) -> Json:
        """Return the image of the hosts: of that id or name, or the newest of that family; the same for all of a run.

        Raises:
            ProviderError: There is none.

        """
        with self._lock:
            if self._image is None:
                self._image = self._find_image(config_of(self._stage).image_name)
            return self._image

    def _find_image(self, name: str) -> Json:
        """Look for an image."""
        distro, _, version = name.partition("-")
        for query in ({"id": name}, {"name": name}, {"os_distro": distro, "os_version": version}):
            found = self._api.listing("image", "/images", "images", status="active", **query)
            if found:
                # In one and the same second, the id decides: two runs must come to the same.
                newest: Json = max(found, key=lambda image: (image["created_at"], image["id"]))
                return newest
        raise ProviderError(
            f"image_name: there is no image {name}, and none with os_distro {distro} and os_version {version}: upload "
            f"one, or name another"
        )

    # -- making --------------------------------------------------------------------------------------------------------

    def ensure(self, host: Host, key: str, log: Log) -> HostRecord:
        """Make the host be there, running, reachable and open for the stage's key."""
        port = self._ensure_port(host, key, log)
        server = self._confirmed(host.short, self._ensure_server(host, key, port, log))
        if not self.is_of_size(host, server):
            server = self._resize(host, server, log)
        self._grow(host, server, log)
        if server["status"] == _STOPPED:
            self._act(server, "os-start")
            log(f"started {server['id']}")
        if server["status"] != "ACTIVE":
            server = self._wait_for(host.short, server["id"], {"ACTIVE"}, START_TIMEOUT)
        is_public = self._stage.has_public_address(host)
        public = self._network.associate(ADDRESS + host.short, port["id"] if is_public else None, log)
        if is_public and not public:
            task = f"build_infra:{ADDRESS}{host.short}"
            raise ProviderError(f"{host.name}: its public address is gone: run `doit {task}` first")
        metadata = server["metadata"]
        record = HostRecord(
            name=host.name,
            id=server["id"],
            address=host.address,
            ssh_host=public if is_public else host.address,
            user=ADMIN,
            host_keys=(metadata[HOST_KEY_TAG],) if HOST_KEY_TAG in metadata else (),
        )
        console = f"openstack console log show {record.id}"
        log_in(record, self._files, metadata.get(AUTHORIZED_KEY_TAG, ""), "delete server", console, log)
        return record

    def _ensure_port(self, host: Host, key: str, log: Log) -> Json:
        """Return the host's port, made if need be: Neutron gives an address once, so that two runs come to one."""
        place = self._stage.place(host)
        subnet = self._network.need("subnets", SUBNET + place.subnet.name)
        group = self._network.need("security-groups", FIREWALL)
        fixed = [{"subnet_id": subnet["id"], "ip_address": place.address}]
        for port in self._network.listing("ports", host.short):
            if port["fixed_ips"] == fixed:
                if port["security_groups"] != [group["id"]]:
                    change = {"port": {"security_groups": [group["id"]]}}
                    self._api.ask("PUT", "network", f"/ports/{port['id']}", change)
                return port
            # Another address is another host.
            self._remove_servers(host.short, log)
            self._network.drop("ports", port, log)
        body: Json = {
            "network_id": self._network.need("networks", NETWORK)["id"],
            "fixed_ips": fixed,
            "security_groups": [group["id"]],
        }
        return self._network.make("ports", host.short, key, body, log)

    def _ensure_server(self, host: Host, key: str, port: Json, log: Log) -> Json:
        """Return the host's server, made if there is none with that key."""
        found = self.servers(host.short)
        good = [
            one
            for one in found
            if one["metadata"].get(KEY_LABEL) == key and one["status"] not in {"ERROR", "DELETED"}
        ]
        # Of two that a race made, the one that has the port is the host.
        good.sort(key=lambda one: one["id"] != port["device_id"])
        for server in found:
            if server not in good[:1]:
                log(f"{host.name}: is made anew; {server['id']} ({server['status']}) and its disks go")
                self._delete(host.short, server["id"])
        if good:
            return good[0]
        made = self._api.ask("POST", "compute", "/servers", self._request(host, key, port))["server"]
        log(f"made server {made['id']} ({instance_type(self._stage, host)}) at {host.address}")
        return self._wait_for(host.short, made["id"], {"ACTIVE"}, START_TIMEOUT)

    def _request(self, host: Host, key: str, port: Json) -> Json:
        """Return what Nova is asked to make."""
        config, place = config_of(self._stage), self._stage.place(host)
        image, flavor = self.image(), self.flavor(instance_type(self._stage, host))
        host_key, public = new_host_key(), public_key(self._files)
        text = user_data(host, host_key, public).reveal()
        server: Json = {
            "name": cloud_name(self._stage, host.short),
            "flavorRef": flavor["id"],
            "networks": [{"port": port["id"]}],
            "user_data": base64.b64encode(text.encode()).decode(),
            "config_drive": True,
            "metadata": {
                **self._stage.labels,
                NAME_LABEL: host.short,
                KEY_LABEL: key,
                IMAGE_LABEL: image["id"],
                HOST_KEY_TAG: host_key.public,
                AUTHORIZED_KEY_TAG: fingerprint(public),
            },
        }
        if place.zone:
            server["availability_zone"] = place.zone
        size, data = disk_size(self._stage, host), data_size(self._stage, host)
        typed = {"volume_type": config.volume_type} if config.volume_type else {}
        if flavor["disk"] == size and not config.volume_type:
            server["imageRef"] = image["id"]
            root: Json = {"source_type": "image", "destination_type": "local"}
        else:
            root = {"source_type": "image", "destination_type": "volume", "volume_size": size, **typed}
        disks = [{**root, "uuid": image["id"], "boot_index": 0, "delete_on_termination": True}]
        if data:
            disks.append(
                {
                    "source_type": "blank",
                    "destination_type": "volume",
                    "volume_size": data,
                    "boot_index": -1,
                    "delete_on_termination": True,
                    **typed,
                }
            )
        server["block_device_mapping_v2"] = disks
        return {"server": server}

    # -- changing ------------------------------------------------------------------------------------------------------

    def is_of_size(self, host: Host, server: Json) -> bool:
        """Return whether a server has the flavor that is wanted, which may be said by its id."""
        wanted, there = instance_type(self._stage, host), server["flavor"]["original_name"]
        if wanted == there:
            return True
        known = {flavor["id"]: flavor["name"] for flavor in self.flavors()}
        return bool(known.get(wanted) == there)

    def _resize(self, host: Host, server: Json, log: Log) -> Json:
        """Give a server another flavor, for which Nova stops it.

        https://docs.openstack.org/api-guide/compute/server_concepts.html

        Raises:
            ProviderError: Its disk is the flavor's own and would have another size than is wanted; or no host has room.

        """
        flavor, before = self.flavor(instance_type(self._stage, host)), server["flavor"]
        is_volume, wanted = not server["image"], disk_size(self._stage, host)
        if not is_volume and flavor["disk"] != wanted:
            raise ProviderError(
                f"{host.name}: its disk is its flavor's own, and that of {flavor['name']} has {flavor['disk']} GiB: "
                f"set disk_size to that, or instance_type back ({before['original_name']})"
            )
        if not is_volume and flavor["disk"] < before["disk"]:
            raise ProviderError(
                f"{host.name}: its disk has {before['disk']} GiB, and can't be made smaller: put the sizes back"
            )
        log(f"{host.name}: {before['original_name']} becomes {flavor['name']}, for which it is stopped")
        self._act(server, "resize", {"flavorRef": flavor["id"]})
        # Where the cloud confirms by itself, that may be over before it is seen.
        self._wait_for(host.short, server["id"], {"ACTIVE", _STOPPED, _RESIZED}, START_TIMEOUT, is_idle=True)
        changed = self._confirmed(host.short, self._server(host.short, server["id"]))
        if changed["flavor"]["original_name"] != flavor["name"]:
            raise ProviderError(
                f"{host.name}: no host of the cloud has room for {flavor['name']}: set another instance_type, or ask "
                "the cloud's operators; it stays as it was"
            )
        return changed

    def _confirmed(self, name: str, server: Json) -> Json:
        """Return a server whose resize, if it was in one, is confirmed, also that of a run that was killed in it."""
        if server["status"] not in {"RESIZE", _RESIZED}:
            return server
        if server["status"] == "RESIZE":
            server = self._wait_for(name, server["id"], {"ACTIVE", _STOPPED, _RESIZED}, START_TIMEOUT)
        if server["status"] == _RESIZED:
            self._act(server, "confirmResize")
            server = self._wait_for(name, server["id"], {"ACTIVE", _STOPPED}, START_TIMEOUT)
        return server

    def _grow(self, host: Host, server: Json, log: Log) -> None:
        """Make a server's volumes larger, as it runs.

        Raises:
            ProviderError: A disk is larger than it should be, or is the flavor's own and smaller.

        """
        data, wanted = data_size(self._stage, host), disk_size(self._stage, host)
        if server["image"] and server["flavor"]["disk"] != wanted:
            raise ProviderError(
                f"{host.name}: its disk is its flavor's own and has {server['flavor']['disk']} GiB, which another "
                "instance_type alone can change: put disk_size back"
            )
        for attached in server[_ATTACHED]:
            volume = self._api.ask("GET", "block_storage", f"/volumes/{attached['id']}")["volume"]
            size = data if volume["bootable"] == "false" else wanted
            if volume["size"] > size:
                raise ProviderError(
                    f"{host.name}: its disk {volume['id']} has {volume['size']} GiB, and can't be made smaller: put "
                    "the size back"
                )
            if volume["size"] < size:
                self._extend(host, volume, size)
                log(
                    f"{volume['id']}: {volume['size']} GiB become {size}; file systems grow at the next start"
                )

    def _extend(self, host: Host, volume: Json, size: int) -> None:
        """Make a volume larger, and come back when it is."""
        path = f"/volumes/{volume['id']}"
        self._api.ask("POST", "block_storage", f"{path}/action", {"os-extend": {"new_size": size}})
        status = ""

        def is_done() -> bool | None:
            nonlocal status
            now = self._api.ask("GET", "block_storage", path)["volume"]
            status = now["status"]
            if status == "error_extending":
                raise ProviderError(
                    f"{host.name}: OpenStack could not make volume {volume['id']} larger: ask the cloud's operators"
                )
            return True if now["size"] >= size and status in {"in-use", "available"} else None

        poll(
            is_done,
            f"volume {volume['id']} to have {size} GiB",
            STOP_TIMEOUT,
            lambda: f"it is {status}",
            PACE,
        )

    # -- stopping and removing -----------------------------------------------------------------------------------------

    def stop(self, name: str, log: Log) -> None:
        """Stop the servers of a name in order."""
        for server in self.servers(name):
            if server["status"] in {_STOPPED, "ERROR"}:
                continue
            if self._confirmed(name, server)["status"] != "ACTIVE":
                self._wait_for(name, server["id"], {"ACTIVE", _STOPPED}, START_TIMEOUT)
            self._act(server, "os-stop")
            self._wait_for(name, server["id"], {_STOPPED}, STOP_TIMEOUT)
            log(f"stopped {server['id']}")

    def remove(self, name: str, log: Log) -> None:
        """Remove the servers of a name, their disks and their port, and come back when they are gone."""
        self._remove_servers(name, log)
        self._network.remove_named("ports", name, log)

    def _remove_servers(self, name: str, log: Log) -> None:
        """Remove the servers of a name."""
        for server in self.servers(name):
            self._delete(name, server["id"])
            log(f"removed server {server['id']}")

    def _delete(self, name: str, identifier: str) -> None:
        """Delete a server and wait until it is gone: until then it has the host's port."""
        self._api.drop("compute", f"/servers/{identifier}")

        def is_gone() -> bool | None:
            server = self._look(identifier)
            if server is not None and server["status"] == "ERROR" and not server.get("OS-EXT-STS:task_state"):
                raise ProviderError(f"{name}: {identifier} can't be removed: {_fault(server)}: run again")
            return True if server is None else None

        poll(is_gone, f"{name} ({identifier}) to be gone", STOP_TIMEOUT, lambda: self._now(identifier), PACE)

    # -- waiting -------------------------------------------------------------------------------------------------------

    def _act(self, server: Json, action: str, body: Json | None = None) -> None:
        """Have a server do something; that it is at it already is no error."""
        try:
            self._api.ask("POST", "compute", f"/servers/{server['id']}/action", {action: body})
        except OpenStackError as error:
            if error.status != CONFLICT:
                raise

    def _look(self, identifier: str) -> Json | None:
        """Return a server as it is now; None if it is gone."""
        try:
            server: Json = self._api.ask("GET", "compute", f"/servers/{identifier}")["server"]
        except OpenStackError as error:
            if error.status != NOT_FOUND:
                raise
            return None
        return server

    def _now(self, identifier: str) -> str:
        """Return how a server is, for a message."""
        server = self._look(identifier)
        return f"it is {server['status']}" if server is not None else "it is not there"

    def _server(self, name: str, identifier: str) -> Json:
        """Return a server as it is now."""
        server = self._look(identifier)
        if server is None:
            raise ProviderError(f"{name}: server {identifier} is gone: somebody removed it; run again")
        return server

    def _wait_for(
        self, name: str, identifier: str, states: set[str], timeout: float, *, is_idle: bool = False
    ) -> Json:
        """Wait until a server is in one of several states, and return it.

        Args:
            name: The host's.
            identifier: The server's.
            states: Any of them will do.
            timeout: Seconds.
            is_idle: Whether Nova must have nothing in hand for it any more as well.

        Raises:
            ProviderError: It is not in time, or Nova gave it up.

        """

        def look() -> Json | None:
            server = self._server(name, identifier)
            if server["status"] == "ERROR":
                raise ProviderError(
                    f"{name}: OpenStack gave server {identifier} up: {_fault(server)}: set another instance_type or "
                    "available_zones, or ask the cloud's operators; then run again"
                )
            is_busy = is_idle and server.get("OS-EXT-STS:task_state")
            return server if server["status"] in states and not is_busy else None

        what = f"{name} ({identifier}) to be {' or '.join(sorted(states))}"
        return poll(look, what, timeout, lambda: self._now(identifier), PACE)


def _fault(server: Json) -> str:
    """Return why a server is in ERROR."""
    return str((server.get("fault") or {}).get("message") or "it gave no reason")
