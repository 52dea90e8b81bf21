"""A one-off task: a command with a service's image, environment, secrets, networks and volumes, gone afterwards.

It is a service of its own for one task, since only the swarm gives a container its secrets and overlay networks.
"""

import contextlib
import secrets as random
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from model.errors import ServiceError
from model.json_types import Json
from model.labels import ONE_OFF_LABEL, label_filter
from model.log import Log
from model.moments import engine_moment
from model.swarm.backup_stop import refuse_stopped_for_backup
from model.swarm.volume_move import refuse_moving
from remote.mother.wait import Pace, telling, wait_for
from tasks.operate.adjusted_service import json_copy
from tasks.operate.containers import ServiceContainer
from tasks.run.context import Run
from tasks.services.deployed_service import docker_config

if TYPE_CHECKING:
    from docker import DockerClient

_HOLDING = """\
trap 'exit 0' TERM
set -- /proc/[0-9]*
own=$# idle=0
while [ $idle -lt 3 ]; do
    sleep 10 & wait $!
    set -- /proc/[0-9]*
    if [ $# -gt $own ]; then idle=0; else idle=$((idle + 1)); fi
done
"""
HOLDER = ("/bin/sh", "-c", _HOLDING)
"""A program that only keeps a container there, for commands to be run in; half a minute after the last of them it ends.

So nothing stays for ever where doit was killed.
"""
_LONGEST_NAME = 63
"""Letters of a service's name, which is one of DNS."""
_FAILED = {"failed", "rejected", "orphaned", "shutdown", "remove"}
_ENDED = {*_FAILED, "complete"}
_NO_INIT = "N/A"
"""The version of an engine's init where it has none; Debian's has an empty one."""
_LEFT = 600.0
"""Seconds after which nobody reads a task that ended any more."""


@contextlib.contextmanager
def one_off_task(
    run: Run, service: str, command: Sequence[str], log: Log, terminal: Sequence[str] = ()
) -> Iterator[ServiceContainer]:
    """Run a command as a task of its own, and give its container as soon as that is there; it goes at the end.

    Args:
        run: The run.
        service: The service whose image, environment, secrets, networks and volumes it has.
        command: The program and its arguments; the entry point of service and image is left out.
        log: Takes progress.
        terminal: The lines `NAME=value` of the terminal that it gets; without any it gets none.

    Raises:
        ServiceError: The service is not deployed, its files are being saved, or the swarm can't start the task.

    """
    from remote.engine.client import engine_errors
    from remote.swarm.services import find_service

    _, client = run.connections.manager()
    with engine_errors(service, "looking at the service", ServiceError):
        found = find_service(client, service)
        has_init = (client.info().get("InitCommit") or {}).get("ID", _NO_INIT) != _NO_INIT
    if found is None:
        raise ServiceError(f"service {service}: is not deployed (doit deploy_services:{service})")
    refuse_moving(service, found)
    refuse_stopped_for_backup(service, found, time.time())
    _remove_ended(run, client)
    ending = f"-run-{random.token_hex(3)}"
    name = service[: _LONGEST_NAME - len(ending)] + ending
    spec = one_off_spec(found["Spec"], name, command, terminal, has_init=has_init)
    spec["Labels"] = {**run.stage.labels, ONE_OFF_LABEL: service}
    try:
        with engine_errors(service, "starting the task", ServiceError):
            # It may come to a hive that never had the image.
            with contextlib.suppress(KeyError):
                client.api.reload_config(docker_config(run.stage, run.state, run.secrets))
            made = client.api.create_service(
                spec["TaskTemplate"],
                spec["Name"],
                spec["Labels"],
                spec["Mode"],
                endpoint_spec=spec["EndpointSpec"],
            )
        yield _container(run, client, service, str(made["ID"]), log)
    finally:
        # By its name: a signal may have come before the engine's answer.
        _remove(client, name, log)


def _remove(client: "DockerClient", name: str, log: Log) -> None:
    """Remove a task's service; where that fails it is said, and how the command ended counts all the same."""
    from docker.errors import NotFound

    from remote.engine.client import engine_errors

    try:
        with engine_errors(name, "removing the task", ServiceError), contextlib.suppress(NotFound):
            client.api.remove_service(name)
    except ServiceError as error:
        log(f"{error}\n    it is still there: doit prune removes it")


