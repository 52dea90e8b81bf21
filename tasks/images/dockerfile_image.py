"""The image that a Dockerfile builds, as the base of an image that says `build`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from model import site as types
from model.errors import BuildError, CommandError
from model.images import bases
from model.images.build_context import arguments, ignored, read_context, text_of
from model.images.dockerignore import DOCKERFILE
from model.images.instructions import SCRATCH, Dockerfile, ImageUse, read_dockerfile, rewritten
from model.keys.digest import Inputs, flatten
from model.keys.record import ImageRecord
from model.keys.tree import Entry, tree_inputs
from model.secrets.secret import Secret
from remote.hostsetup.packages import script, whole_script
from remote.images.archive import Archive
from remote.images.dockerfile import DockerBuild, build_input
from tasks.images.left_out import with_left_out
from tasks.images.registry_image import RegistryImage
from tasks.names import own_image_task
from tasks.run.context import Run
from tasks.step import Work

if TYPE_CHECKING:
    from remote.images.builder import Builder

CLIENT_TIMEOUT = 1800
PERIOD = "max_age.since"
_OUTSIDE = ".skep.Dockerfile"
"""Where a Dockerfile that lies outside of its context is put."""


class DockerfileImage(RegistryImage):
    """The image of a Dockerfile, as the base of an image that says `build`.

    Args:
        run: The run.
        name: The image's name.
        image: Its definition.
        build: How it is built.
        of_site: Returns an image or base of the site by its name.

    """

    def __init__(
        self,
        run: Run,
        name: str,
        image: types.Image,
        build: types.Build,
        of_site: Callable[[str], RegistryImage],
    ) -> None:
        super().__init__(run, own_image_task(f"dockerfile.{name}"), f"dockerfile/{name}")
        self._name, self._image, self._build = name, image, build
        self.doc = f"Dockerfile in {build.context}"
        self.paths = {"build.": f"images.{name}.build.", "from.": "what the Dockerfile is built on, "}
        self._on = {each: of_site(each) for each in run.stage.site.froms.get(name, ())}
        self.needs = tuple(dict.fromkeys(each.task for each in self._on.values()))

    @cached_property
    def _context(self) -> tuple[Entry, ...]:
        """The build's context, read once."""
        return read_context(self._run.directory, self._build.context, self._build.dockerfile)

    @cached_property
    def _text(self) -> str:
        """The Dockerfile, out of the context."""
        entry = next(entry for entry in self._context if entry.path == self._build.dockerfile)
        return text_of(entry.text)

    @cached_property
    def _read(self) -> Dockerfile:
        """What the Dockerfile says."""
        return read_dockerfile(self._text, arguments(self._build))

    @property
    def may_be_absent(self) -> bool:
        """Return True: nothing but the images on it need it."""
        return True

    def inputs(self) -> Inputs:
        """Return the files of its context, how it is built, what it is built on, its secrets, and its period."""
        build = {
            key: value
            for key, value in (
                ("args", dict(self._build.args) or None),
                ("target", self._build.target),
                ("dockerfile", self._build.dockerfile if self._build.dockerfile != DOCKERFILE else None),
            )
            if value is not None
        }
        pepper = self._run.secrets.pepper if self._secrets else b""
        return {
            **tree_inputs(self._build.context, self._context),
            **(flatten("build", build) if build else {}),
            **{f"from.{name}": self._digest(each) for name, each in self._on.items()},
            **{f"secrets.{name}": secret.fingerprint(pepper) for name, secret in self._secrets.items()},
            **period(self._image),
        }

    def _digest(self, image: RegistryImage) -> str:
        """Return the digest of what it is built on."""
        return self._run.state.record(image.task, ImageRecord).reference.rpartition("@")[2]

    @property
    def _secrets(self) -> dict[str, Secret]:
        """The secrets of the image that the Dockerfile mounts."""
        return {
            name: self._run.secrets.read(name) for name in self._image.secrets if name in self._read.secrets
        }

    def make(self, builder: "Builder", work: Work) -> str:
        """Build it by `docker build`, which is installed where the host lacks it.

        The client speaks for BuildKit: the engine's API alone builds with it only in a session, by which context and
        secrets go to it over gRPC. https://docs.docker.com/build/concepts/overview/
        """
        tag = f"skep/dockerfile:{work.key}"
        uses = self._read.images(self._build.target)
        on = {name: self._have(builder, name, work) for name in self._on}
        site = self._run.stage.site
        images = {
            use.image: on[name]
            for use in uses
            if (name := bases.known_as(site, self._name, use.image)) in on and name
        }
        secrets = self._secrets
        command = DockerBuild(
            tag=tag,
            dockerfile=self._dockerfile,
            args=arguments(self._build),
            target=self._build.target,
            secrets={name: len(secret.data) for name, secret in secrets.items()},
            anew=self._image.max_age is not None,
            pulled=list(_elsewhere(uses, images)) if images else None,
        )
        connection = self._run.connections.to(self._run.stage.repository)
        install = partial(
            connection.script,
            whole_script(script("docker_client")),
            timeout=CLIENT_TIMEOUT,
            log=work.log,
            label="installing the docker command",
        )
        self._run.coordination.once("docker command", install)
        try:
            connection.run(
                command.command(),
                stdin=build_input(secrets, self._archive(images, uses)),
                timeout=self._image.timeout,
                log=work.log,
                label=f"docker build {self._build.context}",
            )
        except CommandError as error:
            directory, context = self._run.directory, self._build.context
            rules = ignored(directory, context, self._build.dockerfile)
            raise with_left_out(BuildError(str(error)), context, directory / context, rules) from error
        return tag

    def _have(self, builder: "Builder", name: str, work: Work) -> str:
        """Return the reference of what it is built on, which is then on the engine that builds."""
        reference = self._on[name].have(builder, work.inputs.get(f"from.{name}", ""), work.log)
        builder.registry.pull(reference)
        return reference

    @property
    def _dockerfile(self) -> str:
        """The Dockerfile's path in the archive."""
        outside = self._build.dockerfile.startswith("../") or self._build.dockerfile.startswith("/")
        return _OUTSIDE if outside else self._build.dockerfile

    def _archive(self, images: dict[str, str], uses: list[ImageUse]) -> Archive:
        """Return the context as an archive, in whose Dockerfile the site's images stand with their digests."""
        archive = Archive()
        for entry in self._context:
            if entry.path == self._build.dockerfile:
                text = rewritten(self._text, images, uses).encode(errors="surrogateescape")
                archive.add_entry(replace(entry, path=self._dockerfile, data=text, on_disk=None))
            else:
                archive.add_entry(entry)
        return archive


def _elsewhere(uses: list[ImageUse], images: dict[str, str]) -> Iterator[str]:
    """Yield the images that a build takes from elsewhere."""
    found = {use.image for use in uses} - images.keys() - {"", SCRATCH}
    yield from sorted(found)


def period(image: types.Image) -> Inputs:
    """Return the time since which an image is young enough; no input if it may be of any age.

    Equal for all who ask within one period, whoever built the image, so that it is found again by its key.
    """
    if image.max_age is None:
        return {}
    since = time.time() // image.max_age * image.max_age
    return {PERIOD: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(since))}
