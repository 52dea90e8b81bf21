"""Running a role inside a service's container, which is already running."""

import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from docker.errors import APIError, NotFound

from model.errors import HostError, ServiceError, SkepError
from model.keys.tree import Entry
from model.log import Log
from remote.engine.client import engine_errors
from remote.images.archive import Archive
from remote.images.role_archive import CLEAN_PLAY, END_ROLE, ROOT, RUN_ROLE, TOKEN, role_archive
from remote.images.role_output import TAIL, as_message, lines, logged_output
from remote.mother.wait import Pace, wait_for
from remote.playbook import play as playbook

_TRIES = 3
_CONTAINER_TIMEOUT = 60
_PATIENCE = 5.0
"""Seconds after which a container whose role failed counts as one that stays."""


def run_role(
    find: Callable[[], Any],
    service: str,
    role: str,
    entries: tuple[Entry, ...],
    variables: Mapping[str, str],
    timeout: float,
    log: Log,
) -> None:
    """Run a role's `setup.sh` as root inside a service's container.

    Tried again in the new container if the swarm replaces it meanwhile; so the script must be safe to repeat.

    Args:
        find: Returns the container, or None while there is none.
        service: The service's name, for messages.
        role: The role's name.
        entries: Its files.
        variables: Its environment variables.
        timeout: Seconds.
        log: Takes each line that it prints.

    Raises:
        ServiceError: The script failed or took too long, or there is no container.

    """
    token = uuid.uuid4().hex
    archive = role_archive(entries, variables, token=token)

    def execute(container: Any) -> tuple[str | None, Sequence[str]]:
        status, tail = _exec_script(container, archive, token, timeout, log)
        if status == 0:
            return None, tail
        reason = f"no end after {timeout:.0f} s" if status is None else f"exit status {status}"
        return f"setup.sh: {reason}", tail

    _run_in_container(find, service, role, execute, log)


def run_play(find: Callable[[], Any], service: str, play: playbook.Play, timeout: float, log: Log) -> None:
    """Run a role of Ansible against a service's container, as `run_role` does with a script.

    Args:
        find: Returns the container, or None while there is none.
        service: The service's name, for messages.
        play: The role.
        timeout: Seconds.
        log: Takes each line for the log.

    Raises:
        ServiceError: A task failed, it took too long, or there is no container.
        ProviderError: Ansible is not installed, and can't be.

    """

    def execute(container: Any) -> tuple[str | None, Sequence[str]]:
        return _exec_play(container, play, timeout, log)

    playbook.prepare()
    _run_in_container(find, service, play.role, execute, log)


def _run_in_container(
    find: Callable[[], Any],
    service: str,
    role: str,
    execute: Callable[[Any], tuple[str | None, Sequence[str]]],
    log: Log,
) -> None:
    """Execute a role in a service's container, and again in the next one if that goes away meanwhile."""
    gone: set[str] = set()
    for last in [False] * (_TRIES - 1) + [True]:
        container = _wait_for_container(find, service, gone)
        log(f"running role {role} in container {container.short_id}")
        try:
            with engine_errors(service, f"role {role}", ServiceError):
                reason, tail = execute(container)
        except ServiceError as error:
            failure = error
        else:
            if reason is None:
                return
            failure = ServiceError(f"service {service}: role {role}: {reason}{as_message(tail)}")
        if last or not _goes_away(container, find):
            raise failure
        log("the container went away meanwhile; trying again in the next one")
        gone.add(container.id)


def _wait_for_container(find: Callable[[], Any], service: str, gone: Collection[str]) -> Any:
    """Return the service's running container, but none that is gone: the swarm may not know that yet."""
    found: list[Any] = []

    def is_running() -> bool:
        with engine_errors(service, "finding its container", ServiceError):
            try:
                found[:] = [find()]
            except NotFound:
                return False
        return found[0] is not None and found[0].id not in gone

    wait_for(is_running, f"a running container of service {service}", _CONTAINER_TIMEOUT, kind=ServiceError)
    return found[0]


def _goes_away(container: Any, find: Callable[[], Any]) -> bool:
    """Return whether a container has ended or is about to, which may be why its role failed.

    Its processes end first, and the engine and the swarm hear of that later.
    """

    def is_gone() -> bool:
        try:
            container.reload()
        except (APIError, OSError):
            return True  # as its host may be
        if container.status != "running":
            return True
        # Of one that is being stopped, as for an update, only the swarm knows.
        found = find()
        return found is None or found.id != container.id

    try:
        wait_for(
            is_gone,
            "the end of the container",
            _PATIENCE,
            retry=(APIError, OSError, SkepError),
            pace=Pace(longest=0.5),
        )
    except HostError:
        return False
    return True


def _exec_script(
    container: Any, archive: Archive, token: str, timeout: float, log: Log
) -> tuple[int | None, Sequence[str]]:
    """Put the role into the container, run it, and return its exit status (None: too late) and its last lines."""
    api = container.client.api
    # Docker does not end the processes of a run that was killed: two would load the same data at once, and the first
    # one's end would remove this one's files.
    _quietly(container, END_ROLE)
    container.put_archive("/", archive)
    # timeout(1) would have to be in the image; so a second shell watches, and ends a second after the role at most.
    # At the end of the time it ends all processes of this session and removes the role.
    watch = f"n=0; while [ $n -lt {timeout:.0f} ]; do sleep 1; n=$((n+1)); done; rm -rf /{ROOT}; kill -KILL 0"
    command = f"({RUN_ROLE}) & child=$!; ({watch}) >/dev/null 2>&1 & watch=$!; wait $child; s=$?; kill $watch; exit $s"
    began = time.monotonic()
    started = api.exec_create(
        container.id, ["/bin/sh", "-c", command], user="0:0", workdir="/", environment={TOKEN: token}
    )
    tail: deque[str] = deque(maxlen=TAIL)
    for line in lines(api.exec_start(started["Id"], stream=True)):
        log(line)
        tail.append(line)
    status = api.exec_inspect(started["Id"])["ExitCode"]
    return (None if time.monotonic() - began >= timeout else status), list(tail)


def _exec_play(
    container: Any, play: playbook.Play, timeout: float, log: Log
) -> tuple[str | None, Sequence[str]]:
    """Run a role of Ansible against the container; return the reason if it failed, and its last lines."""
    # A run that was killed may have left processes there.
    _quietly(container, END_ROLE)
    container.put_archive("/", play.workplace)
    with logged_output(log) as (take, tail):
        reason = playbook.run(play, container, {}, timeout, take)
    _quietly(container, CLEAN_PLAY if reason is None else END_ROLE)
    return reason, tail


def _quietly(container: Any, command: str) -> None:
    """Run a shell command in a container, and ignore its output and status."""
    api = container.client.api
    started = api.exec_create(container.id, ["/bin/sh", "-c", command], user="0:0", workdir="/")
    api.exec_start(started["Id"])
