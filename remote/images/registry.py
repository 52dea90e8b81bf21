"""The site's registry: finding, pushing and pulling images by the repository host's engine."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from docker import DockerClient
from docker.errors import APIError, ImageNotFound, NotFound

from model.errors import BuildError
from model.log import Log
from remote.engine.client import engine_errors
from remote.images.push_locks import Mutex, push_lock

_UNREADABLE = re.compile(
    r"unknown error|unexpected HTTP status:? 5\d\d|received unexpected HTTP status|manifest (unknown|invalid)|"
    r"invalid (checksum )?digest|unexpected end of JSON|internal server error",
    re.IGNORECASE,
)
"""How the engine repeats the answer of a registry that is there, and can't read a tag."""


@dataclass(frozen=True)
class SiteRegistry:
    """The address of the site's registry, and the login there.

    Args:
        address: Host and port, as references begin.
        user: The user who logs in.
        password: The password, revealed: it goes to the engine's API and nowhere else.

    """

    address: str
    user: str
    password: str

    @property
    def auth(self) -> dict[str, str]:
        """The credentials as the engine's API takes them."""
        return {"username": self.user, "password": self.password, "serveraddress": self.address}

    def reference(self, repository: str, tag: str) -> str:
        """Return the reference of a tag in this registry."""
        return f"{self.address}/{repository}:{tag}"


class RegistryClient:
    """Exchanges images between one engine and the site's registry. Thread-safe, given locks that all pushes share.

    Args:
        client: The repository host's engine.
        host: Its name, for messages.
        registry: The site's registry.
        lock: Returns the lock of a name.
        log: Takes a line for the log.

    """

    def __init__(
        self,
        client: DockerClient,
        host: str,
        registry: SiteRegistry,
        lock: Callable[[str], Mutex],
        log: Log,
    ) -> None:
        self._client, self._host, self._registry, self._lock, self._log = client, host, registry, lock, log

    def find(self, repository: str, key: str) -> str | None:
        """Return the reference with digest of the image that the registry has under a key, or None."""
        reference = self._registry.reference(repository, key)
        with engine_errors(self._host, f"asking the registry for {repository}", BuildError):
            try:
                data = self._client.images.get_registry_data(reference, auth_config=self._registry.auth)
            except NotFound:
                return None
            except APIError as error:
                if not _UNREADABLE.search(str(error.explanation)):
                    raise
                self._log(
                    f"the registry can't read {reference}, so it counts as not there: {error.explanation}"
                )
                return None
        return f"{self._registry.address}/{repository}@{data.id}"

    def push(self, image: str, repository: str, key: str) -> str:
        """Push a local image under a key; return its reference with digest.

        Raises:
            BuildError: The registry or the engine refused.

        """
        name = f"{self._registry.address}/{repository}"
        with (
            engine_errors(self._host, f"pushing {repository}", BuildError),
            push_lock(self._lock, self._client.images.get(image).attrs["RootFS"]["Layers"]) as release,
        ):
            self._client.api.tag(image, name, key, force=True)
            for event in self._client.api.push(
                name, key, stream=True, decode=True, auth_config=self._registry.auth
            ):
                if "error" in event:
                    raise BuildError(f"{self._host}: pushing {repository}: {event['error']}")
                release(event)
                if "aux" in event and "Digest" in event["aux"]:
                    self._log(f"pushed {name}:{key[:12]} as {event['aux']['Digest']}")
                    return f"{name}@{event['aux']['Digest']}"
        raise BuildError(f"{self._host}: pushing {repository}: the registry gave no digest")

    def pull(self, reference: str) -> str:
        """Make an image of a registry available to the engine, and return its id there.

        Raises:
            BuildError: It can't be pulled.

        """
        auth = self._registry.auth if reference.startswith(f"{self._registry.address}/") else None
        with engine_errors(self._host, f"pulling {reference}", BuildError):
            try:
                return str(self._client.images.get(reference).id)
            except ImageNotFound:
                self._log(f"pulling {reference}")
            name, tag = split_reference(reference)
            return str(self._client.images.pull(name, tag=tag, auth_config=auth).id)


def split_reference(reference: str) -> tuple[str, str]:
    """Return a reference's name and its tag or digest."""
    if "@" in reference:
        name, _, digest = reference.partition("@")
        return name, digest
    head, _, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return (f"{head}/{name}" if head else name), tag or "latest"
