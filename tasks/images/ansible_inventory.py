"""The inventory of a role of Ansible: as hive-builder gave it, so far as the role asks for it.

A name is given, and counts, only if it is in one of the role's files. So a role that does not ask
for other services is not stale when one of them changes; and what it does not ask for it can't depend on.
"""

import re
import shutil
import sys
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from model import site as types
from model.images import ansible
from model.keys.definition import definition
from model.keys.digest import Inputs, flatten
from model.secrets.secret import Secret
from model.stage import HOST_PREFIXES, Stage
from remote.playbook.play import Play
from remote.ssh.commands import ansible_ssh_args
from tasks.images.roles import Role
from tasks.run.context import Run
from tasks.run.coordination import Coordination
from tasks.run.state import State
from tasks.services.rendering import StageRenderer

_ALONE = "container"
"""What the container is called for a role that does not ask for names."""
_ASKS = re.compile(
    rb"inventory_hostname|groups|group_names|hostvars|delegate_to|play_hosts|ansible_play|ansible_limit"
)
_NAMES = re.compile(rb"hive_[a-z0-9_]+")
_PORTS = "hive_ports"
_NOT_GIVEN = {"configs", "secrets", "try", "vars"}


@dataclass(frozen=True)
class SiteInventory:
    """The part of the site that one role sees.

    Args:
        target: The name of its container.
        groups: Group to its hosts.
        hosts: Host to its variables.
        shared: Host to the secrets of this container that it has as well.

    """

    target: str
    groups: Mapping[str, list[str]]
    hosts: Mapping[str, Mapping[str, Any]]
    shared: Mapping[str, list[str]] = field(default_factory=dict)

    def inputs(self) -> Inputs:
        """Return it as inputs."""
        found: Inputs = {}
        if self.groups:
            found |= {"inventory_hostname": self.target, **flatten("groups", self.groups)}
        for host, variables in self.hosts.items():
            for name, value in variables.items():
                found |= flatten(name if host == self.target else f"hostvars.{host}.{name}", value)
        return found | {
            f"hostvars.{host}.{name}": "secret" for host in self.shared for name in self.shared[host]
        }


def inventory_for(
    stage: Stage, renderer: StageRenderer, target: str, role: Role, secrets: Collection[str] = ()
) -> SiteInventory:
    """Return the inventory of the stage that a role sees.

    Args:
        stage: The stage.
        renderer: Renders its services.
        target: The name of the role's container: a service's name, or `image_` and an image's.
        role: The role.
        secrets: The secrets that it sees, by their names in site.toml.

    Raises:
        KeyError: A service that it may ask for has a template or a port for which something is not made yet.

    """
    names, asks = _asked(role)
    everywhere, hosts = _everywhere(stage), _hosts(stage, renderer, names)

    def variables(host: str) -> dict[str, Any]:
        # A service is only rendered if something of it is asked for.
        own = hosts[host]() if names - everywhere.keys() else {}
        return {name: value for name, value in {**everywhere, **own}.items() if name in names}

    if asks:
        seen = {host: variables(host) for host in hosts}
        return SiteInventory(target, _groups(stage, list(hosts)), seen, _shared(stage, target, secrets))
    return SiteInventory(_ALONE, {}, {_ALONE: variables(target)})


def _asked(role: Role) -> tuple[set[str], bool]:
    """Return the variables of hive-builder's that a role names, and whether it asks for other hosts."""
    texts = [entry.text for tree in role.trees.values() for entry in tree]
    names = {name.decode() for text in texts for name in _NAMES.findall(text)}
    return names, any(_ASKS.search(text) for text in texts)


def asks_for_ports(role: Role) -> bool:
    """Return whether a role asks for the published ports of services."""
    return role.is_ansible and _PORTS in _asked(role)[0]


def _shared(stage: Stage, target: str, secrets: Collection[str]) -> dict[str, list[str]]:
    """Return the other services and images that have some of a container's secrets, as hive-builder's hosts."""
    owners = {
        **{name: {use.source for use in service.secrets} for name, service in stage.services.items()},
        **{image_host(name): set(image.secrets) for name, image in stage.images.items()},
    }
    found = {host: sorted(owned & set(secrets)) for host, owned in owners.items() if host != target}
    return {host: [_variable(name) for name in names] for host, names in found.items() if names}


def _variable(secret: str) -> str:
    """Return the variable that holds a secret."""
    return secret.replace("-", "_")


