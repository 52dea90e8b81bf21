"""A host's Docker Engine, through its socket forwarded over ssh."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool

from model.errors import HostError, SkepError
from model.reasons import reason_of
from remote.engine.unix_http import UpgradedResponse

TIMEOUT = 120
POOL = 80
"""Connections to one engine that are kept: as many as there are threads, and some for the live state."""
_SCHEME = "http+docker://"
_URL = f"{_SCHEME}localhost"


class _Connection(UnixHTTPConnection):  # type: ignore[misc] # the SDK has no types
    """A connection that loses nothing of a command's output.

    That follows the headers of an answer, on the bare socket, where the SDK reads it: what came along with the headers,
    as through ssh under load, stayed in a buffer that nothing read (https://github.com/docker/docker-py/issues/1799).
    """

    response_class = HTTPResponse

    def putrequest(self, *args: Any, **options: Any) -> None:
        """Begin a request."""
        self.response_class = HTTPResponse
        super().putrequest(*args, **options)

    def putheader(self, header: str, *values: Any) -> None:
        """Take a header of a request; one says that a bare socket is wanted."""
        if header == "Upgrade":
            self.response_class = UpgradedResponse
        super().putheader(header, *values)


class _Pool(UnixHTTPConnectionPool):  # type: ignore[misc] # the SDK has no types
    """A pool of such connections."""

    def _new_conn(self) -> _Connection:
        """Make one."""
        return _Connection(self.base_url, self.socket_path, self.timeout)


class _OnePool(UnixHTTPAdapter):  # type: ignore[misc] # the SDK has no types
    """Connections that all calls share.

    The SDK's own keeps some for each URL, so that a call by an id always opens a new one; and of more than 25 URLs it
    closes the oldest's while others may be using them.
    """

    def get_connection(self, url: str, proxies: object = None) -> _Pool:  # noqa: ARG002 - the SDK's signature
        """Return the one pool."""
        with self.pools.lock:
            if _URL not in self.pools:
                self.pools[_URL] = _Pool(_URL, self.socket_path, self.timeout, maxsize=self.max_pool_size)
            pool: _Pool = self.pools[_URL]
        return pool


def use_one_pool(api: docker.APIClient, socket: str, timeout: float) -> None:
    """Have all calls of an SDK's client share connections to a socket, in place of the SDK's own."""
    # The scheme is the SDK's own for sockets; what was mounted for it goes, with the connection that it has made.
    api.get_adapter(_SCHEME).close()
    api.mount(_SCHEME, _OnePool(f"http+unix://{socket}", timeout, max_pool_size=POOL))


class Engine(docker.DockerClient):  # type: ignore[misc] # the SDK has no types
    """A Docker client that knows its socket, for other programs that connect to the same engine."""

    def __init__(self, socket: Path) -> None:
        """Connect."""
        super().__init__(base_url=f"unix://{socket}", version="auto", timeout=TIMEOUT)
        use_one_pool(self.api, str(socket), TIMEOUT)
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
