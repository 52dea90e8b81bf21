"""A host's Docker Engine, through its socket forwarded over ssh."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import requests
from docker.errors import APIError, DockerException

from model.errors import HostError, SkepError

TIMEOUT = 120
POOL = 16
"""Calls at a time on one engine: as many as tasks are at work, and some for the probe."""


class Engine(docker.DockerClient):  # type: ignore[misc] # the SDK has no types
    """A client that knows the socket which it talks to, for others that are to talk to the same engine."""

    def __init__(self, socket: Path) -> None:
        """Connect."""
        super().__init__(base_url=f"unix://{socket}", version="auto", timeout=TIMEOUT, max_pool_size=POOL)
        self.socket = socket


def connect(host: str, socket: Path) -> Engine:
    """Return a client of the engine behind a socket.

    Raises:
        HostError: No engine answers there.

    """
    with engine_errors(host, "connecting to its Docker Engine"):
        return Engine(socket)


@contextmanager
def engine_errors(host: str, doing: str, kind: type[SkepError] = HostError) -> Iterator[None]:
    """Turn what the SDK raises into an error of skep's, with host and what was being done.

    Args:
        host: The host's name.
        doing: What was being done, for the message.
        kind: The error to raise.

    """
    try:
        yield
    except APIError as error:
        raise kind(
            f"{host}: {doing}: {error.explanation or error}{_way_out(str(error.explanation))}"
        ) from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise kind(f"{host}: {doing}: its Docker Engine does not answer ({_root(error)})") from error


def _root(error: BaseException) -> str:
    """Return the reason in an error of requests, which wraps that of urllib3.

    Not by its context: there may be one that was being handled long before.
    """
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner)) or type(error).__name__


def _way_out(explanation: str) -> str:
    """Return what to do about an engine's error, where that is known."""
    if "no space left on device" in explanation:
        return "\n    the host's disk is full: make room there (docker system df), then run doit again"
    return ""
