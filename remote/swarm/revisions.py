"""A service's revisions: the last specifications that it ran with, each kept in the swarm as a Docker config.

They are there whoever runs skep from where, and go with the swarm. None holds a secret: where a secret is in a
service's environment, only the variable's name is kept.
"""

import base64
import json
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from model.errors import ServiceError
from model.json_types import Json
from model.keys.digest import differences, flatten, sha256
from model.labels import (
    FILES_LABEL,
    IMAGE_LABEL,
    NAME_LABEL,
    NETWORKS_LABEL,
    REVISION_LABEL,
    SPEC_LABEL,
    label_filter,
    labels_of,
    labels_of_others,
)
from remote.swarm.spec import spec_digest

if TYPE_CHECKING:
    from docker import DockerClient

_NOT_FOUND, _CONFLICT = 404, 409
_LONGEST_NAME = 64  # characters: Docker takes no more


@dataclass(frozen=True)
class Revision:
    """A specification that a service ran with.

    Args:
        number: Counted up with each.
        id: The config's id.
        made: When it was made, as Docker writes a time.
        image: The image's reference.
        digest: Of the specification.
        spec: The specification, without skep's labels and without what is secret.
        networks: The ids of networks in `spec` to the networks' names.

    """

    number: int
    id: str
    made: str
    image: str
    digest: str
    spec: Json
    networks: Mapping[str, str] = field(default_factory=dict)

    def differs(self, other: Json) -> list[str]:
        """Return the differences to another specification, one sentence each."""
        return [
            difference.sentence()
            for difference in differences(flatten("spec", dict(self.spec)), flatten("spec", dict(other)))
        ]


def is_revision(config: Json) -> bool:
    """Return whether a Docker config holds a service's revision."""
    return REVISION_LABEL in labels_of(config)


def files_of(config: Json) -> set[str]:
    """Return the ids of the secrets and configs that a revision needs."""
    return set(filter(None, labels_of(config).get(FILES_LABEL, "").split(",")))


def image_of(config: Json) -> str:
    """Return the image that a revision runs."""
    return str(labels_of(config).get(IMAGE_LABEL, ""))


def revisions(client: "DockerClient", service: str, labels: Mapping[str, str]) -> list[Revision]:
    """Return a service's revisions, the newest first.

    Args:
        client: A manager's engine.
        service: The service.
        labels: The stage's labels.

    Raises:
        ServiceError: The engine refuses.

    """
    from remote.engine.client import engine_errors

    with engine_errors(service, "listing its revisions", ServiceError):
        return _newest_first(_configs(client, {**labels, NAME_LABEL: service}))


def _configs(client: "DockerClient", labels: Mapping[str, str]) -> list[Json]:
    """Return the configs with these labels that are revisions."""
    return list(client.api.configs(filters=label_filter(labels, REVISION_LABEL)))


def _newest_first(configs: Iterable[Json]) -> list[Revision]:
    """Return the revisions that configs hold."""
    made = [_revision(config) for config in configs]
    return sorted(made, key=lambda revision: revision.number, reverse=True)


def _revision(config: Json) -> Revision:
    """Return a revision from its config."""
    labels = labels_of(config)
    spec = json.loads(base64.b64decode(config["Spec"]["Data"]))
    number = int(labels[REVISION_LABEL])
    networks = json.loads(labels.get(NETWORKS_LABEL, "{}"))
    return Revision(
        number, config["ID"], config["CreatedAt"], labels[IMAGE_LABEL], labels[SPEC_LABEL], spec, networks
    )


def refuse_gone_networks(client: "DockerClient", service: str, revision: Revision) -> None:
    """Raise if a network that a revision joins is gone; the engine would say it by the network's id alone.

    Raises:
        ServiceError: It is, as after `doit prune`; or the engine refuses.

    """
    from remote.engine.client import engine_errors

    if not revision.networks:
        return
    with engine_errors(service, "listing the networks", ServiceError):
        there = {network["Name"] for network in client.api.networks()}
    if gone := sorted(set(revision.networks.values()) - there):
        names, tables = ", ".join(gone), ", ".join(f"[networks.{name}]" for name in gone)
        raise ServiceError(
            f"services.{service}.networks: revision {revision.number} joins {names}, which is gone from the swarm: put "
            f"{tables} back in site.toml and run doit build_networks, then go back once more; or take another revision "
            f"(doit rollback {service} to=0 lists them)"
        )