def one_off_spec(
    spec: Json, name: str, command: Sequence[str], terminal: Sequence[str] = (), *, has_init: bool = False
) -> Json:
    """Return the specification of a one-off task from its service's. Pure.

    It takes nothing over by which the service is found: ports, further names in networks, labels of containers.
    """
    template = json_copy(spec["TaskTemplate"])
    container = template["ContainerSpec"]
    for word in ("Args", "Labels", "Hostname"):
        container.pop(word, None)
    container |= {
        "Command": [*command],
        "TTY": bool(terminal),
        "OpenStdin": bool(terminal),
        "Healthcheck": {"Test": ["NONE"]},
    }
    if terminal:
        container["Env"] = [*(container.get("Env") or ()), *terminal]
    if has_init:
        # Else signals, and Ctrl-C, are lost on a command that has no handler: it would be the container's process 1.
        container["Init"] = True
    for network in template.get("Networks") or ():
        network.pop("Aliases", None)
    template |= {
        "RestartPolicy": {"Condition": "none"},
        # One whose log can be read, whatever the service's is.
        "LogDriver": {"Name": "json-file"},
    }
    template.pop("ForceUpdate", None)
    return {
        "Name": name,
        "TaskTemplate": template,
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": "dnsrr"},
    }


def _remove_ended(run: Run, client: "DockerClient") -> None:
    """Remove what a killed process has left: tasks that ended a while ago, as one that ended just now is still read."""
    from docker.errors import NotFound

    from remote.engine.client import engine_errors

    with engine_errors(run.stage.site_name, "looking for tasks that ended", ServiceError):
        for each in client.api.services(filters=label_filter(run.stage.labels, ONE_OFF_LABEL)):
            tasks = client.api.tasks(filters={"service": each["ID"]})
            ends = [engine_moment(str(task["Status"].get("Timestamp", ""))) or time.time() for task in tasks]
            if (
                tasks
                and all(task["Status"]["State"] in _ENDED for task in tasks)
                and max(ends) < time.time() - _LEFT
            ):
                with contextlib.suppress(NotFound):
                    client.api.remove_service(each["ID"])


def _container(run: Run, client: "DockerClient", service: str, identity: str, log: Log) -> ServiceContainer:
    """Wait for the task's container, and return it.

    Raises:
        ServiceError: The swarm can't start it, or needs too long.

    """
    from remote.engine.client import engine_errors

    why: list[str] = [""]

    def started() -> Json | None:
        with engine_errors(service, "looking at the task", ServiceError):
            tasks: list[Json] = client.api.tasks(filters={"service": identity})
        if not tasks:
            return None
        [task] = tasks[:1]
        status = task["Status"]
        why[0] = str(status.get("Err") or status.get("Message") or "")
        container = (status.get("ContainerStatus") or {}).get("ContainerID")
        is_begun = status["State"] in {"running", "complete"} or (status["State"] == "failed" and container)
        if is_begun and container:
            return task
        if status["State"] in _FAILED:
            raise NotStartedError(f"{service}: the task could not be started: {why[0]}")
        return None

    timeout = run.stage.services[service].converge_timeout
    task = wait_for(
        telling(started, f"a task of {service}", log, lambda: why[0]),
        f"a task of {service}",
        timeout,
        kind=ServiceError,
        reason=lambda: why[0],
        pace=Pace(first=0.05, longest=0.5),
    )
    with engine_errors(service, "looking at the task's node", ServiceError):
        node = client.api.inspect_node(task["NodeID"])
    name = node["Description"]["Hostname"]
    host = next((each for each in run.stage.hives if each.name == name), None)
    if host is None:
        raise ServiceError(f"{service}: the task runs on {name}, which is not of this stage")
    return ServiceContainer(
        service,
        host,
        task["Status"]["ContainerStatus"]["ContainerID"],
        f"{service}.run",
        "running",
        "",
        0.0,
        "",
    )


class NotStartedError(ServiceError):
    """The task has failed for good."""
