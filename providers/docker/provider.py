"""Provider `docker`: each host is a container on the mother's engine, with systemd, sshd and an engine of its own.

What belongs to a stage carries its labels, and those labels are all that is known of it: nothing is kept elsewhere.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from model.json_types import Json
from model.keys.digest import key_of
from model.keys.record import FactRecord, HostRecord, Record
from model.labels import HOST_IMAGE_LABEL, KEY_LABEL, NAME_LABEL, label_filter, labels_of
from model.log import Log
from model.site import FORMER_HOST_IMAGES, DockerStage
from model.stage import Stage
from providers.base import Found, Provider, Resource
from providers.docker import features as docker_features
from providers.docker import host as docker_host
from providers.docker import image as docker_host_image
from providers.docker import network as docker_network
from providers.docker.api import reading
from providers.docker.check import problems, reserved_addresses
from remote.ssh.ssh_files import SshFiles

IMAGE, NETWORK = "image", docker_network.NETWORK


class DockerProvider(Provider):
    """Hosts that are containers on this machine's Docker Engine.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives secrets; this provider needs none.

    """

    name: ClassVar[str] = "docker"
    keeps_volumes = True

    def __init__(
        self, stage: Stage, files: SshFiles, state: Path | None = None, secret: object = None
    ) -> None:
        del state, secret
        if not isinstance(stage.config, DockerStage):
            raise TypeError(f"stage {stage.name} is not one of the docker provider")
        self._stage = stage
        self._config = stage.config
        # Stages share the image, so that nothing of the stage is in its key.
        self._defaults = {"host_image": FORMER_HOST_IMAGES} if self._config.host_image is None else {}
        self._image = Resource(
            IMAGE,
            docker_host_image.inputs(self._config),
            defaults={**self._defaults, "recipe": docker_host_image.FORMER_RECIPES},
            doc=f"the host image, from {self._config.image}",
        )
        self._network_inputs = {"cidr": str(self._config.cidr)}
        self._network_key = key_of(self._network_inputs)
        self._hosts = docker_host.DockerHosts(stage, files, self._image.key)

    def resources(self) -> Sequence[Resource]:
        """List image, network and hosts."""
        return (
            self._image,
            Resource(
                NETWORK,
                self._network_inputs,
                doc=f"the network of the hosts, {self._config.cidr}",
            ),
            *(
                Resource(
                    host.short,
                    docker_host.inputs(self._stage, host),
                    defaults=self._defaults,
                    needs=(IMAGE, NETWORK),
                    is_host=True,
                    doc=f"{host.name}, a container at {host.address}",
                    quota_usage={"hosts": 1},
                )
                for host in self._stage.hosts
            ),
        )

    def check(self) -> Sequence[str]:
        """Check names and addresses, the engine, the image and the network."""
        return problems(self._stage, self._config)

    def obstacles(self, found: Mapping[str, Found], moved: Mapping[str, str]) -> Sequence[str]:
        """Look for networks and routes that have the addresses of a network that is to be made or replaced."""
        del moved
        network = found.get(NETWORK)
        if network is not None and network.key == self._network_key:
            return reserved_addresses(self._stage)
        replaced = network.id if network is not None else ""
        return [*reserved_addresses(self._stage), *docker_network.problems(self._stage, replaced)]

    def moves_at_once(self, found: Mapping[str, Found]) -> bool:
        """Return whether the network is to be replaced while hosts are there."""
        network = found.get(NETWORK)
        is_new = network is not None and network.key != self._network_key
        return is_new and any(thing.is_host for thing in found.values())

    def found(self) -> Mapping[str, Found]:
        """Return all that carries the stage's labels, and the host image that it uses."""
        with reading() as client:
            labelled = label_filter(self._stage.labels)
            containers = client.containers(all=True, filters=labelled)
            networks = client.networks(filters=labelled)
            volumes = client.volumes(filters=labelled)["Volumes"] or ()
            image = docker_host_image.find(client, self._image.key) or self._older_image(containers)
        wanted = {resource.name: resource for resource in self.resources()}
        found: dict[str, Found] = {}
        if image:
            found[IMAGE] = Found(IMAGE, self._image.key, image)
        for network in sorted(networks, key=lambda n: (n["Created"], n["Id"]), reverse=True):
            labels = labels_of(network)
            found[NETWORK] = Found(NETWORK, labels.get(KEY_LABEL, ""), network["Id"])
        for volume in sorted(volumes, key=lambda v: str(v["Name"])):
            # Overwritten below where the host is there; a volume alone is what is left of one.
            name = labels_of(volume).get(NAME_LABEL, "")
            found[name] = Found(name, "", volume["Name"], running=False, is_host=True)
        for container in containers:
            labels = labels_of(container)
            if NAME_LABEL not in labels:
                continue  # a probe
            attached = (container["NetworkSettings"] or {}).get("Networks") or {}
            at_home = NETWORK in found and any(n["NetworkID"] == found[NETWORK].id for n in attached.values())
            name = labels[NAME_LABEL]
            found[name] = Found(
                name,
                _key_of(wanted.get(name), labels.get(KEY_LABEL, "")),
                container["Id"],
                running=container["State"] == "running" and at_home,
                is_host=True,
                is_displaced=not at_home,
                has_no_network=NETWORK not in found,
            )
        return found

    def _older_image(self, containers: Sequence[Json]) -> str:
        """Return the image that all hosts were made from by an older skep; empty if one is to be made now."""
        there = {labels_of(each).get(NAME_LABEL): each for each in containers}
        hosts = [each for each in self.resources() if each.is_host]
        for host in hosts:
            labels = labels_of(there.get(host.name, {}))
            # They have their image's label beside their own.
            of_older = (
                labels.get(KEY_LABEL) == host.key and labels.get(HOST_IMAGE_LABEL) in self._image.former_keys
            )
            if labels.get(KEY_LABEL) not in host.former_keys and not of_older:
                return ""
        return str(there[hosts[0].name]["ImageID"])

    def recall(self, resource: Resource) -> HostRecord | None:
        """Return the record of a host that runs and lets the stage's key in."""
        return self._hosts.recall(self._stage.host(resource.name), resource)

    def ensure(self, resource: Resource, log: Log) -> Record:
        """Make an image, network or host."""
        if resource.name == IMAGE:
            with reading() as client:
                older = self._older_image(
                    client.containers(all=True, filters=label_filter(self._stage.labels))
                )
            if older:
                log(
                    "the hosts stay as an older skep made them by default; one that is made anew gets today's image"
                )
            return FactRecord(id=older or docker_host_image.ensure(self._config, resource.key, log))
        if resource.name == NETWORK:
            return FactRecord(id=docker_network.ensure(self._stage, resource.key, log))
        return self._hosts.ensure(self._stage.host(resource.name), resource, log)

    def halt(self, name: str, log: Log) -> None:
        """Stop a host's container in order; it stays stopped when this machine starts again."""
        docker_host.halt(self._stage, name, log)

    def fence(self, name: str, log: Log) -> None:
        """Kill a host's container, be it frozen."""
        docker_host.fence(self._stage, name, log)

    def forget_swarm(self, name: str, log: Log) -> None:
        """Have a stopped container's boot take the swarm's state away, before the engine starts."""
        docker_host.forget_swarm(self._stage, name, log)

    def remove(self, name: str, log: Log) -> None:
        """Remove a host with its volumes, the network, or the image if nothing uses it."""
        if name == IMAGE:
            for key in (self._image.key, *self._image.former_keys):
                docker_host_image.remove(key, log)
        elif name == NETWORK:
            docker_features.sweep_stage(self._stage)
            docker_network.remove(self._stage, log)
        else:
            docker_host.remove(self._stage, name, log)


def _key_of(wanted: Resource | None, label: str) -> str:
    """Return the key of a host by its label: today's also if it was made under an older default. Pure."""
    return wanted.key if wanted is not None and label in wanted.former_keys else label
