"""Putting a service back to what it last ran well with, where the swarm itself does not."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from model.errors import ServiceError
from model.json_types import Json
from model.labels import KEY_LABEL, REVISION_LABEL, SPEC_LABEL, labels_of, own_labels
from remote.swarm import jobs
from remote.swarm.revisions import Revision, revisions, with_secrets
from remote.swarm.services import find_service, put_service
from remote.swarm.spec import spec_digest

if TYPE_CHECKING:
    from docker import DockerClient


def put_back(
    client: "DockerClient",
    name: str,
    labels: Mapping[str, str],
    secret: Callable[[], Sequence[str]],
    log: Callable[[str], None],
) -> str | None:
    """Give a service whose change failed the specification that it was last seen to run with. Waits for no task.

    Args:
        client: A manager's engine.
        name: The service.
        labels: Those of the stage.
        secret: Returns the lines `NAME=value` of its environment that a secret is in.
        log: Takes a line for the log.

    Returns:
        What it was put back to, in words; empty if that is what it already is again; None if it never ran well.

    Raises:
        ServiceError: The engine refuses, or the specification needs a secret that is none any more.

    """
    from remote.engine.client import engine_errors

    with engine_errors(name, "putting the service back", ServiceError):
        service = find_service(client, name)
        if service is None or jobs.is_job(service):
            return None
        if was_seen(service["Spec"]):
            return ""
        before = service.get("PreviousSpec") or {}
        if was_seen(before):
            spec, said = before, _called(before)
        else:
            kept = revisions(client, name, labels)
            if not kept:
                return None
            spec = {**with_secrets(kept[0], secret()), "Labels": _labels(service, kept[0])}
            said = f"revision {kept[0].number}"
        log(f"putting back {said}")
        put_service(client, service, {**spec, "Name": name})
    return said


def was_seen(spec: Json) -> bool:
    """Return whether a service was seen to run with a specification, by the mark that it got then. Pure."""
    mark = labels_of(spec or {}).get(SPEC_LABEL)
    return mark is not None and mark == spec_digest(spec)


def _called(spec: Json) -> str:
    """Return what a specification is called."""
    number = labels_of(spec).get(REVISION_LABEL)
    return f"revision {number}" if number else "what it ran before"


def _labels(service: Json, revision: Revision) -> dict[str, str]:
    """Return the labels of a revision that is put back: its own, and skep's without the key of what failed."""
    own = {n: v for n, v in own_labels(labels_of(service)).items() if n not in {KEY_LABEL, SPEC_LABEL}}
    return {**labels_of(revision.spec), **own, REVISION_LABEL: str(revision.number)}
