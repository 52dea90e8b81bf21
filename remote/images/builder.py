"""Building images on the repository host's engine, and finding them in the site's registry.

An image is a base, then one committed layer per role, then its configuration. Each layer is tagged with its key,
`skep/layer:<key>`, where `key(i) = H(key(i-1), role i)` and `key(0) = H(base)`: a changed role makes anew only its own
layer and those after it, and images with the same first roles share them. The finished image is pushed to the
registry with its key as the tag; services run it by digest.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from model.errors import BuildError
from model.json_types import Json
from model.keys.digest import canonical, sha256
from model.labels import NAME_LABEL
from model.log import Log
from remote.engine.client import engine_errors
from remote.images import layers
from remote.images.bases import BASE_COMMAND
from remote.images.image_config import compose, merged_config
from remote.images.layers import Layer
from remote.images.push_locks import turn

LAYERS = "skep/layer"
FAILED = "skep/failed"
BUILD_PREFIX = "skep-build"


@dataclass(frozen=True)
class SiteRegistry:
    """The site's registry.

    Args:
        address: Host and port, as references begin.
        user: Who logs in.
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


class Builder:
    """Builds on one engine. Thread-safe, given locks that are shared by all builders of the engine.

    Args:
        client: The repository host's engine.
        host: Its name, for messages.
        registry: The site's registry.
        owner: A text of the site's and stage's own, in the names of build containers.
        lock: Returns the lock of a name: one layer is built only once.
        marks: A directory on the mother, where a file says of each build container that it may be there.
        log: Takes a line for the log.

    """

    def __init__(
        self,
        client: DockerClient,
        host: str,
        registry: SiteRegistry,
        owner: str,
        lock: Callable[[str], threading.Lock],
        marks: Path,
        log: Log,
    ) -> None:
        """Keep what building needs."""
        self._client, self._host, self._registry = client, host, registry
        self._owner, self._lock, self._marks = owner, lock, marks
        self._say = log

    # -- the registry --------------------------------------------------------------------------------------------

    def find(self, repository: str, key: str) -> str | None:
        """Return the reference with digest of what the registry has under a key, or None."""
        reference = self._registry.reference(repository, key)
        with engine_errors(self._host, f"asking the registry for {repository}", BuildError):
            try:
                data = self._client.images.get_registry_data(reference, auth_config=self._registry.auth)
            except NotFound:
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
            turn(self._lock, self._inspect(image)["RootFS"]["Layers"]) as heard,
        ):
            self._client.api.tag(image, name, key, force=True)
            for event in self._client.api.push(
                name, key, stream=True, decode=True, auth_config=self._registry.auth
            ):
                if "error" in event:
                    raise BuildError(f"{self._host}: pushing {repository}: {event['error']}")
                heard(event)
                if "aux" in event and "Digest" in event["aux"]:
                    self._say(f"pushed {name}:{key[:12]} as {event['aux']['Digest']}")
                    return f"{name}@{event['aux']['Digest']}"
        raise BuildError(f"{self._host}: pushing {repository}: the registry gave no digest")

    def pull(self, reference: str) -> str:
        """Make an image of a registry available to the engine, and return its id there.

        Raises:
            BuildError: It can't be had.

        """
        auth = self._registry.auth if reference.startswith(f"{self._registry.address}/") else None
        with engine_errors(self._host, f"pulling {reference}", BuildError):
            try:
                return str(self._client.images.get(reference).id)
            except ImageNotFound:
                self._say(f"pulling {reference}")
            name, tag = split_reference(reference)
            return str(self._client.images.pull(name, tag=tag, auth_config=auth).id)

    def digest_of(self, image: str) -> str:
        """Return the digest under which an image was pulled, else its id."""
        digests = self._client.images.get(image).attrs.get("RepoDigests") or [image]
        return str(digests[0]).rpartition("@")[2]

    # -- layers --------------------------------------------------------------------------------------------------

    def build(self, base: str, roles: Sequence[Layer], config: Json, labels: Mapping[str, str]) -> str:
        """Return the id of an image made of a base, layers and a configuration, building what is not there.

        Args:
            base: The base's reference with digest.
            roles: Their layers, in order.
            config: What differs from the base's configuration, in the words of Docker's API.
            labels: The image's labels; `skep.name` is what it is called.

        Raises:
            BuildError: A role's script failed, or the engine refused.

        """
        name = labels[NAME_LABEL]
        # By its digest alone: the same base in the registry of another stage has the same layers on top of it.
        keys = [sha256(base.rpartition("@")[2])]
        for layer in roles:
            keys.append(layer.key(keys[-1]))
        with engine_errors(self._host, f"looking at the base {base}", BuildError):
            first = top = self._inspect(self.pull(base))
        for layer, key in zip(roles, keys[1:], strict=True):
            # Two images with the same first roles, built at the same time, build them once.
            with self._lock(f"layer {key}"):
                found = self._layer(str(top["Id"]), layer, key, name)
            # A role that changed nothing has added no layer: it leaves the image as it was.
            top = found if found["RootFS"]["Layers"] != top["RootFS"]["Layers"] else top
        image = self._compose(top, merged_config(first["Config"] or {}, config, labels))
        self.forget_failed(name)
        return image

    def forget_failed(self, name: str) -> None:
        """Keep no failed build of an image, now that there is a good one."""
        with engine_errors(self._host, "removing a failed build", BuildError), suppress(NotFound):
            self._client.images.remove(f"{FAILED}:{failed_tag(self._owner, name)}")

    def _inspect(self, image: str) -> Json:
        """Return what the engine knows of an image."""
        attrs: Json = self._client.images.get(image).attrs
        return attrs

    def _layer(self, parent: str, layer: Layer, key: str, name: str) -> Json:
        """Return a layer: found by its key, else built for the image of this name."""
        with engine_errors(self._host, f"role {layer.role}", BuildError):
            try:
                found = self._inspect(f"{LAYERS}:{key}")
            except ImageNotFound:
                self._say(f"role {layer.role}: building layer {key[:12]}")
                self._build_layer(parent, layer, key, name)
                return self._inspect(f"{LAYERS}:{key}")
        self._say(f"role {layer.role}: layer {key[:12]} is there")
        return found

    def _build_layer(self, parent: str, layer: Layer, key: str, name: str) -> None:
        """Run a role in a fresh container and commit it."""
        with self._container(key[:16], parent, **layers.container_options(layer)) as container:
            try:
                layers.run(container, layer, self._host, self._say)
            except layers.RoleError as error:
                kept = self._keep_failed(container, layer, name) if error.is_clean else ""
                raise BuildError(f"{error}{kept}") from error
            container.commit(repository=LAYERS, tag=key)

    def _keep_failed(self, container: Any, layer: Layer, name: str) -> str:
        """Keep a container as it is after its role failed, and return how to look into it.

        As an image and not as the container: it is no left-over of a killed run, and can be looked into many times.
        """
        try:
            layers.forget_secrets(container, layer)
            container.commit(repository=FAILED, tag=failed_tag(self._owner, name))
        except (DockerException, requests.RequestException, OSError) as error:
            self._say(f"the failed container can't be kept: {error}")
            return ""
        return f"\n    doit shell_image:{name} opens a shell there"

    def failed(self, name: str) -> str | None:
        """Return the local reference of what is kept of an image's failed build, or None."""
        reference = f"{FAILED}:{failed_tag(self._owner, name)}"
        with engine_errors(self._host, f"looking for a failed build of {name}", BuildError):
            try:
                self._client.images.get(reference)
            except ImageNotFound:
                return None
        return reference

    @contextmanager
    def _container(self, name: str, image: str, **options: Any) -> Iterator[Any]:
        """Give a container of this stage's own and remove it; until it is removed, a mark on the mother says so."""
        self._marks.mkdir(parents=True, exist_ok=True)
        mark = self._marks / name
        mark.touch()
        container = self._client.containers.create(
            # The mother's own proxies (in ~/.docker/config.json) are not the image's.
            image,
            name=f"{BUILD_PREFIX}.{self._owner}.{name}",
            use_config_proxy=False,
            **options,
        )
        try:
            yield container
        finally:
            container.remove(force=True, v=True)
            mark.unlink(missing_ok=True)

    def _compose(self, top: Json, config: Json) -> str:
        """Return the id of an image with the layers of another and a configuration."""
        composed = compose(top, config)
        with engine_errors(self._host, "setting the image's configuration", BuildError):
            try:
                list(self._client.api.load_image(composed.archive, quiet=True))
                return str(self._client.images.get(composed.id).id)
            except APIError:
                # An engine that keeps images in containerd wants the layers' content in the archive.
                if not any("containerd" in str(value) for _, value in self._client.info()["DriverStatus"]):
                    raise
                self._say("this engine takes no image without its layers: committing")
            return self._commit(str(top["Id"]), config)

    def _commit(self, image: str, config: Json) -> str:
        """Commit a configuration on top of an image.

        What it leaves out shows through from the build containers: it runs as root, in `/`, without a health check.
        """
        whole = {"Entrypoint": [], "Cmd": [], **config}
        # Two images may have the same layers, and be made at the same time.
        name = sha256(image + canonical(whole))[:16]
        with self._container(name, image, entrypoint=["/bin/sh"], command=[]) as container:
            return str(container.commit(conf=whole).id)

    def import_root(self, tarball: Path) -> str:
        """Import a root file system from a tar file on the mother, and return the image's id.

        Raises:
            BuildError: The file can't be read, or is no archive of a root file system.

        """
        with engine_errors(self._host, f"importing {tarball}", BuildError), tarball.open("rb") as file:
            answer = self._client.api.import_image_from_data(file, changes=[BASE_COMMAND])
        return str(json.loads(answer.splitlines()[-1])["status"])

    def clear_leftovers(self) -> None:
        """Remove the build containers that a killed run left behind. Only one run at a time holds the stage."""
        with engine_errors(self._host, "removing left-over build containers", BuildError):
            for container in self._client.containers.list(
                all=True, filters={"name": f"^/?{re.escape(f'{BUILD_PREFIX}.{self._owner}.')}"}
            ):
                container.remove(force=True, v=True)
        for mark in leftovers(self._marks):
            mark.unlink(missing_ok=True)


def leftovers(marks: Path) -> list[Path]:
    """Return the marks of build containers that were not removed: those at work, or a killed run's."""
    return sorted(marks.iterdir()) if marks.is_dir() else []


def failed_tag(owner: str, image: str) -> str:
    """Return the tag of what is kept of an image's last failed build."""
    return f"{sha256(owner)[:12]}.{image}"


def split_reference(reference: str) -> tuple[str, str]:
    """Return a reference's name and its tag or digest."""
    if "@" in reference:
        name, _, digest = reference.partition("@")
        return name, digest
    head, _, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return (f"{head}/{name}" if head else name), tag or "latest"
