"""Listings of a Docker Engine, read without Docker's SDK.

Importing the SDK takes as long as observing a whole site. A run with nothing to do needs a few listings only; they are
here, with the names and answers of the SDK's `APIClient`.
"""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from model.errors import HostError, SkepError
from model.json_types import Json
from model.reasons import reason_of
from remote.engine.unix_http import UnixHttp

TIMEOUT = 120
"""Seconds that one answer may take."""
Filters = Mapping[str, str | Sequence[str]]


class Reader:
    """Reads from the engine behind a Unix socket; changes nothing there. Thread-safe: each call has its connection.

    Args:
        where: The engine's name in messages, as `hive0: its Docker Engine`.
        path: The socket.
        timeout: Seconds that one answer may take.
        error: The error to raise.

    """

    def __init__(
        self, where: str, path: Path, timeout: float = TIMEOUT, error: type[SkepError] = HostError
    ) -> None:
        """Keep where it is; nothing is connected yet."""
        self._where, self._path, self._timeout, self._error = where, path, timeout, error
        self._guard = threading.Lock()
        self._idle: list[UnixHttp] = []

    def info(self) -> Json:
        """Return the engine's description of itself."""
        return self._object("/info")

    def containers(self, *, all: bool = False, filters: Filters | None = None) -> list[Json]:  # noqa: A002 - as in the SDK
        """Return its containers: those that run, or all."""
        return self._list(f"/containers/json?all={int(all)}", filters)

    def container(self, identity: str) -> Json:
        """Return a container's description."""
        return self._object(f"/containers/{quote(identity)}/json")

    def network(self, name: str) -> Json:
        """Return a network's description, with the containers in it."""
        return self._object(f"/networks/{quote(name)}")

    def volumes(self, *, filters: Filters | None = None) -> Json:
        """Return its volumes, below `Volumes`."""
        return self._object("/volumes", filters)

    def networks(self, *, filters: Filters | None = None) -> list[Json]:
        """Return its networks."""
        return self._list("/networks", filters)

    def images(self, *, filters: Filters | None = None) -> list[Json]:
        """Return its images."""
        return self._list("/images/json", filters)

    def nodes(self) -> list[Json]:
        """Return the nodes of the swarm that it manages."""
        return self._list("/nodes")

    def services(self, *, status: bool = False, filters: Filters | None = None) -> list[Json]:
        """Return the services of the swarm that it manages, with the number of their tasks if asked for."""
        return self._list(f"/services?status={str(status).lower()}", filters)

    def tasks(self, *, filters: Filters | None = None) -> list[Json]:
        """Return the tasks of the swarm that it manages, those that ended as well, as far as the swarm keeps them."""
        return self._list("/tasks", filters)

    def secrets(self, *, filters: Filters | None = None) -> list[Json]:
        """Return the secrets of the swarm that it manages, without their contents."""
        return self._list("/secrets", filters)

    def configs(self, *, filters: Filters | None = None) -> list[Json]:
        """Return the configs of the swarm that it manages."""
        return self._list("/configs", filters)

    def close(self) -> None:
        """Close the connections."""
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _object(self, path: str, filters: Filters | None = None) -> Json:
        """Return the engine's answer where that is an object."""
        answer: Json = self._get(path, filters)
        return answer

    def _list(self, path: str, filters: Filters | None = None) -> list[Json]:
        """Return the engine's answer where that is a list of objects."""
        answer: list[Json] = self._get(path, filters)
        return answer

    def _get(self, path: str, filters: Filters | None = None) -> Any:
        """Return the engine's answer.

        Raises:
            SkepError: It does not answer, or refuses; of the type `error`.

        """
        if filters:
            lists = {name: [each] if isinstance(each, str) else list(each) for name, each in filters.items()}
            path += f"{'&' if '?' in path else '?'}filters={quote(json.dumps(lists))}"
        try:
            with self._connection() as connection:
                # No version: the engine takes its own newest, as the SDK does once it has asked for that.
                connection.request("GET", path)
                response = connection.getresponse()
                answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._error(f"{self._where} does not answer ({reason_of(error)})") from error
        if response.status != http.client.OK:
            message = answer.get("message") if isinstance(answer, dict) else None
            raise self._error(f"{self._where}: {message or response.reason}")
        return answer

    @contextmanager
    def _connection(self) -> Iterator[UnixHttp]:
        """Give a connection that nobody else uses meanwhile; it is kept only if all went well."""
        with self._guard:
            connection = self._idle.pop() if self._idle else UnixHttp(self._path, self._timeout)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._guard:
            self._idle.append(connection)
