"""Building images on the repository host's engine.

An image is a base, then one committed layer per role, then its configuration. Each layer is tagged with its key,
`skep/layer:<key>`, where `key(i) = H(key(i-1), role i)` and `key(0) = H(base)`: a changed role makes anew only its own
layer and those after it, and images with the same first roles share them. The finished image is pushed to the
registry with its key as the tag; services run it by digest.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

import requests
from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from model.errors import BuildError
from model.json_types import Json
from model.keys.digest import canonical, sha256
from model.labels import NAME_LABEL
from model.log import Log
from model.reasons import reason_of
from remote.engine.attached import remove_unstarted
from remote.engine.client import engine_errors
from remote.images import run_layer
from remote.images.archive import Archive
from remote.images.bases import BASE_COMMAND
from remote.images.build_marks import marked_host
from remote.images.early_push import EarlyPushes
from remote.images.file_layers import Looks, Surroundings
from remote.images.image_config import ComposedImage, compose, image_archive, merged_config
from remote.images.layers import Layer, as_script, container_options
from remote.images.push_locks import Mutex
from remote.images.registry import RegistryClient, SiteRegistry
from remote.images.registry_storage import LOCAL_BASES
from remote.playbook import play as playbook

LAYERS = "skep/layer"
FAILED = "skep/failed"
BUILD_PREFIX = "skep-build"
KeyedLayer = tuple[Layer, str]
"""A layer and its key."""
_CONFLICT = 409
"""The engine's answer where a container uses an image."""
OLD = 24 * 3600.0
"""Seconds after which a build container that another checkout made is nobody's any more."""


