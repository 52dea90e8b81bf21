"""Files out of a running container and into it, as a tar stream: `docker cp -a`, by the engine's API.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerArchive
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlencode

from model.errors import HostError, ServiceError
from model.reasons import reason_of
from remote.engine.unix_http import UnixHttp

TIMEOUT = 120.0
"""Seconds that the engine may take for one piece."""
_CHUNK = 1 << 18
_DIRECTORY, _LINK = 1 << 31, 1 << 27
"""Bits of the mode as Go's os.FileMode has them, which the engine sends."""


@dataclass(frozen=True)
class PathStat:
    """A path in a container.

    Args:
        name: Its last part.
        size: Its bytes.
        is_directory: Whether it is a directory.
        link_target: Where it leads as a symbolic link; empty if it is none.

    """

    name: str
    size: int
    is_directory: bool
    link_target: str


class ContainerFiles:
    """The files of a container.

    Args:
        where: Host and container, for messages.
        engine: The socket of the host's engine.
        container: The container's id.

    """

    def __init__(self, where: str, engine: Path, container: str) -> None:
        self._where, self._engine, self._container = where, engine, container

    def stat(self, path: str) -> PathStat | None:
        """Return what a path is; None if it is not there.

        Raises:
            HostError: The engine does not answer.
            ServiceError: It refuses.

        """
        with self._asked("HEAD", path) as response:
            if response.status == HTTPStatus.NOT_FOUND:
                return None
            self._check(response, path)
            header = response.headers.get("X-Docker-Container-Path-Stat", "")
            found = json.loads(base64.b64decode(header))
        return PathStat(
            found["name"],
            int(found["size"]),
            bool(found["mode"] & _DIRECTORY),
            str(found.get("linkTarget") or "") if found["mode"] & _LINK else "",
        )

    def get(self, path: str, take: Callable[[BinaryIO], None]) -> None:
        """Have a tar stream of a path taken: a file, or a directory with all that is in it.

        Raises:
            HostError: The engine does not answer.
            ServiceError: It refuses.

        """
        with self._asked("GET", path) as response:
            self._check(response, path)
            take(response)

    def put(self, directory: str, pieces: Iterator[bytes]) -> None:
        """Unpack a tar stream in a directory that exists.

        Raises:
            HostError: The engine does not answer.
            ServiceError: It refuses, or the container's disk is full.

        """
        connection = UnixHttp(self._engine, TIMEOUT)
        words = {"path": directory, "noOverwriteDirNonDir": "1"}
        broken: OSError | None = None
        try:
            try:
                connection.request(
                    "PUT",
                    f"/containers/{self._container}/archive?{urlencode(words)}",
                    pieces,
                    {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"},
                    encode_chunked=True,
                )
            except (BrokenPipeError, ConnectionResetError) as error:
                broken = error  # it may have refused before it had read all, and says why
            self._check(connection.getresponse(), directory)
            if broken is not None:
                raise broken
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error
        finally:
            connection.close()

    @contextmanager
    def _asked(self, method: str, path: str) -> Iterator[HTTPResponse]:
        """Ask about a path, and give the answer."""
        connection = UnixHttp(self._engine, TIMEOUT)
        try:
            connection.request(method, f"/containers/{self._container}/archive?{urlencode({'path': path})}")
            yield connection.getresponse()
        except (OSError, HTTPException, ValueError) as error:
            raise self._silent(error) from error
        finally:
            connection.close()

    def _check(self, response: HTTPResponse, path: str) -> None:
        """Refuse what the engine refuses.

        Raises:
            ServiceError: It does.

        """
        if response.status < HTTPStatus.BAD_REQUEST:
            return
        try:
            said = str(json.loads(response.read() or b"{}").get("message", ""))
        except ValueError:
            said = ""
        raise ServiceError(f"{self._where}: {path}: {said or response.reason}")

    def _silent(self, error: Exception) -> HostError:
        """Return the error of an engine that does not answer."""
        return HostError(f"{self._where}: its Docker Engine does not answer ({reason_of(error)})")
