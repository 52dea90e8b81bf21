"""The bench of `tests.doubles.image_histories` on the mother's own engine and Debian's registry on the loopback.

All that is made has this checkout's digest in its name, and is removed by that.
"""

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
from docker.errors import APIError
from docker.models.containers import Container

from model.site import Site
from model.stage import Stage
from tests import rig
from tests.doubles.engine import EngineDouble, Fault, Files, Image, Node, _unpacked, view_of
from tests.doubles.image_histories import Bench
from tests.ports import free_port

PREFIX = f"skep-test-{rig.CHECKOUT}"
SITE = rig.site_name("images")
_NOT_THE_IMAGES = (
    "dev",
    "proc",
    "sys",
    ".dockerenv",
    "etc/hosts",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/mtab",
)


@contextmanager
def registry(directory: Path, program: Path) -> Iterator[str]:
    """Run a registry; give its address."""
    address = f"127.0.0.1:{free_port()}"
    directory.mkdir(parents=True)
    (directory / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{address}'}}\n"
    )
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", directory / "config.yml"], stdout=log, stderr=log)
    try:
        host, port = address.split(":")

        def answers() -> bool:
            assert process.poll() is None, (directory / "log").read_text()
            with socket.socket() as client:
                return client.connect_ex((host, int(port))) == 0

        rig.wait_until(answers, f"the registry at {address} to answer")
        yield address
    finally:
        process.terminate()
        process.wait(rig.PATIENCE)


class RealEngine(EngineDouble):
    """A real engine whose calls are counted, noted with the roles that they run, and made to fail."""

    def __init__(self, client: docker.DockerClient) -> None:
        """Stand before a client."""
        super().__init__({})
        self.client = client
        self.images = _Passing(self, client.images, "images")  # type: ignore[assignment]
        self.api = _Passing(self, client.api, "api")  # type: ignore[assignment]
        self.containers = _Passing(self, client.containers, "containers")  # type: ignore[assignment]

    def begin(self, fault: Fault | None = None) -> None:
        """Begin a run."""
        super().begin(fault)
        self.running = {c.name: c for c in containers(self.client)}

    def forget_images(self) -> None:
        """Lose every layer."""
        for tag in tags(self.client):
            if tag.startswith(f"{PREFIX}/layer"):
                self.client.images.remove(tag)

    def result(self, name: str, args: tuple[Any, ...], options: Mapping[str, Any], found: Any) -> Any:
        """Note a call's meaning, and return its result, wrapped so that further calls come by here."""
        if name == "container.put_archive" and any(p.startswith(".skep/role") for p in _unpacked(args[1])):
            self.ran.append(view_of(_unpacked(args[1])))
        elif name == "container.commit" and options.get("repository", "").startswith(f"{PREFIX}/layer"):
            self.layered.append(options["tag"])
        elif name == "api.push":
            self.pushed.append(args[0].partition("/")[2])
            return iter(list(found))
        elif name == "api.load_image":
            return iter(list(found))
        elif name == "containers.create":
            self.running[found.name] = found
            return _Passing(self, found, "container")
        elif name == "container.remove":
            self.running = {c.name: c for c in containers(self.client)}
        elif name == "containers.list":
            return [_Passing(self, each, "container") for each in found]
        return found


class _Passing:
    """Passes calls on."""

    def __init__(self, engine: RealEngine, target: Any, kind: str) -> None:
        self._engine, self._target, self._kind = engine, target, kind

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return found

        def called(*args: Any, **options: Any) -> Any:
            def do() -> Any:
                return self._engine.result(f"{self._kind}.{name}", args, options, found(*args, **options))

            return self._engine.call(f"{self._kind}.{name}", do)

        return called


class RealBench(Bench):
    """Builds worlds on the mother's engine."""

    exact = False

    def __init__(self, directory: Path, client: docker.DockerClient, address: str) -> None:
        """Begin with an empty directory and a registry that nothing else uses."""
        self.address = address
        super().__init__(directory)
        self.client = client
        self.engine = RealEngine(client)

    def stage(self, site: Site) -> Stage:
        """Return the stage, with this registry."""
        found = _Stage(site, "private", site.stages["private"])
        found.__dict__["address"] = self.address
        return found

    def has(self, repository: str, key: str) -> bool:
        """Ask the registry."""
        try:
            self.client.images.get_registry_data(f"{self.address}/{repository}:{key}")
        except APIError:
            return False
        return True

    def image(self, name: str) -> Image:
        """Return an image's files and configuration, as the registry gives them back."""
        reference = self.reference(name)
        repository, _, digest = reference.partition("@")
        image = self.client.images.pull(repository, tag=digest)
        container = self.client.containers.create(
            image.id, ["/bin/true"], name=f"{PREFIX}-look", entrypoint=[]
        )
        try:
            data = b"".join(container.export())
        finally:
            container.remove()
        files: Files = {
            path: node if path.partition("/")[0] != "bin" else Node(node.kind, node.mode)
            for path, node in _unpacked(data).items()
            if not path.startswith(_NOT_THE_IMAGES)
        }
        return SimpleNamespace(files=files, config=image.attrs["Config"], id=digest)  # type: ignore[return-value]


class _Stage(Stage):
    """A stage whose registry is on this machine."""

    @property
    def site_name(self) -> str:
        return SITE

    @property
    def registry(self) -> str:
        return str(self.__dict__["address"])


def containers(client: docker.DockerClient) -> list[Container]:
    """Return the build containers of these tests."""
    names = f"^/?(skep-build.{SITE}|{PREFIX})"
    found = client.containers.list(all=True, filters={"name": names}, ignore_removed=True)
    return list(found)


def remove_all(client: docker.DockerClient, *addresses: str) -> None:
    """Remove all containers and images of these tests."""
    for container in containers(client):
        container.remove(force=True, v=True)
    starts = (f"{PREFIX}/", *(f"{address}/" for address in addresses))
    for name in [*tags(client), *_names(client, "RepoDigests")]:
        if name.startswith(starts):
            try:
                client.images.remove(name)
            except APIError as error:
                if error.status_code != 404:
                    raise


def tags(client: docker.DockerClient) -> list[str]:
    """Return the tags of all images of the engine, of which other tests may remove some meanwhile."""
    return _names(client, "RepoTags")


def _names(client: docker.DockerClient, kind: str) -> list[str]:
    # `client.images.list()` looks at each image once more, and fails where one has just been removed.
    return [str(name) for image in client.api.images() for name in image[kind] or ()]


def histories() -> int:
    """Return how many histories to play."""
    return int(os.environ.get("SKEP_HISTORIES", "24"))
