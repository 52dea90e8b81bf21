"""Making and changing services of the swarm."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from docker import DockerClient
from docker.errors import APIError, NotFound

from model.errors import ServiceError
from model.json_types import Json
from model.labels import INITIALIZED_LABEL, KEY_LABEL, SITE_LABEL, SPEC_LABEL, labels_of
from model.log import Log
from model.swarm.backup_stop import is_left_stopped
from model.swarm.scaled import is_scale_over
from model.swarm.spread import spread_extra, without_extra
from remote.engine.client import engine_errors
from remote.mother.wait import wait_for
from remote.swarm import jobs
from remote.swarm.spec import spec_digest


def ensure_service(
    client: DockerClient, spec: Json, log: Log, is_usable: Callable[[str], bool] = lambda _image: True
) -> tuple[str, bool]:
    """Make a service have a specification; return its id, and whether something was changed. Waits for no task.

    Found by its name. One that carries the key, and was not changed by somebody else since, is left as it is, so that
    nothing restarts; unless nobody could pull its image any more by the name that it has there.

    Args:
        client: A manager's engine.
        spec: The specification.
        log: Takes a line for the log.
        is_usable: Whether an image can still be pulled by this reference.

    Raises:
        ServiceError: The engine refused, or there is a service of that name that skep did not make.

    """
    name = spec["Name"]
    with engine_errors(name, "deploying the service", ServiceError):
        found = find_service(client, name)
        if found is not None:
            labels = labels_of(found)
            if labels.get(SITE_LABEL) != spec["Labels"][SITE_LABEL]:
                raise ServiceError(f"service {name}: exists, but skep did not make it; rename or remove it")
            if spread_extra(found["Spec"]):
                # By a rebalance that was killed: it is as it was otherwise, also where it is scaled.
                log("the tasks that a rebalance has added end")
                write_service(client, found, without_extra(found["Spec"]))
                found = client.api.inspect_service(found["ID"])
                labels = labels_of(found)
            is_untouched = labels.get(SPEC_LABEL) in {None, spec_digest(found["Spec"])}
            is_same = labels.get(KEY_LABEL) == spec["Labels"][KEY_LABEL] and is_untouched
            is_same = is_same and not is_scale_over(labels, time.time())
            is_same = is_same and not is_left_stopped(found, time.time())
            is_same = is_same and is_usable(found["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])
            if is_same and not _must_run_again(client, found):
                log(f"found service {found['ID']}")
                return str(found["ID"]), False
            if found["Spec"]["Mode"].keys() != spec["Mode"].keys():
                log("its mode changed, which Docker can't do in place: replacing it")
                identifier = replace_service(client, found, spec)
                log(f"made service {identifier}")
                return identifier, True
        if found is None:
            identifier = _create(client, spec)
            log(f"made service {identifier}")
            return identifier, True
        kept = {label: value for label, value in labels.items() if label.startswith(INITIALIZED_LABEL)}
        put_service(client, found, {**spec, "Labels": {**kept, **spec["Labels"]}})
        log(f"changed service {found['ID']}")
        return str(found["ID"]), True


def put_service(client: DockerClient, found: Json, spec: Json) -> None:
    """Give a service of the swarm another specification; one of another mode is replaced.

    Args:
        client: A manager's engine.
        found: The service as the swarm has it.
        spec: The specification.

    Raises:
        ServiceError: The engine refused, or somebody else was quicker.

    """
    if found["Spec"]["Mode"].keys() != spec["Mode"].keys():
        replace_service(client, found, spec)
        return
    if jobs.is_job(found):
        # Else an equal specification would be none to run again.
        spec = with_new_tasks(spec, found)
    with engine_errors(spec["Name"], "changing the service", ServiceError):
        write_service(client, found, spec)


def write_service(client: DockerClient, found: Json, spec: Json) -> None:
    """Write a specification over the one of a service, as the swarm had it when it was read.

    Args:
        client: A manager's engine.
        found: The service as it was read.
        spec: The specification.

    Raises:
        APIError: The engine refused, or the service was changed since.

    """
    client.api.update_service(
        found["ID"], found["Version"]["Index"], spec["TaskTemplate"], spec["Name"], spec["Labels"], spec["Mode"],
        spec.get("UpdateConfig"), endpoint_spec=spec.get("EndpointSpec"),
        rollback_config=spec.get("RollbackConfig"),
    )  # fmt: skip


def begin_update_again(client: DockerClient, found: Json) -> None:
    """Have the swarm begin a service's update anew, with the same specification.

    Args:
        client: A manager's engine.
        found: The service as the swarm has it.

    Raises:
        APIError: The engine refused, or the service was changed since.

    """
    write_service(client, found, with_new_tasks(found["Spec"], found))


def with_new_tasks(spec: Json, found: Json) -> Json:
    """Return a specification that has the swarm replace a service's tasks, though nothing else differs. Pure.

    Args:
        spec: The specification.
        found: The service as the swarm has it.

    """
    count = int(found["Spec"]["TaskTemplate"].get("ForceUpdate", 0)) + 1
    return {**spec, "TaskTemplate": {**spec["TaskTemplate"], "ForceUpdate": count}}


def replace_service(client: DockerClient, found: Json, spec: Json) -> str:
    """Make a service anew, since Docker changes the mode of none that is there; return its id.

    Args:
        client: A manager's engine.
        found: The service as the swarm has it.
        spec: The specification. If the engine refuses it, the service is there again as it was.

    Raises:
        ServiceError: The engine refused.

    """
    with engine_errors(spec["Name"], "replacing the service", ServiceError):
        client.api.remove_service(found["ID"])
        try:
            return _create(client, spec)
        except APIError:
            with suppress(APIError):
                _create(client, found["Spec"])
            raise


def _create(client: DockerClient, spec: Json) -> str:
    """Make a service, and return its id."""
    made = client.api.create_service(
        spec["TaskTemplate"], spec["Name"], spec["Labels"], spec["Mode"], spec.get("UpdateConfig"),
        endpoint_spec=spec.get("EndpointSpec"), rollback_config=spec.get("RollbackConfig"),
    )  # fmt: skip
    return str(made["ID"])


def _must_run_again(client: DockerClient, service: Json) -> bool:
    """Return whether a service is a job that has failed for good."""
    if not jobs.is_job(service):
        return False
    tasks = client.api.tasks(filters={"service": service["ID"]})
    done, wanted = jobs.progress(service, tasks)
    return done < wanted and not jobs.is_at_work(service, tasks)


def set_labels(
    client: DockerClient,
    service: str,
    labels: Mapping[str, str | None],
    seen: Json | None = None,
) -> None:
    """Set labels on a service itself (None removes one), which restarts nothing.

    Args:
        client: A manager's engine.
        service: Its name.
        labels: The labels.
        seen: The service as it was listed a moment ago: it is read again only where it changed since.

    Raises:
        ServiceError: The engine refused, or the service is gone.

    """
    known: list[Json] = [seen] if seen else []

    def labelled() -> bool:
        found = known.pop() if known else find_service(client, service)
        if found is None:
            raise ServiceError(f"service {service}: was removed by somebody else")
        spec = found["Spec"]
        if seen and spec_digest(spec) != spec_digest(seen["Spec"]):
            raise ServiceError(f"service {service}: somebody else changed it since; run doit again")
        merged = {**labels_of(spec), **labels}
        wanted = {name: value for name, value in merged.items() if value is not None}
        if wanted != labels_of(spec):
            write_service(client, found, {**spec, "Labels": wanted})
        return True

    with engine_errors(service, "labelling the service", ServiceError):
        # "update out of sequence": the swarm itself changed the service between reading and writing.
        wait_for(labelled, f"the labels of service {service}", 30, retry=APIError, kind=ServiceError)


def find_service(client: DockerClient, name: str) -> Json | None:
    """Return a service by its exact name, or None; one whose id only begins like that is another.

    Raises:
        APIError: The engine refused.

    """
    try:
        found: Json = client.api.inspect_service(name)
    except NotFound:
        return None
    except APIError as error:
        # Several ids begin like that, and no service is called so.
        if "ambiguous" in str(error.explanation):
            return None
        raise
    return found if found["Spec"]["Name"] == name else None