def _everywhere(stage: Stage) -> dict[str, Any]:
    """Return the variables that all hosts have."""
    return {
        "hive_name": stage.site_name,
        "hive_stage": stage.name,
        "hive_provider": stage.provider,
        "hive_custom_hostname": stage.config.custom_hostname,
        "hive_registry": stage.registry,
        "hive_swarm_master": stage.hives[0].name,
    }


def _hosts(
    stage: Stage, renderer: StageRenderer, names: Collection[str]
) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return a function for each host's own variables; as in hive-builder, services, images and the like are hosts."""
    return {
        _mother(stage): dict,
        **{host.name: partial(dict, hive_private_ip=host.address) for host in stage.hosts},
        **{name: partial(_service, renderer, name, names) for name in stage.services},
        **{image_host(name): partial(_image, image) for name, image in stage.images.items()},
        **{f"volume_{name}": dict for name in stage.volumes},
        **{f"network_{name}": dict for name in stage.networks},
    }


def image_host(name: str) -> str:
    """Return the name of an image's build container."""
    return f"image_{name}"


def _mother(stage: Stage) -> str:
    """Return the mother's name."""
    prefix = HOST_PREFIXES.get(stage.name, "") if stage.config.prefix is None else stage.config.prefix
    return f"{prefix}mother.{stage.site_name}"


def _groups(stage: Stage, everything: list[str]) -> dict[str, list[str]]:
    """Return the groups that hive-builder has."""
    servers, mother = [host.name for host in stage.hosts], _mother(stage)
    return {
        "servers": servers,
        "hives": [host.name for host in stage.hives],
        "first_hive": [stage.hives[0].name],
        "repository": [stage.repository.name],
        "mother": [mother],
        "hosts": [*servers, mother],
        "services": list(stage.services),
        "images": [image_host(name) for name in stage.images],
        "volumes": [f"volume_{name}" for name in stage.volumes],
        "drbd_volumes": [],
        "nfs_volumes": [],
        "networks": [f"network_{name}" for name in stage.networks],
        stage.name: everything,
    }


def _service(renderer: StageRenderer, name: str, names: Collection[str]) -> dict[str, Any]:
    """Return a service's definition as hive-builder's variables, without values that a secret is in."""
    service = renderer.service(name).service
    found = _variables(definition(service))
    if service.ports and _PORTS in names:
        found[_PORTS] = [
            {"target_port": port.target, "published_port": port.published, "protocol": port.protocol}
            for port in renderer.ports(name)
        ]
    if service.initialize_roles:
        found["hive_initialize_roles"] = [use.role for use in service.initialize_roles]
    return found


def _image(image: types.Image) -> dict[str, Any]:
    """Return an image's definition as hive-builder's variables."""
    found = _variables(definition(image))
    if image.roles:
        found["hive_roles"] = [use.role for use in image.roles]
    return found


def _variables(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition's keys as variables."""
    return {f"hive_{key}": value for key, value in keys.items() if key not in _NOT_GIVEN}


def play(run: Run, role: Role, inventory: SiteInventory, secrets: Mapping[str, Secret]) -> "Play":
    """Return a role, ready to be run once.

    Args:
        run: The run.
        role: The role.
        inventory: The part of the site that it sees.
        secrets: The secrets that it sees, by their names in site.toml.

    """
    return Play(
        role=role.name,
        entries=role.entries(),
        plugins=tuple(
            entry.at(f"{place}/{entry.path}") for place, entries in role.plugins.items() for entry in entries
        ),
        version=ansible.feature_release(),
        own=role.own,
        common=role.common,
        target=inventory.target,
        groups=inventory.groups,
        hosts=inventory.hosts,
        means=_means(run.stage, run.connections.files.config) if inventory.groups else {},
        secrets={_variable(name): secret for name, secret in secrets.items()},
        shared=inventory.shared,
        ca=role.ca,
        directory=_directory(run.state, run.coordination),
    )


def _means(stage: Stage, ssh_config: Path) -> dict[str, dict[str, Any]]:
    """Return the connection variables of the hosts, for tasks that are delegated to them."""
    ssh = {"ansible_ssh_common_args": ansible_ssh_args(ssh_config)}
    mother = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    return {_mother(stage): mother, **{host.name: ssh for host in stage.hosts}}


def _directory(state: State, coordination: Coordination) -> Path:
    """Return a directory for one play; the first play of a run clears those of killed runs."""
    root = state.root / "ansible"
    coordination.once("clear plays", lambda: shutil.rmtree(root, ignore_errors=True))
    return root / uuid.uuid4().hex
