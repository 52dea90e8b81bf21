"""A stage of a site: its hosts and all that it uses of the site."""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from model import site as types
from model.hosts.placement import HostLocation, host_locations
from model.labels import SITE_LABEL, STAGE_LABEL

HOST_PREFIXES = {"private": "p-", "staging": "s-"}
"""The default prefixes of host names by stage, as in hive-builder. Other stages have none."""

REGISTRY_PORT = 5000


@dataclass(frozen=True)
class Host:
    """A host of a stage.

    Args:
        short: As tasks and `site.toml` call it: `hive0`.
        name: Its full name: `p-hive0.example`.
        address: Its address in the stage's network.
        is_hive: Whether it joins the swarm.
        is_repository: Whether it builds images and runs the registry.

    """

    short: str
    name: str
    address: str
    is_hive: bool
    is_repository: bool


@dataclass(frozen=True)
class Stage:
    """A stage of a site.

    Args:
        site: The whole site.
        name: The stage's name.
        config: The stage's table in site.toml.
        home: The host whose registry has the stage's images, as far as that is known; else empty. It stays the
            repository when hosts come and go, unless site.toml names another one.

    """

    site: types.Site
    name: str
    config: types.Stage
    home: str = ""

    @property
    def site_name(self) -> str:
        """The site's name."""
        return self.site.site

    @property
    def provider(self) -> str:
        """The value of `provider =`."""
        tag = self.config.__struct_config__.tag
        return str(tag)

    @property
    def number_of_hosts(self) -> int:
        """The number of hosts in all."""
        if self.config.number_of_hosts is not None:
            return self.config.number_of_hosts
        if self.config.ip_address_list:
            return len(self.config.ip_address_list)
        return 4 if self.config.separate_repository else 3

    @property
    def shorts(self) -> tuple[str, ...]:
        """The hosts' short names, in order."""
        return tuple(f"{self.config.custom_hostname}{n}" for n in range(self.number_of_hosts))

    @property
    def repository_short(self) -> str:
        """The repository's short name: the one in site.toml, else where the registry is, else the last host's."""
        shorts = self.shorts
        return next((short for short in (self.config.repository, self.home) if short in shorts), shorts[-1])

    def host_name(self, short: str) -> str:
        """Return a host's full name."""
        prefix = self.config.prefix
        return f"{HOST_PREFIXES.get(self.name, '') if prefix is None else prefix}{short}.{self.site_name}"

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts, in order."""
        config, count = self.config, self.number_of_hosts
        addresses = list(self._addresses(count))
        shorts, repository = self.shorts, self.repository_short
        return tuple(
            Host(
                short=short,
                name=self.host_name(short),
                address=addresses[n],
                is_hive=short != repository or not config.separate_repository,
                is_repository=short == repository,
            )
            for n, short in enumerate(shorts)
        )

    def _addresses(self, count: int) -> Iterator[str]:
        """Yield the hosts' addresses.

        Counted up in `cidr` from the eleventh address, so that gateways, name servers and a cloud's reserved
        addresses stay free; from the fourth in a network too small for that. In a cloud they are spread over subnets.
        """
        if self.config.ip_address_list:
            yield from self.config.ip_address_list
            return
        if isinstance(self.config, types.CloudStage):
            yield from (place.address for place in host_locations(self.config, count))
            return
        network = ipaddress.ip_network(self.config.cidr or "192.0.2.0/24")
        first = 10 if network.num_addresses > count + 11 else 4
        for n in range(count):
            yield str(network[first + n])

    def given_labels(self, host: Host) -> dict[str, str]:
        """Return the labels that site.toml gives a hive's node."""
        return {
            name: scalar_text(value) for name, value in self.config.node_labels.get(host.short, {}).items()
        }

    def sysctls(self, host: Host) -> dict[str, str]:
        """Return a host's kernel parameters: everybody's, the stage's, its own."""
        tables = (
            self.site.setup_hosts.sysctls,
            self.config.sysctls,
            self.config.host_sysctls.get(host.short, {}),
        )
        return {sysctl_name(name): sysctl_text(value) for table in tables for name, value in table.items()}

    @property
    def has_nfs(self) -> bool:
        """Whether the cloud makes a file system for volumes."""
        return isinstance(self.config, types.CloudStage) and self.config.nfs

    @property
    def hives(self) -> tuple[Host, ...]:
        """The hosts that join the swarm."""
        return tuple(host for host in self.hosts if host.is_hive)

    @property
    def data_path_port(self) -> int:
        """The UDP port of overlay network traffic between hives."""
        return self.config.data_path_port

    @property
    def repository(self) -> Host:
        """The host that builds images and runs the site's registry."""
        return next(host for host in self.hosts if host.is_repository)

    @property
    def former_repository(self) -> str:
        """The host whose registry has the images as long as they have not gone along to the repository; mostly none."""
        return self.home if self.home != self.repository_short else ""

    @property
    def registry(self) -> str:
        """The registry's host and port, as in image references."""
        return f"{self.repository.name}:{REGISTRY_PORT}"

    def in_registry(self, reference: str) -> str | None:
        """Return the path and digest of an image in the stage's registry, on whichever host that was or is."""
        registry, _, path = reference.partition("/")
        name, _, port = registry.rpartition(":")
        return path if port == str(REGISTRY_PORT) and name.endswith(f".{self.site_name}") else None

    def in_own_registry(self, reference: str) -> str:
        """Return an image's reference with the registry's name of today; one of elsewhere as it is."""
        path = self.in_registry(reference)
        return reference if path is None else f"{self.registry}/{path}"

    def registry_host(self, reference: str) -> Host | None:
        """Return the host of the stage whose registry, today's or a former one, a reference names; else None."""
        registry = reference.partition("/")[0]
        return next((host for host in self.hosts if registry == f"{host.name}:{REGISTRY_PORT}"), None)

    def location(self, host: Host) -> HostLocation:
        """Return the location of a host in a cloud: subnet and zone.

        Raises:
            TypeError: The stage does not use a cloud provider.

        """
        if not isinstance(self.config, types.CloudStage):
            raise TypeError(f"stage {self.name} does not use a cloud provider")
        return list(host_locations(self.config, self.number_of_hosts))[self.hosts.index(host)]

    def has_public_address(self, host: Host) -> bool:
        """Return whether a host in a cloud has a public address."""
        wanted = getattr(self.config, "public_addresses", False)
        return host.short in wanted if isinstance(wanted, list) else bool(wanted)

    def host(self, short: str) -> Host:
        """Return a host by its short name; KeyError if there is none."""
        return {host.short: host for host in self.hosts}[short]

    @cached_property
    def services(self) -> dict[str, types.Service]:
        """The services that this stage has."""
        return {
            name: service
            for name, service in self.site.services.items()
            if not service.available_on or self.name in service.available_on
        }

    @cached_property
    def images(self) -> dict[str, types.Image]:
        """The images that this stage's services use, and those that these are built on by a Dockerfile."""
        used: set[str] = set()
        waiting = [service.image for service in self.services.values()]
        while waiting:
            name = waiting.pop()
            image = self.site.images.get(name)
            if name not in used and image is not None and image.pulled_on(self.name) is None:
                waiting += self.site.froms.get(name, [])
            used.add(name)
        return {name: image for name, image in self.site.images.items() if name in used}

    @cached_property
    def volumes(self) -> dict[str, types.Volume]:
        """The volumes that this stage's services mount."""
        used = {name for service in self.services.values() for name in service.named_volumes}
        return {name: volume for name, volume in self.site.volumes.items() if name in used}

    def docker_volume(self, name: str) -> str:
        """Return a volume's name in Docker."""
        volume = self.site.volumes[name]
        return (volume.name or name) if volume.external else name

    def volume_hosts(self, name: str) -> tuple[Host, ...]:
        """Return the hives that hold a volume."""
        named = self.site.volumes[name].named_hosts
        return tuple(self.host(short) for short in named) if named else self.hives

    @cached_property
    def networks(self) -> dict[str, types.Network]:
        """The site's networks, but for external ones; by default one called `site`."""
        own = {name: network for name, network in self.site.networks.items() if not network.external}
        return own or {"site": types.Network()}

    @cached_property
    def external_networks(self) -> dict[str, types.Network]:
        """The networks of others that this stage's services join."""
        used = {name for service in self.services.values() for name in service.networks}
        return {name: net for name, net in self.site.networks.items() if net.external and name in used}

    @cached_property
    def external_names(self) -> dict[str, frozenset[str]]:
        """The names in Docker of the networks, volumes and configs that site.toml calls external, whoever made them.

        Nothing of such a name is ever removed, also where it has the stage's labels, since the stage once made it.
        """
        tables: dict[str, Mapping[str, types.Network | types.Volume | types.Config]] = {
            "networks": self.site.networks,
            "volumes": self.site.volumes,
            "configs": self.site.configs,
        }
        return {
            kind: frozenset(thing.name or name for name, thing in table.items() if thing.external)
            for kind, table in tables.items()
        }

    def networks_of(self, service: types.Service) -> dict[str, list[str]]:
        """Return the networks that a service joins, by default its own, each with the service's further names there."""
        return service.networks or {name: [] for name in self.networks}

    @cached_property
    def secrets(self) -> dict[str, types.SecretSource]:
        """The secrets that this stage's services use."""
        used = {use.source for service in self.services.values() for use in service.secrets}
        return {name: source for name, source in self.site.secrets.items() if name in used}

    @cached_property
    def configs(self) -> dict[str, types.Config]:
        """The configs that this stage's services use."""
        used = {use.source for service in self.services.values() for use in service.configs}
        return {name: config for name, config in self.site.configs.items() if name in used}

    @cached_property
    def build_secrets(self) -> dict[str, types.SecretSource]:
        """The secrets that this stage's images are built with."""
        used = {name for image in self.images.values() for name in image.secrets}
        return {name: source for name, source in self.site.secrets.items() if name in used}

    @property
    def backup_secrets(self) -> set[str]:
        """The names of the secrets by which copies of backups leave the site."""
        copies = self.site.backup.copies if self.site.backup is not None else []
        passwords = {copy.password for copy in copies if copy.password is not None}
        return passwords | {
            name for copy in copies for name in (*copy.secrets.values(), *copy.files.values())
        }

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all things of this stage."""
        return {SITE_LABEL: self.site_name, STAGE_LABEL: self.name}


def scalar_text(value: Any) -> str:
    """Return a TOML value as the text of an environment variable; lists and tables become JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def sysctl_name(name: str) -> str:
    """Return a kernel parameter's name with dots.

    Of `/` and `.`, the first in a name separates its parts (sysctl.d(5)):
    `net/ipv4/conf/eth0.100/rp_filter` is `net.ipv4.conf.eth0/100.rp_filter`.
    """
    first = next((char for char in name if char in "./"), ".")
    return name if first == "." else name.translate({ord("."): "/", ord("/"): "."})


def sysctl_text(value: Any) -> str:
    """Return a kernel parameter's value as the kernel takes it: `true` is 1, and one space stands between numbers."""
    return " ".join(scalar_text(int(value) if isinstance(value, bool) else value).split())
