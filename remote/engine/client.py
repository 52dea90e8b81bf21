"""A host's Docker Engine, through its socket forwarded over ssh."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import requests
from docker.errors import APIError, DockerException
from docker.transport import UnixHTTPAdapter

from model.errors import HostError, SkepError
from model.reasons import reason_of

TIMEOUT = 120
POOL = 80
"""Connections to one engine that are kept: as many as there are threads, and some for the live state."""


class _OnePool(UnixHTTPAdapter):  # type: ignore[misc] # the SDK has no types
    """Connections that all calls share.

    The SDK's own keeps some for each URL, so that a call by an id always opens a new one; and of more than 25 URLs it
    closes the oldest's while others may be using them.
    """

    def get_connection(self, url: str, proxies: object = None) -> object:  # noqa: ARG002 - the SDK's signature
        """Return the one pool."""
        return super().get_connection("http+docker://localhost", proxies)


class Engine(docker.DockerClient):  # type: ignore[misc] # the SDK has no types
    """A Docker client that knows its socket, for other programs that connect to the same engine."""

    def __init__(self, socket: Path) -> None:
        """Connect."""
        super().__init__(base_url=f"unix://{socket}", version="auto", timeout=TIMEOUT)
        # The scheme is the SDK's own for sockets; what was mounted for it goes, with the connection that it has made.
        self.api.get_adapter("http+docker://").close()
        self.api.mount("http+docker://", _OnePool(f"http+unix://{socket}", TIMEOUT, max_pool_size=POOL))
        # Neither a proxy nor a netrc file has to do with a socket, and looking for them costs more than the call.
        self.api.trust_env = False
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
    """Translate the SDK's errors into one of skep's, with the host and the action that failed.

    Args:
        host: The host's name.
        doing: The action, for the message: `pulling web`.
        kind: The error to raise.

    """
    try:
        yield
    except APIError as error:
        raise kind(f"{host}: {doing}: {reason_of(error)}{_way_out(str(error.explanation))}") from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise kind(f"{host}: {doing}: its Docker Engine does not answer ({reason_of(error)})") from error


def _way_out(explanation: str) -> str:
    """Return the way out of an engine's error, where one is known."""
    if "no space left on device" in explanation:
        return "\n    the host's disk is full: make room there (docker system df), then run doit again"
    return ""
