"""Hosts that are containers: how one is brought up, how a changed one is replaced, how one is stopped and removed."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import ProviderError
from model.json_types import Json
from model.keys.digest import Inputs
from model.keys.record import ADMIN, HostRecord
from model.labels import ADDRESS_LABEL, KEY_LABEL, NAME_LABEL, PUBLISH_LABEL, label_filter, labels_of
from model.log import Log
from model.stage import Host, Stage
from providers.base import Resource
from providers.docker import features as docker_features
from providers.docker import image as docker_host_image
from providers.docker import network as docker_network
from providers.docker.api import (
    CONFLICT,
    FORBIDDEN,
    NOT_FOUND,
    NOT_MODIFIED,
    RACE_TIMEOUT,
    SERVER_ERROR,
    engine,
    engine_is_remote,
    status,
    thing,
    tolerated,
    translate_errors,
)
from providers.docker.container import (
    MODULES,
    VOLUMES,
    EngineFeatures,
    archive,
    await_gone,
    config_of,
    container_spec,
    discard,
    execute,
    is_running,
    last_lines,
)
from remote.mother.wait import attempts, wait_for
from remote.ssh.authorized_keys import LET_IN
from remote.ssh.login import wait_for_login
from remote.ssh.ssh_files import SshFiles

if TYPE_CHECKING:
    from docker import APIClient
    from docker.errors import APIError

LAYOUT = "1"
"""Raised when hosts must be replaced for a new version of this file; what can be changed in place does not need it."""

SSH_TIMEOUT = 120.0
_FENCE_TIMEOUT = 60.0
"""Seconds that the engine may take to kill a host."""
_FORGET = "skep-forget-swarm"
"""The file among an engine's data that has boot.sh remove the swarm's state."""
_ENDED = frozenset({"created", "exited", "dead"})
"""The states of containers in which nothing runs."""
_BOOT = Path(__file__).with_name("boot.sh")

_HOST_KEYS = "cut -d' ' -f1,2 /etc/ssh/ssh_host_*_key.pub\n"
# Run as root in the container each time: this checkout's key may be another one than that it was made with.
_ADMIT = f"""
set -eu
id -u "$ADMIN" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --password '*' "$ADMIN"
{LET_IN}if [ ! -e "/etc/sudoers.d/$ADMIN" ]; then
    umask 0227
    printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\\n' "$ADMIN" >"/etc/sudoers.d/.$ADMIN.$$"
    mv "/etc/sudoers.d/.$ADMIN.$$" "/etc/sudoers.d/$ADMIN"
fi
n=0
until [ -s /etc/ssh/ssh_host_ed25519_key.pub ]; do
    n=$((n + 1))
    [ $n -lt 300 ] || {{ echo "no host key was made within 30 s" >&2; exit 1; }}
    sleep 0.1
done
{_HOST_KEYS}"""


def inputs(stage: Stage, host: Host) -> Inputs:
    """Return a host's inputs; its authorized key, name servers and boot script are none: they change in place."""
    config = config_of(stage)
    return {
        "layout": LAYOUT,
        "name": host.name,
        "address": host.address,
        "cidr": str(config.cidr),
        "host_image": config.image,
        "cpus": str(config.cpus),
        "memory_size": str(config.memory_size),
        "publish": str(config.publish),
    }


