"""Running a layer's role in its build container."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from docker.errors import APIError, NotFound

from model.errors import BuildError
from model.log import Log
from remote.images import systemd
from remote.images.layers import Layer
from remote.images.role_archive import BUILD_ROLE, CLEAN_INIT, CLEAN_LAYER, blank_secrets
from remote.images.role_output import as_message, lines, logged_output
from remote.mother.wait import attempts
from remote.playbook import play as playbook

_SHELL = ["/bin/sh", "-c"]
_INIT_TIMEOUT = 120.0
_STOP_TIMEOUT = 60
_CONFLICT = 409
_ENDED = "its container has ended"
_PLAY_ENVIRONMENT = {"TMPDIR": playbook.TEMPORARY, "PYTHONDONTWRITEBYTECODE": "1"}
"""Keeps temporary files of Ansible's modules out of the layer."""


class RoleError(BuildError):
    """A role ran, and failed.

    Attributes:
        is_clean: Whether nothing secret can be left in its container.

    """

    is_clean = True


def run_layer(container: Any, layer: Layer, host: str, log: Log) -> None:
    """Run a layer's role in its container, which was just created, and leave the container ready to be committed.

    Args:
        container: The container.
        layer: The layer.
        host: The repository host's name, for messages.
        log: Takes each line that the role prints.

    Raises:
        RoleError: The role failed or took too long.
        BuildError: The engine lacks the rights that it wants.

    """
    container.put_archive("/", layer.archive)
    with_init = layer.standalone and _has_init(container)
    try:
        container.start()
    except APIError as error:
        explanation = str(error.explanation)
        if layer.privileged and ("apply caps" in explanation or "not permitted" in explanation):
            raise BuildError(
                f"{host}: role {layer.role}: the image has privileged = true, and the engine of {host} can't run "
                f"privileged containers: the host itself lacks rights, as one that is a container does ({explanation})"
            ) from error
        raise
    with logged_output(log) as (take, tail):
        if layer.play is not None:
            reason = _run_play(container, layer.play, layer.timeout, take, with_init=with_init)
        elif with_init:
            reason = _run_beside_init(container, layer.timeout, take)
        else:
            reason = _run_alone(container, layer.timeout, take)
    if reason is not None:
        script = "" if layer.play is not None else "setup.sh: "
        failure = RoleError(f"{host}: role {layer.role}: {script}{reason}{as_message(tail)}")
        # Nobody has removed the files that Ansible had rendered in a container that ended.
        failure.is_clean = reason != _ENDED
        raise failure


def forget_secrets(container: Any, layer: Layer) -> None:
    """Empty the secrets' files in a failed container, before it is kept."""
    if layer.secrets and layer.play is None:
        container.put_archive("/", blank_secrets(layer.secrets))


def _run_alone(container: Any, timeout: float, log: Log) -> str | None:
    """Wait for a container whose only process is the role; return the reason if it failed."""
    late, cancel = _kill_after(container, timeout)
    try:
        for line in lines(container.logs(stream=True, follow=True)):
            log(line)
        status = container.wait()["StatusCode"]
    finally:
        cancel()
    return _reason(late, status, timeout)


def _run_beside_init(container: Any, timeout: float, log: Log) -> str | None:
    """Run the role beside a container's init, then shut that down in order; return the reason if it failed."""
    api = container.client.api
    if problem := _init_problem(api, container.id):
        return problem
    late, cancel = _kill_after(container, timeout)
    try:
        status = _exec(api, container.id, BUILD_ROLE, log)
    except (APIError, OSError):
        if not late.is_set():
            raise
        status = None
    finally:
        cancel()
    reason = _reason(late, status, timeout)
    if reason is None:
        _exec(api, container.id, CLEAN_INIT, log)
        container.stop(timeout=_STOP_TIMEOUT)
    return reason


def _run_play(
    container: Any, play: playbook.Play, timeout: float, log: Log, *, with_init: bool
) -> str | None:
    """Have Ansible run a role from outside, then end the container; return the reason if it failed."""
    api = container.client.api
    if with_init and (problem := _init_problem(api, container.id)):
        return problem
    try:
        reason = playbook.run(play, container, _PLAY_ENVIRONMENT, timeout, log)
        # Of a failed one too: its temporary files may hold secrets.
        _exec(api, container.id, CLEAN_LAYER, log)
        if with_init and reason is None:
            _exec(api, container.id, CLEAN_INIT, log)
            container.stop(timeout=_STOP_TIMEOUT)
            return None
    except APIError as error:
        if error.status_code != _CONFLICT:
            raise
        return _ENDED
    container.kill()
    container.wait()
    return reason


def _kill_after(container: Any, timeout: float) -> tuple[threading.Event, Callable[[], None]]:
    """Kill a container after a time; return the event that is set then, and the function that cancels it."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        # It may have ended just now.
        with suppress(APIError):
            container.kill()

    timer = threading.Timer(timeout, give_up)
    timer.daemon = True
    timer.start()
    return late, timer.cancel


def _reason(late: threading.Event, status: int | None, timeout: float) -> str | None:
    """Return the reason if a role failed."""
    if late.is_set():
        return f"no end after {timeout:.0f} s"
    return None if status == 0 else f"exit status {status}"


def _exec(api: Any, container: str, command: str, log: Log) -> int | None:
    """Run a shell command in a running container, and return its exit status."""
    made = api.exec_create(container, [*_SHELL, command], user="0:0", workdir="/")
    for line in lines(api.exec_start(made["Id"], stream=True)):
        log(line)
    status = api.exec_inspect(made["Id"])["ExitCode"]
    return None if status is None else int(status)


def _has_init(container: Any) -> bool:
    """Return whether a container's file system has an init."""
    try:
        stream, _ = container.get_archive(systemd.INIT)
    except NotFound:
        return False
    stream.close()
    return True


def _init_problem(api: Any, container: str) -> str:
    """Wait until systemd has started its units, also if some failed; return why it has not. Other inits don't count."""
    asked = "command -v systemctl >/dev/null || { echo running; exit; }; systemctl is-system-running || true"
    reason = ""
    for _ in attempts(_INIT_TIMEOUT):
        states: list[str] = []
        try:
            _exec(api, container, asked, states.append)
        except APIError as error:
            reason = str(error.explanation)
            continue
        if states and states[-1] in ("running", "degraded"):
            return ""
        reason = f"systemctl is-system-running: {states[-1] if states else 'no answer'}"
    return f"{systemd.INIT} did not come up within {_INIT_TIMEOUT:.0f} s: {reason}"