class RevisionStore:
    """Stores the revisions of a stage's services. Thread-safe.

    Revisions are listed once for all services; a service's own again when it is stored again.

    Args:
        client: A manager's engine.
        labels: The stage's labels.
        count: How many revisions of a service are kept.
        networks: Ids of networks to their names, as far as they are known.

    """

    def __init__(
        self, client: "DockerClient", labels: Mapping[str, str], count: int, networks: Mapping[str, str]
    ) -> None:
        self.client = client
        self._labels = labels
        self._count = count
        self._networks = networks
        self._lock = threading.Lock()
        self._stored: set[str] = set()
        self._listed: dict[str, list[Json]] | None = None

    def keep(self, service: Json, secret_variables: Collection[str]) -> int:
        """Store a service's specification as its newest revision, unless that is equal; return the number.

        Args:
            service: The service as the swarm has it.
            secret_variables: The environment variables that hold a secret.

        Raises:
            ServiceError: The engine refuses.

        """
        from docker.errors import APIError

        from remote.engine.client import engine_errors

        name = service["Spec"]["Name"]
        spec = without_secrets(service["Spec"], secret_variables)
        with engine_errors(name, "storing its revision", ServiceError):
            try:
                return self._store(name, spec, self._revisions(name))
            except APIError as error:
                if error.status_code != _CONFLICT:
                    raise
            # Another revision was stored since they were listed.
            return self._store(name, spec, revisions(self.client, name, self._labels))

    def _revisions(self, name: str) -> list[Revision]:
        """Return a service's revisions, the newest first."""
        with self._lock:
            if self._listed is None:
                listed: dict[str, list[Json]] = {}
                for config in _configs(self.client, self._labels):
                    listed.setdefault(labels_of(config).get(NAME_LABEL, ""), []).append(config)
                self._listed = listed
            elif name in self._stored:
                self._listed[name] = _configs(self.client, {**self._labels, NAME_LABEL: name})
            self._stored.add(name)
            return _newest_first(self._listed.get(name, []))

    def _store(self, name: str, spec: Json, before: Sequence[Revision]) -> int:
        """Store a specification unless the newest revision is equal, and remove the oldest; return the number."""
        digest = spec_digest(spec)
        if before and before[0].digest == digest:
            return before[0].number
        number = before[0].number + 1 if before else 1
        container = spec["TaskTemplate"]["ContainerSpec"]
        files = [f[f"{kind}ID"] for kind in ("Secret", "Config") for f in container.get(f"{kind}s") or ()]
        labels = {
            **self._labels, NAME_LABEL: name, REVISION_LABEL: str(number), SPEC_LABEL: digest,
            IMAGE_LABEL: container["Image"], FILES_LABEL: ",".join(files),
        }  # fmt: skip
        if ids := [network["Target"] for network in spec["TaskTemplate"].get("Networks") or ()]:
            labels[NETWORKS_LABEL] = json.dumps(self._network_names(ids))
        self.client.api.create_config(config_name(name, number), json.dumps(spec).encode(), labels)
        for old in before[max(0, self._count - 1) :]:
            _remove_config(self.client, old.id)
        return number

    def _network_names(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the names of networks by their ids."""
        if set(ids) <= self._networks.keys():
            return {network: self._networks[network] for network in ids}
        return {network["Id"]: network["Name"] for network in self.client.api.networks(ids=list(ids))}


def config_name(service: str, number: int) -> str:
    """Return the name of a revision's config: nobody reads it, so a digest stands for a long service. Pure."""
    name = f"skep-generation.{service}.{number}"
    return name if len(name) <= _LONGEST_NAME else f"skep-generation.{sha256(service)[:24]}.{number}"


def remove_revisions(client: "DockerClient", service: str, labels: Mapping[str, str]) -> None:
    """Remove all revisions of a service.

    Args:
        client: A manager's engine.
        service: The service.
        labels: The stage's labels.

    Raises:
        ServiceError: The engine refuses.

    """
    from remote.engine.client import engine_errors

    for revision in revisions(client, service, labels):
        with engine_errors(service, "removing its revisions", ServiceError):
            _remove_config(client, revision.id)


def _remove_config(client: "DockerClient", config: str) -> None:
    """Remove a config; one that is gone is no error."""
    from docker.errors import APIError

    try:
        client.api.remove_config(config)
    except APIError as error:
        if error.status_code != _NOT_FOUND:
            raise


def without_secrets(spec: Json, secret_variables: Collection[str]) -> Json:
    """Return a specification without skep's labels and without the values of these environment variables. Pure."""
    copy: Json = json.loads(json.dumps(spec))
    copy["Labels"] = labels_of_others(labels_of(copy))
    container = copy["TaskTemplate"]["ContainerSpec"]
    if container.get("Env"):
        names = [line.partition("=")[0] for line in container["Env"]]
        lines = zip(names, container["Env"], strict=True)
        container["Env"] = [name if name in secret_variables else line for name, line in lines]
    return copy


def with_secrets(revision: Revision, secret_environment: Sequence[str]) -> Json:
    """Return a revision's specification with today's values of its secret variables, and today's networks. Pure.

    Args:
        revision: The revision.
        secret_environment: The lines `NAME=value` of the variables that hold a secret today.

    Raises:
        ServiceError: A variable that held a secret holds none today.

    """
    known = {line.partition("=")[0]: line for line in secret_environment}
    spec: Json = json.loads(json.dumps(revision.spec))
    container = spec["TaskTemplate"]["ContainerSpec"]
    lines = container.get("Env") or []
    if missing := [line for line in lines if "=" not in line and line not in known]:
        raise ServiceError(
            f"revision {revision.number} had a secret in {', '.join(missing)}, which is no longer one: "
            "skep keeps no secret's value, so it can't be restored"
        )
    if lines:
        container["Env"] = [line if "=" in line else known[line] for line in lines]
    for network in spec["TaskTemplate"].get("Networks") or ():
        # The engine finds it by its name, which stays.
        network["Target"] = revision.networks.get(network["Target"], network["Target"])
    return spec
