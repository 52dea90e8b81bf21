"""Swarm services: made, changed, and waited for until they run or it is clear why not."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import inf

from docker import DockerClient
from docker.errors import APIError, NotFound

from model.errors import ServiceError
from remote.engine import engine_errors
from remote.spec import Json, spec_digest
from remote.wait import wait_for

Say = Callable[[str], None]
LogTail = Callable[[str, str], list[str]]
"""Given a node's and a container's id, returns the container's last log lines."""

STABLE = 2.0
"""Seconds that every task must have been running before a service counts as converged."""
GIVE_UP_AFTER = 3
"""Tasks that may fail before waiting longer makes no sense."""
KEPT_LABEL = "skep.initialized."
_PENDING_PATIENCE = 30.0
_LOST = {"failed", "rejected", "orphaned"}


def ensure_service(client: DockerClient, spec: Json, say: Say) -> str:
    """Make a service have a specification, and return its id. Does not wait for its tasks.

    Found by its name. One that carries the key, and was not changed by somebody else since, is left as it is, so that
    nothing restarts.

    Raises:
        ServiceError: The engine refused, or there is a service of that name that skep did not make.

    """
    name = spec["Name"]
    with engine_errors(name, "deploying the service", ServiceError):
        found = _inspect(client, name)
        if found is not None:
            labels = found["Spec"].get("Labels") or {}
            if labels.get("skep.site") != spec["Labels"]["skep.site"]:
                raise ServiceError(
                    f"service {name}: there is one that skep did not make; rename or remove it"
                )
            untouched = labels.get("skep.spec") in {None, spec_digest(found["Spec"])}
            if labels.get("skep.key") == spec["Labels"]["skep.key"] and untouched:
                say(f"found service {found['ID']}")
                return str(found["ID"])
            if found["Spec"]["Mode"].keys() != spec["Mode"].keys():
                say("its mode changed, which Docker can't do in place: removing it and making it anew")
                client.api.remove_service(found["ID"])
                found = None
        if found is None:
            made = client.api.create_service(spec["TaskTemplate"], name, spec["Labels"], spec["Mode"],
                                             spec["UpdateConfig"], endpoint_spec=spec["EndpointSpec"])  # fmt: skip
            say(f"made service {made['ID']}")
            return str(made["ID"])
        kept = {label: value for label, value in labels.items() if label.startswith(KEPT_LABEL)}
        client.api.update_service(
            found["ID"], found["Version"]["Index"], spec["TaskTemplate"], name, {**kept, **spec["Labels"]},
            spec["Mode"], spec["UpdateConfig"], endpoint_spec=spec["EndpointSpec"],
        )  # fmt: skip
        say(f"changed service {found['ID']}")
        return str(found["ID"])


def set_labels(client: DockerClient, service: str, labels: Mapping[str, str | None]) -> None:
    """Set labels on a service itself (None removes one), which restarts nothing."""

    def labelled() -> bool:
        found = client.api.inspect_service(service)
        spec = found["Spec"]
        merged = {**(spec.get("Labels") or {}), **labels}
        wanted = {name: value for name, value in merged.items() if value is not None}
        if wanted != (spec.get("Labels") or {}):
            client.api.update_service(
                service, found["Version"]["Index"], spec["TaskTemplate"], spec["Name"], wanted, spec["Mode"],
                spec.get("UpdateConfig"), endpoint_spec=spec.get("EndpointSpec"),
                rollback_config=spec.get("RollbackConfig"),
            )  # fmt: skip
        return True

    with engine_errors(service, "labelling the service", ServiceError):
        # "update out of sequence": the swarm itself changed the service between reading and writing.
        wait_for(labelled, f"the labels of service {service}", 30, retry=APIError, kind=ServiceError)


