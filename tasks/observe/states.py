"""The observed states of a host, and of the swarm. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.json_types import Json
from model.keys.authorized_key import AuthorizedKey
from remote.hostsetup.markers import AppliedStep
from remote.hostsetup.updates import PackageAge


@dataclass(frozen=True)
class HostState:
    """The state of one host.

    Args:
        steps: Set-up step to how it was applied.
        accounts: The accounts that skep made for people.
        tags: The images in the registry, as `repository:tag`.
        local_bases: The local names of bases and Dockerfiles' images on the repository host.
        info: The engine's own description; empty where none answers.
        volumes: Volume to its labels and time.
        services: Service to the number of its containers that run here.
        external_volumes: All volumes of the host, if services mount volumes of others.
        authorized_keys: The ssh keys that it lets in as the admin user.
        packages: How old its packages are; None if that is not known.
        error: Why nothing is known of it, if so.
        refusal: Where that is so since it refuses this checkout's key, or has another host key: that, in short.

    """

    steps: Mapping[str, AppliedStep] = field(default_factory=dict)
    accounts: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    local_bases: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    volumes: Mapping[str, Json] = field(default_factory=dict)
    services: Mapping[str, int] = field(default_factory=dict)
    external_volumes: frozenset[str] = frozenset()
    authorized_keys: tuple[AuthorizedKey, ...] = ()
    packages: PackageAge | None = None
    error: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class SwarmState:
    """The state of the swarm, as one manager knows it.

    Args:
        nodes: Node's id to the node.
        networks: Network to itself; these and all below are the stage's own.
        services: Service to itself, with `ServiceStatus`.
        secrets: Docker secret to itself.
        configs: Docker config to itself.
        external_networks: All networks of the swarm, if services join networks of others.
        external_configs: All Docker configs, if services get configs of others.
        fenced: The hosts that it says are fenced, each with the node that it was.
        error: Why nothing is known of it, if so.

    """

    nodes: Mapping[str, Json] = field(default_factory=dict)
    networks: Mapping[str, Json] = field(default_factory=dict)
    services: Mapping[str, Json] = field(default_factory=dict)
    secrets: Mapping[str, Json] = field(default_factory=dict)
    configs: Mapping[str, Json] = field(default_factory=dict)
    external_networks: Mapping[str, Json] = field(default_factory=dict)
    external_configs: Mapping[str, Json] = field(default_factory=dict)
    fenced: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
