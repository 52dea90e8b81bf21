"""Restoring a service whose change failed, where the swarm itself has not rolled it back."""

from collections.abc import Callable, Mapping, Sequence

from docker import DockerClient

from model.errors import ServiceError
from model.json_types import Json
from model.labels import KEY_LABEL, REVISION_LABEL, SPEC_LABEL, SPREAD_LABEL, labels_of, own_labels
from model.log import Log
from remote.engine.client import engine_errors
from remote.swarm import jobs
from remote.swarm.revisions import Revision, refuse_gone_networks, revisions, with_secrets
from remote.swarm.services import find_service, put_service
from remote.swarm.spec import spec_digest


def restore_service(
    client: DockerClient,
    name: str,
    labels: Mapping[str, str],
    secret_environment: Callable[[], Sequence[str]],
    log: Log,
) -> str | None:
    """Give a service whose change failed the specification that it was last seen to run with. Waits for no task.

    Args:
        client: A manager's engine.
        name: The service.
        labels: The stage's labels.
        secret_environment: Returns the lines `NAME=value` of its variables that hold a secret.
        log: Takes a line for the log.

    Returns:
        The restored revision, for messages; empty if the service has that specification already; None if it never ran
        well.

    Raises:
        ServiceError: The engine refuses, or the specification needs a secret that is none any more.

    """
    with engine_errors(name, "restoring the service", ServiceError):
        service = find_service(client, name)
        if service is None or jobs.is_job(service):
            return None
        if has_run(service["Spec"]):
            return ""
        previous = service.get("PreviousSpec") or {}
        if has_run(previous):
            number = labels_of(previous).get(REVISION_LABEL)
            spec, name_of_spec = previous, f"revision {number}" if number else "the specification before"
        else:
            kept = revisions(client, name, labels)
            if not kept:
                return None
            refuse_gone_networks(client, name, kept[0])
            spec = {**with_secrets(kept[0], secret_environment()), "Labels": _labels(service, kept[0])}
            name_of_spec = f"revision {kept[0].number}"
        log(f"restoring {name_of_spec}")
        put_service(client, service, {**spec, "Name": name})
    return name_of_spec


def has_run(spec: Json) -> bool:
    """Return whether a service was seen to run with a specification: it then got a label with its digest. Pure."""
    digest = labels_of(spec).get(SPEC_LABEL)
    return digest is not None and digest == spec_digest(spec)


def _labels(service: Json, revision: Revision) -> dict[str, str]:
    """Return the labels for a revision that is restored: its own, and skep's without the key that failed."""
    own = {
        n: v
        for n, v in own_labels(labels_of(service)).items()
        if n not in {KEY_LABEL, SPEC_LABEL, SPREAD_LABEL}
    }
    return {**labels_of(revision.spec), **own, REVISION_LABEL: str(revision.number)}