def wait_until_converged(
    client: DockerClient, name: str, timeout: float, log_tail: LogTail, say: Say
) -> None:
    """Wait until all tasks of a service run as specified, and have for a moment, then mark it as seen to run.

    Raises:
        ServiceError: Tasks fail again and again, an update was rolled back, or the time is over. The message has the
            tasks' own errors and the last log lines.

    """
    started = datetime.now(UTC)
    said = ""
    # Seen by this process's own clock: the hosts' may differ.
    since: dict[str, float] = {}

    def converged() -> bool:
        nonlocal said
        with engine_errors(name, "looking at the service's tasks", ServiceError):
            service = client.api.inspect_service(name)
            tasks = client.api.tasks(filters={"service": service["ID"]})
            wanted = client.api.services(filters={"id": service["ID"]}, status=True)[0]["ServiceStatus"]
        _give_up_if_hopeless(name, service, tasks, started, log_tail)
        running = [task for task in tasks if task["DesiredState"] == "running" and _is_current(task, service)]
        for task in running:
            if task["Status"]["State"] == "running":
                since.setdefault(task["ID"], time.monotonic())
        settled = [task for task in running if time.monotonic() - since.get(task["ID"], inf) >= STABLE]
        state = f"{len(settled)} of {wanted['DesiredTasks']} tasks run"
        if state != said:
            say(state)
            said = state
        updating = (service.get("UpdateStatus") or {}).get("State") == "updating"
        return not updating and len(settled) == len(running) and len(settled) >= wanted["DesiredTasks"]

    try:
        wait_for(converged, f"service {name} to run", timeout, kind=ServiceError)
    except ServiceError as error:
        tasks = client.api.tasks(filters={"service": name})
        raise ServiceError(f"{error}{_report(tasks, log_tail)}") from error
    found = client.api.inspect_service(name)
    set_labels(client, name, {"skep.spec": spec_digest(found["Spec"])})


def _is_current(task: Json, service: Json) -> bool:
    """Return whether a task is of the service's present specification."""
    return bool(task["Spec"].get("ContainerSpec") == service["Spec"]["TaskTemplate"].get("ContainerSpec"))


def _give_up_if_hopeless(
    name: str, service: Json, tasks: list[Json], started: datetime, log_tail: LogTail
) -> None:
    """Raise when waiting longer makes no sense."""
    update = service.get("UpdateStatus") or {}
    if update.get("State", "").startswith("rollback") or update.get("State") == "paused":
        raise ServiceError(
            f"service {name}: the update failed and was {'undone' if 'rollback' in update['State'] else 'stopped'} "
            f"({update.get('Message', 'no reason given')}){_report(tasks, log_tail)}"
        )
    changed = _time(service["UpdatedAt"])
    lost = [t for t in tasks if t["Status"]["State"] in _LOST and _time(t["CreatedAt"]) >= changed]
    if len(lost) >= GIVE_UP_AFTER:
        raise ServiceError(
            f"service {name}: {len(lost)} tasks failed one after another{_report(lost, log_tail)}"
        )
    waiting = [
        t
        for t in tasks
        if t["Status"]["State"] == "pending" and t["DesiredState"] == "running" and t["Status"].get("Err")
    ]
    if waiting and (datetime.now(UTC) - started).total_seconds() > _PENDING_PATIENCE:
        raise ServiceError(f"service {name}: no host can take it{_report(waiting, log_tail)}")


def _report(tasks: list[Json], log_tail: LogTail) -> str:
    """Return the latest task's own error and its last log lines, for the end of a message."""
    troubled = [t for t in tasks if t["Status"].get("Err") or t["Status"]["State"] != "running"]
    if not troubled:
        return ""
    last = max(troubled, key=lambda t: str(t["Status"].get("Timestamp", "")))
    status = last["Status"]
    node, container = last.get("NodeID", ""), (status.get("ContainerStatus") or {}).get("ContainerID", "")
    said = status.get("Err") or status.get("Message")
    lines = [f"task {last['ID'][:12]} on {node or 'no host'}: {status['State']}: {said}"]
    if node and container:
        lines += [f"| {line}" for line in log_tail(node, container)]
    return "".join(f"\n    {line}" for line in lines)


def _inspect(client: DockerClient, name: str) -> Json | None:
    """Return a service by its exact name, or None."""
    try:
        found: Json = client.api.inspect_service(name)
    except NotFound:
        return None
    return found


def _time(text: str) -> datetime:
    """Return a time as Docker writes it; it has nanoseconds, which Python does not read."""
    head, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{(fraction + '000000')[:6]}+00:00")