class DockerHosts:
    """The hosts of one stage. Thread-safe; the engine is probed once.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there.
        image_key: The key of the host image.

    """

    def __init__(self, stage: Stage, files: SshFiles, image_key: str) -> None:
        self._stage = stage
        self._files = files
        self._image_key = image_key
        self._lock = threading.Lock()
        self._probed: tuple[bool, list[str]] | None = None

    def ensure(self, host: Host, wanted: Resource, log: Log) -> HostRecord:
        """Make the host be there, running, reachable and open for the stage's key."""
        from docker.errors import APIError

        refused: APIError | None = None
        # Each round looks at what there is and does one thing about it. Another run may do the same at the same time:
        # who loses, looks again.
        with engine(timeout=180) as client:
            for _ in attempts(RACE_TIMEOUT):
                try:
                    container = self._ensure_running(client, host, wanted, log)
                    return self._admit(client, host, container, log)
                except APIError as error:
                    if status(error) not in {NOT_FOUND, CONFLICT} and not _is_mounted_elsewhere(error):
                        raise
                    refused = error
            found = self._find(client, host)
            lines = last_lines(client, found["Id"]) if found else ""
            raise ProviderError(
                f"{host.name}: {translate_errors(refused) if refused else 'is not made'}{lines}"
            )

    def recall(self, host: Host, wanted: Resource) -> HostRecord | None:
        """Return the record of a host that runs as wanted and lets the stage's key in; nothing in it is changed."""
        with engine() as client:
            found = self._find(client, host)
            labels = labels_of(found) if found is not None else {}
            if (
                found is None
                or found["State"] != "running"
                or labels.get(KEY_LABEL) not in (wanted.key, *wanted.former_keys)
                or labels.get(PUBLISH_LABEL) != str(self._publish(client)).lower()
            ):
                return None
            with tolerated(NOT_FOUND, CONFLICT):
                code, keys = execute(client, found["Id"], _HOST_KEYS, {})
                if code != 0:
                    return None
                record = self._record(client, host, found["Id"], keys)
                return None if wait_for_login(record, self._files.key, SSH_TIMEOUT, lambda: False) else record
        return None

    def _ensure_running(self, client: "APIClient", host: Host, wanted: Resource, log: Log) -> str:
        """Return the id of the host's container, which runs."""
        from docker.errors import APIError

        network = docker_network.find(client, self._stage)
        if network is None:
            raise ProviderError(f"{host.name}: its network is gone: run `doit build_infra:network` first")
        publish = self._publish(client)
        found = self._find(client, host)
        if found is not None:
            labels = labels_of(found)
            if found["State"] in {"dead", "removing"}:
                discard(client, found["Id"])
                found = None
            elif (
                labels.get(KEY_LABEL) not in (wanted.key, *wanted.former_keys)
                or labels.get(PUBLISH_LABEL) != str(publish).lower()
            ):
                log(f"{host.name}: is replaced; its engine's data is kept")
                discard(client, found["Id"])
                found = None
        container = (
            found["Id"]
            if found
            else self._create(client, host, wanted.key, network["Name"], log, publish=publish)
        )
        state = client.inspect_container(container)["State"]
        if found and state["Status"] != "running":
            log(f"{host.name}: starting its container, which was {state['Status']}")
        if state["Status"] == "paused":
            client.unpause(container)
        elif state["Status"] == "restarting":
            # Its boot fails again and again: stop that, so that it starts with the boot script of today.
            client.stop(container, timeout=5)
        self._put_boot(client, container)
        if state["Status"] not in {"running", "paused"}:
            try:
                client.start(container)
            except APIError as error:
                if "network" in str(error.explanation) and "not found" in str(error.explanation):
                    # Made for a network that was removed since.
                    discard(client, container)
                    raise
                raise self._start_failed(client, host, network, error) from error
        self._attach(client, host, container, network, log)
        return str(container)

    def _create(
        self, client: "APIClient", host: Host, key: str, network: str, log: Log, *, publish: bool
    ) -> str:
        """Create the host's container, with the volumes of its predecessor if there was one."""
        from docker.errors import APIError

        # Mostly it is there: its own task has made it, unless an older default's host turned out to be unusable.
        image = docker_host_image.find(client, self._image_key) or docker_host_image.ensure(
            config_of(self._stage), self._image_key, log
        )
        privileged, _ = self._probe(client, image)
        for word in VOLUMES:
            volume = client.create_volume(
                thing(self._stage, host.short, word),
                labels={**self._stage.labels, NAME_LABEL: host.short, ADDRESS_LABEL: host.address},
            )
            before = labels_of(volume).get(ADDRESS_LABEL, host.address)
            if before != host.address and word == "docker":
                log(
                    f"{host.name}: keeps its engine's data, made at {before}: a swarm in it knows that address"
                )
        log(f"creating container {thing(self._stage, host.short)} at {host.address}")
        means = EngineFeatures(image, network, publish, privileged, modules=Path(MODULES).is_dir())
        spec = container_spec(self._stage, host, key, means)
        try:
            return str(client.create_container_from_config(spec, thing(self._stage, host.short))["Id"])
        except APIError as error:
            if status(error) == CONFLICT:
                # Another run was first; or the name is taken by something that is not ours.
                other = client.inspect_container(thing(self._stage, host.short))
                if labels_of(other["Config"]).get(NAME_LABEL) != host.short:
                    raise ProviderError(
                        f"{host.name}: a container named {thing(self._stage, host.short)} exists that is not skep's: "
                        f"`docker rm` or rename it, then run doit again"
                    ) from error
            raise

    def _find(self, client: "APIClient", host: Host) -> Json | None:
        """Return the host's container as the engine lists it."""
        containers = client.containers(
            all=True, filters=label_filter({**self._stage.labels, NAME_LABEL: host.short})
        )
        return min(containers, key=lambda c: (c["Created"], c["Id"])) if containers else None

    def _put_boot(self, client: "APIClient", container: str) -> None:
        """Write the boot script and the name servers of today into the container; the next start uses them."""
        _, servers = self._probe(client, client.inspect_container(container)["Image"])
        files = {"boot": _BOOT.read_bytes(), "nameservers": "".join(f"{s}\n" for s in servers).encode()}
        client.put_archive(container, "/etc", archive({f"skep/{name}": data for name, data in files.items()}))

    def _attach(self, client: "APIClient", host: Host, container: str, network: Json, log: Log) -> None:
        """Put a running host that has lost its network, or has another address there, where it belongs."""
        networks = client.inspect_container(container)["NetworkSettings"]["Networks"]
        mine = networks.get(network["Name"])
        if mine and mine["NetworkID"] == network["Id"] and mine["IPAddress"] == host.address:
            return
        log(f"{host.name}: attaching to network {network['Name']}")
        for name in networks:
            with tolerated(FORBIDDEN, NOT_FOUND):
                client.disconnect_container_from_network(container, name, force=True)
        client.connect_container_to_network(
            container, network["Id"], ipv4_address=host.address, aliases=[host.name, host.short]
        )

    def _start_failed(
        self, client: "APIClient", host: Host, network: Json, error: Exception
    ) -> ProviderError:
        """Return why a container does not start, and who has its address if it is that."""
        reason = translate_errors(error)
        if "address already in use" in str(reason).lower():
            attached = client.inspect_network(network["Id"])["Containers"] or {}
            for endpoint in attached.values():
                if endpoint["IPv4Address"].split("/")[0] == host.address:
                    return ProviderError(
                        f"{host.name}: its address {host.address} is taken by the container {endpoint['Name']} in "
                        f"network {network['Name']}: remove that, or set ip_address_list"
                    )
        return ProviderError(f"{host.name}: {reason}")

    def _admit(self, client: "APIClient", host: Host, container: str, log: Log) -> HostRecord:
        """Let this checkout's key in beside those that are, read the host's keys, and wait until it lets us in."""
        environment = {"ADMIN": ADMIN, "AUTHORIZED_KEY": self._files.entry.line}
        code, output = execute(client, container, _ADMIT, environment)
        if code != 0:
            raise ProviderError(f"{host.name}: its admin user can't be made: {output.strip()[-500:]}")
        record = self._record(client, host, container, output)
        ssh_host, ssh_port = record.ssh_host, record.ssh_port
        log(f"{host.name}: waiting for ssh on {ssh_host}:{ssh_port}")
        reason = wait_for_login(record, self._files.key, SSH_TIMEOUT, lambda: is_running(client, container))
        if reason:
            raise ProviderError(
                f"{host.name}: no ssh log-in on {ssh_host}:{ssh_port} within {SSH_TIMEOUT:.0f} s: {reason}\n"
                f"    look inside: docker exec -it {thing(self._stage, host.short)} bash{last_lines(client, container)}"
            )
        return record

    def _record(self, client: "APIClient", host: Host, container: str, keys: str) -> HostRecord:
        """Return a host's record, given the lines of its host keys."""
        ssh_host, ssh_port = self._ssh_address(client, host, container)
        return HostRecord(
            name=host.name,
            id=container,
            address=host.address,
            ssh_host=ssh_host,
            ssh_port=ssh_port,
            user=ADMIN,
            host_keys=tuple(line.strip() for line in keys.splitlines() if line.strip()),
        )

    def _ssh_address(self, client: "APIClient", host: Host, container: str) -> tuple[str, int]:
        """Return where the host's ssh answers; a published port may be another after each start."""
        info = client.inspect_container(container)
        if labels_of(info["Config"]).get(PUBLISH_LABEL) != "true":
            return host.address, 22
        bindings = (info["NetworkSettings"]["Ports"] or {}).get("22/tcp") or []
        if not bindings:
            raise ProviderError(
                f"{host.name}: its ssh port is not published: `docker restart {thing(self._stage, host.short)}`, "
                "then run doit again"
            )
        return "127.0.0.1", int(bindings[0]["HostPort"])

    def _publish(self, client: "APIClient") -> bool:
        """Return whether hosts are reached by published ports."""
        wanted = config_of(self._stage).publish
        return engine_is_remote(client.info()) if wanted is None else wanted

    def _probe(self, client: "APIClient", image: str) -> tuple[bool, list[str]]:
        """Find out, once, whether this engine can do --privileged, and which name servers its containers reach.

        A container on the default network tells both: it starts or not, and Docker gives it the mother's name
        servers as far as a container can reach them (on the stage's network it gives its own resolver instead).
        """
        with self._lock:
            if self._probed is None:
                self._probed = docker_features.probe(client, self._stage, image)
            return self._probed


