"""The mother's Docker Engine: its address, its clients, its errors, and the names of skep's things on it."""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import ProviderError
from model.json_types import Json
from model.reasons import reason_of
from model.stage import Stage
from remote.engine.reader import Reader

if TYPE_CHECKING:
    from docker import APIClient

RACE_TIMEOUT = 20.0
"""Seconds for which a refusal is taken for another run at work on the same thing."""
_TIMEOUT = 60.0
"""Seconds that one answer may take."""
USUAL, USUAL_CONTEXT = "unix:///var/run/docker.sock", "default"
"""Where the engine is if nothing says otherwise, and what docker calls that."""

NOT_MODIFIED, FORBIDDEN, NOT_FOUND, CONFLICT, SERVER_ERROR = 304, 403, 404, 409, 500
"""The engine's answers: a thing is so already, is gone already, is at work or taken; the engine itself failed."""


@contextlib.contextmanager
def engine(timeout: float = _TIMEOUT) -> Iterator["APIClient"]:
    """Open a client of the mother's engine (`DOCKER_HOST`, else docker's current context); errors become ours.

    A client each time, and not one for all: nothing is left open, and threads share nothing.

    Args:
        timeout: Seconds that one answer may take.

    Raises:
        ProviderError: The engine can't be reached, or refused what was asked of it.

    """
    import docker
    import requests
    from docker.errors import DockerException

    from remote.engine.client import use_one_pool

    host = engine_host()
    _knock(host)
    try:
        # Certificates of DOCKER_TLS_VERIFY and DOCKER_CERT_PATH are read by kwargs_from_env.
        options = docker.utils.kwargs_from_env()
        if host:
            options["base_url"] = host
            options["use_ssh_client"] = host.startswith("ssh://")
        client = docker.APIClient(version="auto", timeout=timeout, **options)
        path = (host or USUAL).removeprefix("unix://")
        if path.startswith("/"):
            use_one_pool(client, path, timeout)
        try:
            yield client
        finally:
            client.close()
    except (DockerException, requests.exceptions.RequestException) as error:
        raise translate_errors(error, host) from error


@contextlib.contextmanager
def reading() -> Iterator["APIClient"]:
    """Open a client that only reads from the mother's engine, without Docker's SDK where that is not needed.

    Raises:
        ProviderError: The engine can't be reached, or refused what was asked of it.

    """
    host = os.environ.get("DOCKER_HOST") or (USUAL if _is_usual() else engine_host() or USUAL)
    kind, _, path = host.partition("://")
    if kind != "unix":
        with engine() as client:
            yield client
        return
    _knock(host)
    with contextlib.closing(Reader("it", Path(path), _TIMEOUT, ProviderError)) as reader:
        try:
            yield reader
        except ProviderError as error:
            raise translate_errors(error, host) from error


def _is_usual() -> bool:
    """Return whether docker's configuration names no other context than its usual one."""
    if os.environ.get("DOCKER_CONTEXT"):
        return False
    directory = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        config = json.loads((directory / "config.json").read_bytes())
        return bool(config.get("currentContext", USUAL_CONTEXT) == USUAL_CONTEXT)
    except FileNotFoundError:
        return True
    except (OSError, ValueError, AttributeError):
        return False


def _knock(host: str | None) -> None:
    """Try whether an engine's Unix socket takes connections; the SDK leaves its own open where one is refused."""
    kind, _, path = (host or USUAL).partition("://")
    if kind == "unix":
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
            except OSError as error:
                raise translate_errors(error, f"unix://{path}") from error


def engine_host() -> str | None:
    """Return the engine's address, if it is not the usual one.

    It is `DOCKER_HOST`, else of docker's current context: Docker Desktop has its socket elsewhere.
    """
    if host := os.environ.get("DOCKER_HOST"):
        return host
    from docker.context import ContextAPI
    from docker.errors import DockerException

    try:
        context = ContextAPI.get_current_context()
    except (DockerException, OSError, ValueError):
        return None
    return context.Host if context is not None and context.name != "default" else None


def translate_errors(error: Exception, host: str | None = None) -> ProviderError:
    """Return the engine's error as one line with the way out."""
    text = str(getattr(error, "explanation", None) or error).strip()
    low = text.lower()  # with Python's own words, by which some are known
    text = reason_of(error).strip()
    where = f"Docker Engine at {host}" if host else "Docker Engine"
    for marks, advice in _ADVICE:
        if any(mark in low for mark in marks):
            return ProviderError(f"{where}: {text}: {advice}")
    return ProviderError(f"{where}: {text}")


_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("permissionerror", "[errno 13]"),
        "you may not use the engine: run as root, or join the group docker and log in again",
    ),
    (
        ("[errno 2]", "[errno 111]", "connection refused", "connection aborted"),
        "the engine is not running: start it (`systemctl start docker`, or Docker Desktop) and run doit again",
    ),
    (
        ("toomanyrequests", "manifest unknown", "pull access denied", "no such host", "i/o timeout"),
        "the image can't be pulled here: name another in host_image, or make it with `debootstrap:<suite>`",
    ),
    (("timed out", "timeout"), "the engine does not answer: look at its log, or restart it"),
    (
        ("no space left on device", "disk quota exceeded"),
        "the engine's disk is full: `docker system df` shows by what, `docker image prune` removes unused images",
    ),
    (
        ("address already in use", "address is already in use"),
        "something else in the network has this address: remove it, or give the host another (ip_address_list)",
    ),
    (
        ("port is already allocated", "bind for"),
        "something else listens on this port: stop it, or set `publish = false`",
    ),
)


def status(error: BaseException) -> int:
    """Return the HTTP status of an error of the engine; 0 for other errors."""
    response = getattr(error, "response", None)
    return int(getattr(response, "status_code", None) or 0)


@contextlib.contextmanager
def tolerated(*statuses: int) -> Iterator[None]:
    """Pass over the engine's refusal with one of these statuses."""
    from docker.errors import APIError

    try:
        yield
    except APIError as error:
        if status(error) not in statuses:
            raise


def thing(stage: Stage, *words: str) -> str:
    """Return the name of a thing of a stage on the engine; the parts can't be mistaken for each other.

    The engine refuses a second container of a name, which is what makes creation safe to race.
    """
    return ".".join(["skep", stage.site_name, stage.name, *words])


def engine_is_remote(info: Json) -> bool:
    """Return whether the engine lives in a virtual machine, so that containers' addresses can't be reached."""
    return sys.platform != "linux" or "docker desktop" in str(info.get("OperatingSystem", "")).lower()