class Builder:
    """Builds on one engine. Thread-safe, given locks that are shared by all builders of the engine.

    Args:
        client: The repository host's engine.
        host: Its name, for messages.
        registry: The site's registry.
        owner: A text of the site's and stage's own, in the names of build containers.
        lock: Returns the lock of a name: one layer is built only once.
        marks: A directory on the mother with a file for each build container of this checkout that may be there, which
            has its host's name.
        log: Takes a line for the log.

    """

    def __init__(
        self,
        client: DockerClient,
        host: str,
        registry: SiteRegistry,
        owner: str,
        lock: Callable[[str], Mutex],
        marks: Path,
        log: Log,
    ) -> None:
        self._client, self._host = client, host
        self._owner, self._lock, self._marks = owner, lock, marks
        self._log = log
        self.registry = RegistryClient(client, host, registry, lock, log)
        """Finds, pushes and pulls images by the same engine."""
        self._early = EarlyPushes(client, host, registry, lock, log)

    # -- layers --------------------------------------------------------------------------------------------------

    def build(self, base: str, roles: Sequence[Layer], config: Json, labels: Mapping[str, str]) -> str:
        """Return the id of an image made of a base, layers and a configuration; build the layers that are missing.

        Args:
            base: The base's reference with digest.
            roles: Their layers, in order.
            config: The image's own configuration over the base's, as Docker's API takes it.
            labels: The image's labels; `skep.name` is its name.

        Raises:
            BuildError: A role's script failed, or the engine refused.

        """
        name = labels[NAME_LABEL]
        # By its digest alone: the same base in the registry of another stage has the same layers on top of it.
        keys = [sha256(base.rpartition("@")[2])]
        for layer in roles:
            keys.append(layer.key(keys[-1]))
        with engine_errors(self._host, f"looking at the base {base}", BuildError):
            first = self._inspect(self.registry.pull(base))
        with self._early.abandoned_on_error():
            top, files = self._layers(first, [*zip(roles, keys[1:], strict=True)], name)
            config = merged_config(first["Config"] or {}, config, labels)
            image = self._with_files(top, files, name, config) if files else self._with_config(top, config)
            self.forget_failed(name)
        return image

    def push(self, image: str, repository: str, key: str) -> str:
        """Push an image under a key, and return its reference with digest.

        Raises:
            BuildError: The registry or the engine refused.

        """
        with self._early.abandoned_on_error():
            reference = self.registry.push(image, repository, key)
        self._early.end()
        return reference

    def _layers(self, top: Json, layers: Sequence[KeyedLayer], name: str) -> tuple[Json, list[KeyedLayer]]:
        """Have an image's layers; return the top one, and the layers of files that come on top of that."""
        files: list[KeyedLayer] = []
        for layer, key in layers:
            if layer.is_files and (files or not self._has_layer(key)):
                files.append((layer, key))
                continue
            if files:
                with engine_errors(self._host, "looking at layers of files", BuildError):
                    top = self._inspect(self._with_files(top, files, name))
                files = []
            # Two images with the same first roles, built at the same time, build them once.
            with self._lock(f"layer {key}"):
                found = self._layer(top, layer, key, name, is_last=key == layers[-1][1])
            # A role that changed nothing has added no layer: it leaves the image as it was.
            top = found if found["RootFS"]["Layers"] != top["RootFS"]["Layers"] else top
        return top, files

    def forget_failed(self, name: str) -> None:
        """Remove the failed build of an image, now that there is a good one; while a shell is open there, it stays."""
        reference = f"{FAILED}:{failed_tag(self._owner, name)}"
        with engine_errors(self._host, "removing a failed build", BuildError), suppress(NotFound):
            self._client.images.get(reference)
            remove_unstarted(self._client, reference)
            try:
                self._client.images.remove(reference)
            except APIError as error:
                if error.status_code != _CONFLICT:
                    raise
                self._log(f"{reference} stays until the next build: {reason_of(error)}")

    def _inspect(self, image: str) -> Json:
        """Return an image's attributes."""
        attrs: Json = self._client.images.get(image).attrs
        return attrs

    def _has_layer(self, key: str) -> bool:
        """Return whether the engine has a layer."""
        with engine_errors(self._host, f"looking for layer {key[:12]}", BuildError):
            try:
                self._inspect(f"{LAYERS}:{key}")
            except ImageNotFound:
                return False
        return True

    def _layer(self, parent: Json, layer: Layer, key: str, name: str, *, is_last: bool) -> Json:
        """Return a layer: found by its key, else built for the image of this name."""
        with engine_errors(self._host, f"role {layer.role}", BuildError):
            try:
                self._note_use(key)
                found = self._inspect(f"{LAYERS}:{key}")
            except ImageNotFound:
                self._log(f"role {layer.role}: building layer {key[:12]}")
                return self._build_layer(parent, layer, key, name, is_last=is_last)
        self._log(f"role {layer.role}: layer {key[:12]} is there")
        return found

    def _note_use(self, key: str) -> None:
        """Have the engine note that a layer is used now: it may be older than the hour for which layers are kept.

        Its own time says nothing: that of a layer of files is its base's. Naming it again sets `LastTagTime`.
        """
        self._client.api.tag(f"{LAYERS}:{key}", LAYERS, key, force=True)

    def _build_layer(self, parent: Json, layer: Layer, key: str, name: str, *, is_last: bool) -> Json:
        """Run a role in a fresh container and commit it; push it at once if others come on top of it."""
        if layer.play is not None:
            playbook.prepare()
        with self._container(key[:16], str(parent["Id"]), **container_options(layer)) as container:
            try:
                run_layer.run_layer(container, layer, self._host, self._log)
            except run_layer.RoleError as error:
                kept = self._keep_failed(container, layer, name) if error.is_clean else ""
                raise BuildError(f"{error}{kept}") from error
            try:
                self._inspect(f"{LAYERS}:{key}")
            except ImageNotFound:
                container.commit(repository=LAYERS, tag=key)
            else:
                # Two of a kind would make two images of one key. That still happens if the other one comes while this
                # one commits, which is rare.
                self._log(f"role {layer.role}: another checkout has made the layer meanwhile, which is taken")
            found = self._inspect(f"{LAYERS}:{key}")
            if not is_last:
                self._early.begin(found, parent, key)
        return found

    def _with_files(
        self, top: Json, files: Sequence[KeyedLayer], name: str, config: Json | None = None
    ) -> str:
        """Return the id of an image with layers of files on top of another's; with a configuration if one is given."""
        roles = ", ".join(layer.role for layer, _ in files)
        with engine_errors(self._host, f"role {roles}", BuildError):
            images, archives = self._files(top, files)
            if config is not None:
                images.append(compose(top, config, images[-1].layers[len(top["RootFS"]["Layers"]) :]))
            if self._load(images, archives):
                for _, key in files:
                    self._note_use(key)
                self._log(f"role {roles}: {len(archives)} layers of files loaded")
                return images[-1].id
        for layer, key in files:
            top = self._layer(top, as_script(layer), key, name, is_last=True)
        return str(top["Id"]) if config is None else self._with_config(top, config)

    def _files(
        self, top: Json, files: Sequence[KeyedLayer]
    ) -> tuple[list[ComposedImage], dict[str, Archive]]:
        """Return the images of layers of files, and those layers by their digests."""
        images: list[ComposedImage] = []
        archives: dict[str, Archive] = {}
        digests: list[str] = []
        inherited = merged_config(top["Config"] or {}, {}, {})
        name, image = files[-1][1][:16], str(top["Id"])
        container = partial(self._container, name, image, entrypoint=["/bin/sh"], command=[])
        # Another image on the same one waits, and has less to look for.
        with self._lock(f"looking into {image}"), Looks(self._client).at(image, container) as look:
            around = Surroundings(look)
            for layer, key in files:
                # Of no files there is no layer.
                if archive := around.archive(f"roles/{layer.role}", layer.entries):
                    digests.append(f"sha256:{archive.measured()[1]}")
                    archives[digests[-1]] = archive
                images.append(compose(top, inherited, digests, f"{LAYERS}:{key}"))
        return images, archives

    def _keep_failed(self, container: Any, layer: Layer, name: str) -> str:
        """Keep a container as it is after its role failed, and return the line that says how to look into it.

        As an image and not as the container: it is no left-over of a killed run, and can be looked into many times.
        """
        try:
            run_layer.forget_secrets(container, layer)
            container.commit(repository=FAILED, tag=failed_tag(self._owner, name))
        except (DockerException, requests.RequestException, OSError) as error:
            self._log(f"the failed container can't be kept: {reason_of(error)}")
            return ""
        return f"\n    doit shell_image:{name} opens a shell there"

    def failed(self, name: str) -> str | None:
        """Return the local reference of an image's failed build, or None."""
        reference = f"{FAILED}:{failed_tag(self._owner, name)}"
        with engine_errors(self._host, f"looking for a failed build of {name}", BuildError):
            try:
                self._client.images.get(reference)
            except ImageNotFound:
                return None
        return reference

    @contextmanager
    def _container(self, name: str, image: str, **options: Any) -> Iterator[Any]:
        """Create a container of this checkout's own and remove it; until then there is a mark of it on the mother."""
        self._marks.mkdir(parents=True, exist_ok=True)
        # Another checkout may build the same at the same time.
        name = f"{name}.{token_hex(4)}"
        mark = self._marks / name
        mark.write_text(self._host)
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

    def _with_config(self, top: Json, config: Json) -> str:
        """Return the id of an image with the layers of another and a configuration."""
        wanted = compose(top, config)
        with engine_errors(self._host, "setting the image's configuration", BuildError):
            if self._load([wanted], {}):
                return str(self._client.images.get(wanted.id).id)
            self._log("this engine takes no image without its layers: committing")
            return self._commit(str(top["Id"]), config)

    def _load(self, images: Sequence[ComposedImage], layers: Mapping[str, Archive]) -> bool:
        """Load images; return whether the engine takes them without the layers that it has."""
        archive = image_archive(images, layers)
        try:
            list(self._client.api.load_image(archive if layers else b"".join(archive), quiet=True))
        except APIError:
            # An engine that keeps images in containerd wants the layers' content in the archive.
            if not any("containerd" in str(value) for _, value in self._client.info()["DriverStatus"]):
                raise
            return False
        return True

    def _commit(self, image: str, config: Json) -> str:
        """Commit a configuration on top of an image.

        Where it has no value the build container's shows through: user root, directory `/`, no health check.
        """
        complete = {"Entrypoint": [], "Cmd": [], **config}
        # Two images may have the same layers, and be made at the same time.
        name = sha256(image + canonical(complete))[:16]
        with self._container(name, image, entrypoint=["/bin/sh"], command=[]) as container:
            return str(container.commit(conf=complete).id)

    def import_root(self, tarball: Path, key: str) -> str:
        """Import a root file system from a tar file on the mother as the base of a key, and return the image's id.

        It has a name at once, by which `doit prune` finds it if the run is killed before it is pushed.

        Raises:
            BuildError: The file can't be read, or is no archive of a root file system.

        """
        with engine_errors(self._host, f"importing {tarball}", BuildError), tarball.open("rb") as file:
            answer = self._client.api.import_image_from_data(
                file, repository=LOCAL_BASES[0], tag=key, changes=[BASE_COMMAND]
            )
        return str(json.loads(answer.splitlines()[-1])["status"])

    def clear_leftovers(self) -> None:
        """Remove the build containers that a killed run left on this host, and their marks.

        Only one run at a time holds a checkout's stage.

        Those of other checkouts may be at work: only one that is older than any build goes, as that of a clone which is
        gone.
        """
        prefix = f"{BUILD_PREFIX}.{self._owner}."
        with engine_errors(self._host, "removing left-over build containers", BuildError):
            # The engine may be about to remove one that a killed run asked it to: it is looked at no more then.
            for container in self._client.containers.list(
                all=True, filters={"name": f"^/?{re.escape(prefix)}"}, ignore_removed=True
            ):
                is_own = (self._marks / container.name.removeprefix(prefix)).exists()
                if is_own or _age(container.attrs["Created"]) > OLD:
                    self._remove(container)
        for mark in self._marks.glob("*"):
            if marked_host(mark, self._host) == self._host:
                mark.unlink(missing_ok=True)

    @staticmethod
    def _remove(container: Any) -> None:
        """Remove a container, unless that was the last thing the killed run asked for and the engine is about to."""
        with suppress(NotFound):
            try:
                container.remove(force=True, v=True)
            except APIError as error:
                if error.status_code != _CONFLICT or "already in progress" not in str(error.explanation):
                    raise


def _age(created: str) -> float:
    """Return the seconds since a time as the engine writes it, `2026-11-29T11:03:31.123456789Z`."""
    # To the second: the clock of the engine's host is another one in any case.
    then = datetime.fromisoformat(f"{created[:19]}+00:00")
    return (datetime.now(UTC) - then).total_seconds()


def failed_tag(owner: str, image: str) -> str:
    """Return the tag of an image's last failed build."""
    return f"{sha256(owner)[:12]}.{image}"
