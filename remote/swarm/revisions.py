"""What a service was before: its last specifications, kept in the swarm as Docker configs, to go back to.

They are there whoever runs skep from where, and go with the swarm. None holds a secret: where a secret is in a
service's environment, only the variable's name is kept.
"""

import base64
import json
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
        made: When, in Docker's own words.
        image: The image's reference.
        digest: Of the specification.
        spec: The specification, without skep's labels and without what is secret.
        networks: A network's id in it to the network's name.

    """

    number: int
    id: str
    made: str
    image: str
    digest: str
    spec: Json
    networks: Mapping[str, str] = field(default_factory=dict)

    def differs(self, other: Json) -> list[str]:
        """Return what is different in another specification, one sentence each."""
        return [
            difference.sentence()
            for difference in differences(flatten("spec", dict(self.spec)), flatten("spec", dict(other)))
        ]


def is_revision(config: Json) -> bool:
    """Return whether a config of the swarm is a service's revision."""
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
        labels: Those of the stage.

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


class RevisionStore:
    """Keeps what services run with. Thread-safe.

    What there is already is listed once for all services; of one that was kept, again when it is kept again.

    Args:
        client: A manager's engine.
        labels: Those of the stage.
        count: How many revisions of a service stay.
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
        self._kept: set[str] = set()
        self._seen: dict[str, list[Json]] | None = None

    def keep(self, service: Json, secret: Collection[str]) -> int:
        """Keep what a service runs with as its newest revision, unless it is that already; return its number.

        Args:
            service: The service as the swarm has it.
            secret: The environment variables that a secret is in.

        Raises:
            ServiceError: The engine refuses.

        """
        from docker.errors import APIError

        from remote.engine.client import engine_errors

        name = service["Spec"]["Name"]
        spec = without_secrets(service["Spec"], secret)
        with engine_errors(name, "keeping what it runs with", ServiceError):
            try:
                return self._keep(name, spec, self._before(name))
            except APIError as error:
                if error.status_code != _CONFLICT:
                    raise
            # Another one was kept since they were listed.
            return self._keep(name, spec, revisions(self.client, name, self._labels))

    def _before(self, name: str) -> list[Revision]:
        """Return what is kept of a service, the newest first."""
        with self._lock:
            if self._seen is None:
                seen: dict[str, list[Json]] = {}
                for config in _configs(self.client, self._labels):
                    seen.setdefault(labels_of(config).get(NAME_LABEL, ""), []).append(config)
                self._seen = seen
            elif name in self._kept:
                self._seen[name] = _configs(self.client, {**self._labels, NAME_LABEL: name})
            self._kept.add(name)
            return _newest_first(self._seen.get(name, []))

    def _keep(self, name: str, spec: Json, before: Sequence[Revision]) -> int:
        """Keep a specification, unless the newest that is kept is equal; return its number."""
        digest = spec_digest(spec)
        if before and before[0].digest == digest:
            return before[0].number
        number = before[0].number + 1 if before else 1
        container = spec["TaskTemplate"]["ContainerSpec"]
        files = [f[f"{kind}ID"] for kind in ("Secret", "Config") for f in container.get(f"{kind}s") or ()]
        own = {
            **self._labels, NAME_LABEL: name, REVISION_LABEL: str(number), SPEC_LABEL: digest,
            IMAGE_LABEL: container["Image"], FILES_LABEL: ",".join(files),
        }  # fmt: skip
        if joined := [each["Target"] for each in spec["TaskTemplate"].get("Networks") or ()]:
            own[NETWORKS_LABEL] = json.dumps(self._names(joined))
        self.client.api.create_config(config_name(name, number), json.dumps(spec).encode(), own)
        for old in before[max(0, self._count - 1) :]:
            _remove(self.client, old.id)
        return number

    def _names(self, joined: Sequence[str]) -> dict[str, str]:
        """Return the names of networks by their ids."""
        if set(joined) <= self._networks.keys():
            return {network: self._networks[network] for network in joined}
        return {found["Id"]: found["Name"] for found in self.client.api.networks(ids=list(joined))}


def config_name(service: str, number: int) -> str:
    """Return what a revision's config is called: nobody reads it, so a digest stands for a long service. Pure."""
    name = f"skep-generation.{service}.{number}"
    return name if len(name) <= _LONGEST_NAME else f"skep-generation.{sha256(service)[:24]}.{number}"


def forget(client: "DockerClient", service: str, labels: Mapping[str, str]) -> None:
    """Keep nothing of what a service was.

    Args:
        client: A manager's engine.
        service: The service.
        labels: Those of the stage.

    Raises:
        ServiceError: The engine refuses.

    """
    from remote.engine.client import engine_errors

    for revision in revisions(client, service, labels):
        with engine_errors(service, "removing what is kept of it", ServiceError):
            _remove(client, revision.id)


def _remove(client: "DockerClient", config: str) -> None:
    """Remove a config; one that is gone is no error."""
    from docker.errors import APIError

    try:
        client.api.remove_config(config)
    except APIError as error:
        if error.status_code != _NOT_FOUND:
            raise


def without_secrets(spec: Json, secret: Collection[str]) -> dict[str, Any]:
    """Return a specification without skep's labels and without the values of these environment variables. Pure."""
    kept: dict[str, Any] = json.loads(json.dumps(spec))
    kept["Labels"] = labels_of_others(labels_of(kept))
    container = kept["TaskTemplate"]["ContainerSpec"]
    if container.get("Env"):
        container["Env"] = [_kept(line, secret) for line in container["Env"]]
    return kept


def _kept(line: str, secret: Collection[str]) -> str:
    """Return a line of an environment; of a secret one the name alone."""
    name = line.partition("=")[0]
    return name if name in secret else line


def with_secrets(revision: Revision, environment: Sequence[str]) -> dict[str, Any]:
    """Return a revision's specification with what its secret variables and its networks are today. Pure.

    Args:
        revision: The revision.
        environment: The lines `NAME=value` of those that are secret today.

    Raises:
        ServiceError: There is none for a variable that was.

    """
    known = {line.partition("=")[0]: line for line in environment}
    spec: dict[str, Any] = json.loads(json.dumps(revision.spec))
    container = spec["TaskTemplate"]["ContainerSpec"]
    lines = container.get("Env") or []
    if missing := [line for line in lines if "=" not in line and line not in known]:
        raise ServiceError(
            f"revision {revision.number} had a secret in {', '.join(missing)}, which is none today: "
            "what it was is kept nowhere"
        )
    if lines:
        container["Env"] = [line if "=" in line else known[line] for line in lines]
    for joined in spec["TaskTemplate"].get("Networks") or ():
        # The engine finds it by its name, which stays.
        joined["Target"] = revision.networks.get(joined["Target"], joined["Target"])
    return spec