def _is_mounted_elsewhere(error: "APIError") -> bool:
    """Return whether the engine failed to copy into a container whose file system another run mounted just then."""
    text = str(error.explanation)
    return status(error) == SERVER_ERROR and "mount /" in text and "no such file or directory" in text


def halt(stage: Stage, name: str, log: Log) -> None:
    """Stop a host in order: its services and containers first, as systemd does when a machine shuts down."""
    with engine(timeout=180) as client:
        for container in client.containers(filters=label_filter({**stage.labels, NAME_LABEL: name})):
            with tolerated(NOT_MODIFIED, NOT_FOUND):
                client.stop(container["Id"])
                log(f"stopped container {container['Names'][0].lstrip('/')}")


def fence(stage: Stage, name: str, log: Log) -> None:
    """Kill a host at once, and make sure that it has ended: one that is paused would go on where it was.

    In order it could only be stopped by having it go on.
    """
    with engine(timeout=180) as client:
        for container in _containers(client, stage, name):
            title = container["Names"][0].lstrip("/")
            with tolerated(NOT_MODIFIED, NOT_FOUND, CONFLICT):  # it ended meanwhile
                if container["State"] == "restarting":
                    client.stop(container["Id"], timeout=0)
                elif container["State"] not in _ENDED:
                    client.kill(container["Id"])
                    log(f"killed container {title}")
            wait_for(
                lambda container=container: _has_ended(client, container["Id"]),  # type: ignore[misc]
                f"container {title} to end",
                _FENCE_TIMEOUT,
                kind=ProviderError,
            )


