"""Named volumes on one engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from docker import DockerClient
from docker.errors import NotFound

from model import site as types
from model.errors import ServiceError
from model.json_types import Json
from model.labels import (
    DEFINITION_LABEL,
    INCARNATION_LABEL,
    SITE_LABEL,
    STAGE_LABEL,
    belongs_to,
    labels_of,
    labels_of_others,
)
from model.log import Log
from remote.engine.client import engine_errors


@dataclass(frozen=True)
class VolumeInspector:
    """Answers of the host itself about a volume, asked for only where they matter.

    Args:
        has_data: Whether the volume holds data.
        elsewhere: Before the volume is made: the message if its data is on another host, else empty.

    """

    has_data: Callable[[], bool]
    elsewhere: Callable[[], str]


def ensure_volume(
    host: str,
    client: DockerClient,
    name: str,
    volume: types.Volume,
    labels: Mapping[str, str],
    log: Log,
    inspector: VolumeInspector,
) -> str:
    """Make a volume exist, and return the id of its incarnation.

    The id is a label that skep gives it. Docker's own `CreatedAt` is the time of a directory, and moves.

    A volume with another definition is replaced if it is empty and nobody uses it, else it is left alone.

    Raises:
        ServiceError: It exists with another definition, or is not skep's; or the data is elsewhere.

    """
    with engine_errors(host, f"volume {name}", ServiceError):
        try:
            found = client.api.inspect_volume(name)
        except NotFound:
            found = {}
            if elsewhere := inspector.elsewhere():
                raise ServiceError(elsewhere) from None
        else:
            _refuse_foreign(host, name, found, labels)
            if not is_as_defined(labels_of(found), labels):
                _refuse_data(host, client, name, inspector)
                log(f"volume {name} on {host} had another definition, and is empty: replacing it")
                client.api.remove_volume(name)
                found = {}
        if not found:
            log(f"making volume {name} on {host}")
            named = {**labels, INCARNATION_LABEL: uuid4().hex}
            # Whoever was first made it: a racing run's labels are in the answer then, not ours.
            found = client.api.create_volume(name, volume.driver, dict(volume.driver_opts) or None, named)
            _refuse_foreign(host, name, found, labels)
    log(f"volume {name} on {host} is {labels_of(found).get(INCARNATION_LABEL)}")
    return str(labels_of(found).get(INCARNATION_LABEL, ""))


def is_as_defined(found: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Return whether a volume's labels say that its definition is today's: its driver, and its own labels. Pure.

    Its own labels are compared as they are, not as a digest: volumes that were made before that mattered stay.
    """
    is_same = found.get(DEFINITION_LABEL) == wanted[DEFINITION_LABEL]
    return is_same and labels_of_others(found) == labels_of_others(wanted)


def _refuse_foreign(host: str, name: str, found: Json, labels: Mapping[str, str]) -> None:
    """Raise for a volume that is not the stage's."""
    if not belongs_to(labels_of(found), {name: labels[name] for name in (SITE_LABEL, STAGE_LABEL)}):
        raise ServiceError(
            f"{host}: there is a volume {name} that is not this stage's; rename yours in site.toml, or remove that "
            f"one if its data is not needed (docker volume rm {name})"
        )


def _refuse_data(host: str, client: DockerClient, name: str, inspector: VolumeInspector) -> None:
    """Raise for a volume that holds data or is in use, which can't be replaced."""
    remove_ended(client, name)
    using = [
        container["Names"][0].lstrip("/")
        for container in client.api.containers(all=True, filters={"volume": name})
    ]
    state = "has data in it" if inspector.has_data() else f"is in use by {', '.join(using)}" if using else ""
    if state:
        raise ServiceError(
            f"{host}: the definition of volume {name} changed, and it {state}, so it is left alone. Either "
            f"restore the definition, give the new one another name and move the data, or, if the data is not needed, "
            f"remove its services and it (docker service rm …; docker volume rm {name} on {host}) and run doit again"
        )


def remove_ended(client: DockerClient, name: str) -> None:
    """Remove the containers of tasks that have ended and still mount a volume: the swarm keeps some for their logs."""
    for container in client.api.containers(
        all=True, filters={"volume": name, "label": "com.docker.swarm.task.id"}
    ):
        if container["State"] in {"created", "exited", "dead"}:
            client.api.remove_container(container["Id"])