def _has_ended(client: "APIClient", container: str) -> bool:
    """Return whether a container has ended, or is gone."""
    with tolerated(NOT_FOUND):
        return client.inspect_container(container)["State"]["Status"] in _ENDED
    return True


def _containers(client: "APIClient", stage: Stage, name: str) -> list[Json]:
    """Return the containers of a host's name: one, or none."""
    found: list[Json] = client.containers(all=True, filters=label_filter({**stage.labels, NAME_LABEL: name}))
    return found


def forget_swarm(stage: Stage, name: str, log: Log) -> None:
    """Mark a stopped host's engine's data, which outlive the container: its boot removes the swarm's state first."""
    with engine(timeout=180) as client:
        for container in _containers(client, stage, name):
            if container["State"] not in _ENDED:
                continue
            # An older skep's boot knows no mark.
            client.put_archive(container["Id"], "/etc", archive({"skep/boot": _BOOT.read_bytes()}))
            wait_for(
                lambda container=container: _is_marked(client, container["Id"]),  # type: ignore[misc]
                f"the mark for the old swarm on {name}",
                _FENCE_TIMEOUT,
                kind=ProviderError,
            )
            log(f"{name}: forgets its old swarm before its engine starts again")


def _is_marked(client: "APIClient", container: str) -> bool:
    """Put the mark in a container's volume, and return whether it is there.

    Until an engine has taken a killed container's file systems apart, the mark may come to lie beneath the volume.
    """
    client.put_archive(container, VOLUMES["docker"], archive({_FORGET: b""}))
    with tolerated(NOT_FOUND):
        stream, _ = client.get_archive(container, f"{VOLUMES['docker']}/{_FORGET}")
        stream.close()
        return True
    return False


def remove(stage: Stage, name: str, log: Log) -> None:
    """Remove a host and its volumes, wanted by the stage or not."""
    with engine(timeout=180) as client:
        docker_features.sweep(client, stage)
        for container in client.containers(
            all=True, filters=label_filter({**stage.labels, NAME_LABEL: name})
        ):
            with tolerated(NOT_FOUND, CONFLICT):
                client.remove_container(container["Id"], force=True, v=True)
                log(f"removed container {container['Names'][0].lstrip('/')}")
            await_gone(client, container["Id"])
        for volume in (
            client.volumes(filters=label_filter({**stage.labels, NAME_LABEL: name}))["Volumes"] or ()
        ):
            with tolerated(NOT_FOUND):
                client.remove_volume(volume["Name"])
                log(f"removed volume {volume['Name']}")
