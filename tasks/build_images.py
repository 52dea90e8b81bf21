"""Phase 3: container images, built on the repository host and kept in the site's registry under their keys."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from model import site as types
from model.errors import BuildError, CommandError, SkepError
from model.images import bases
from model.images.dockerignore import counted
from model.keys.digest import Entry, Inputs, flatten, read_tree, tree_inputs
from model.keys.record import ImageRecord
from model.labels import NAME_LABEL
from model.stage import role_uses
from remote.images.dockerfile import build_command, context_archive
from remote.swarm.spec import image_config
from tasks.images.ansible_inventory import SiteInventory, image_host, play, seen
from tasks.images.bases import BaseImage
from tasks.images.builder import builder_for, marks, pushed
from tasks.images.roles import Role
from tasks.names import base_task
from tasks.run.context import Run
from tasks.step import Step, Work

if TYPE_CHECKING:
    from remote.images.layers import Layer

PHASE = "build_images"
DOC = "build container images, one layer a role, found again by their keys"
_DISKS = ("/var/lib/docker", "/var/lib/docker-registry", "/var/tmp")  # noqa: S108 - where builds write
PERIOD = "max_age.since"
_FULL = 1024
"""KiB below which a disk is what a build failed on."""


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each base and each image that the stage's services use."""
    repository = run.stage.repository
    # Everything is built on the repository host: its engine and registry must be there, and nothing else.
    after = (
        f"setup_hosts:{repository.short}.docker",
        f"setup_hosts:{repository.short}.registry",
        f"setup_hosts:{repository.short}.trust",
        f"setup_hosts:{repository.short}.build_tools",
        f"setup_hosts:{repository.short}.vault",
    )
    # Asked before anything is built: later they are this run's own.
    left = any(marks(run).glob("*"))
    for resource in resources(run):
        if isinstance(resource, BaseImage) and resource.upstream is not None:
            yield resource.upstream.step(after)
        yield _step(run, resource, after, left)


def resources(run: Run) -> "list[Resource]":
    """Return what the registry is to hold: the bases, by name, what Dockerfiles make, then the images."""
    images = [_image_of(run, name, image) for name, image in run.stage.images.items()]
    dockerfiles = [
        image.base
        for image in images
        if isinstance(image, BuiltImage) and isinstance(image.base, DockerfileImage)
    ]
    return [*(BaseImage(run, name) for name in bases.names(run.stage)), *dockerfiles, *images]


def _image_of(run: Run, name: str, image: types.Image) -> "BuiltImage | PulledImage":
    """Return how an image is had in this stage."""
    if image.pull_from is not None and run.stage.name in image.pull_on:
        return PulledImage(run, name, image.pull_from)
    return BuiltImage(run, name, image)


def _step(
    run: Run,
    resource: "Resource",
    after: tuple[str, ...],
    left: bool,  # noqa: FBT001
) -> Step:
    """Return the step of a base or an image."""
    return Step(
        PHASE,
        resource.name,
        partial(_with_disk_checked, run, resource.ensure),
        resource.inputs,
        real=partial(_real, run, resource.repository, left),
        needs=resource.needs,
        after=after,
        host=run.stage.repository.short,
        doc=resource.doc,
    )


def _with_disk_checked(run: Run, ensure: Callable[[Work], ImageRecord], work: Work) -> ImageRecord:
    """Make an image; if that fails on a full disk, which engine and registry don't always say, say so."""
    try:
        return ensure(work)
    except (BuildError, CommandError) as error:
        repository = run.stage.repository
        try:
            said = run.connections.to(repository).run(f"df -Pk {' '.join(_DISKS)} 2>/dev/null", check=False)
        except SkepError:
            raise error from None
        full = [line.split()[5] for line in said.splitlines()[1:] if int(line.split()[3]) < _FULL]
        if not full:
            raise
        raise BuildError(
            f"{error}\n    the disk under {', '.join(dict.fromkeys(full))} on {repository.name} is full: "
            f"make room there (ssh -F {run.connections.files.config} {repository.short}), then run doit again"
        ) from error


def _real(run: Run, repository: str, left: bool, key: str) -> str | None:  # noqa: FBT001 - bound by `partial`
    """Ask the live look for an image in the registry."""
    if left:
        return "a run that was killed may have left build containers behind"
    return run.live_state.image(repository, key)


class DockerfileImage:
    """What a Dockerfile makes, as the base of an image that says `build`.

    Args:
        run: The run.
        name: The image's name.
        image: Its definition.

    """

    needs: tuple[str, ...] = ()

    def __init__(self, run: Run, name: str, image: types.Image) -> None:
        """Name it; its context is read when it is asked for."""
        self._run, self._image = run, image
        self.name = f"dockerfile.{name}"
        self.repository = f"dockerfile/{name}"
        self.doc = f"Dockerfile in {image.build}"

    @cached_property
    def _context(self) -> tuple[Entry, ...]:
        """What the build sees, read once."""
        return counted(read_tree(self._run.directory / str(self._image.build)))

    def inputs(self) -> Inputs:
        """Return what it is made from."""
        return {**tree_inputs(str(self._image.build), self._context), **_period(self._image)}

    def ensure(self, work: Work) -> ImageRecord:
        """Find it in the registry by its key, else build it and push it there."""
        run, repository = self._run, self._run.stage.repository
        builder = builder_for(run, work.log)
        found = builder.find(self.repository, work.key)
        if found is not None:
            work.log(f"found {found}")
            return ImageRecord(reference=found)
        tag = f"skep/dockerfile:{work.key}"
        try:
            run.connections.to(repository).run(
                build_command(tag, anew=self._image.max_age is not None),
                stdin=context_archive(self._context),
                timeout=self._image.timeout,
                log=work.log,
                label=f"docker build {self._image.build}",
            )
        except CommandError as error:
            raise BuildError(str(error)) from error
        return pushed(self._run, builder, tag, self.repository, work.key)


class PulledImage:
    """An image that this stage does not build, but has from elsewhere: a base, kept under the image's own name.

    Args:
        run: The run.
        name: Its name.
        reference: Where it is pulled from.

    """

    def __init__(self, run: Run, name: str, reference: str) -> None:
        """Name it."""
        self._run = run
        self.name = self.repository = name
        self.needs = (base_task(reference),)
        self.doc = f"image {name} from {reference}"

    def inputs(self) -> Inputs:
        """Return what it is."""
        record = self._run.state.record(self.needs[0], ImageRecord)
        return {"base": record.reference.rpartition("@")[2]}

    def ensure(self, work: Work) -> ImageRecord:
        """Find it in the registry by its key, else copy it there."""
        builder = builder_for(self._run, work.log)
        found = builder.find(self.repository, work.key)
        if found is not None:
            work.log(f"found {found}")
            return ImageRecord(reference=found)
        image = builder.pull(self._run.state.record(self.needs[0], ImageRecord).reference)
        return pushed(self._run, builder, image, self.repository, work.key)


class BuiltImage:
    """An image of `[images]`.

    Args:
        run: The run.
        name: Its name.
        image: Its definition.

    """

    def __init__(self, run: Run, name: str, image: types.Image) -> None:
        """Keep the definition; roles are read when they are asked for."""
        self._run, self.image = run, image
        self.name = self.repository = name
        self.doc = f"image {name}"
        self.base = DockerfileImage(run, name, image) if image.from_ is None else BaseImage(run, image.from_)
        self.needs = (f"{PHASE}:{self.base.name}",)

    @cached_property
    def _roles(self) -> list[Role]:
        """The roles in order, each read once: what is hashed is what is built."""
        return [Role(self._run, use.role, use.vars, self.image.vars) for use in role_uses(self.image.roles)]

    def _seen(self, role: Role) -> SiteInventory:
        """Return what a role of Ansible sees of the site."""
        return seen(self._run, image_host(self.name), role)

    def inputs(self) -> Inputs:
        """Return what the image is made from: its base, its roles with their variables, its configuration."""
        record = self._run.state.record(self.needs[0], ImageRecord)
        inputs = {"base": record.reference.rpartition("@")[2], **flatten("config", image_config(self.image))}
        inputs |= flatten("labels", dict(self.image.labels))
        for i, role in enumerate(self._roles):
            inputs |= {f"roles[{i}]": role.name, **role.variable_inputs(f"roles[{i}].vars")}
            inputs |= role.inputs()
            inputs |= self._seen(role).inputs() if role.is_ansible else {}
        if self.image.roles:
            inputs |= {f"secrets.{name}": text for name, text in self._fingerprints().items()}
            inputs |= flatten("privileged", self.image.privileged) if self.image.privileged else {}
            inputs |= flatten("standalone", self.image.standalone) if self.image.standalone else {}
        return {**inputs, **_period(self.image)}

    def _fingerprints(self) -> dict[str, str]:
        """Return the keyed digests of the secrets that its roles see."""
        return {
            name: self._run.secrets.read(name).fingerprint(self._run.secrets.pepper)
            for name in self.image.secrets
        }

    def ensure(self, work: Work) -> ImageRecord:
        """Find the image in the registry by its key, else build it and push it there."""
        run = self._run
        builder = builder_for(run, work.log)
        found = builder.find(self.name, work.key)
        if found is not None:
            work.log(f"found {found}")
            builder.forget_failed(self.name)
            return ImageRecord(reference=found)
        layers = [self._layer(role) for role in self._roles]
        base = run.state.record(self.needs[0], ImageRecord)
        # Not its key, which is its tag: what is made of something else but comes out the same shall be the same.
        labels = {**self.image.labels, **run.stage.labels, NAME_LABEL: self.name}
        image = builder.build(base.reference, layers, image_config(self.image), labels)
        return pushed(self._run, builder, image, self.name, work.key)

    def _layer(self, role: Role) -> "Layer":
        """Return a role, ready to be applied."""
        from remote.images.layers import Layer

        secrets = {name: self._run.secrets.read(name) for name in self.image.secrets}
        layer = Layer(
            role.name,
            () if role.is_ansible else role.entries(),
            {} if role.is_ansible else role.variables,
            self.image.timeout,
            secrets=secrets,
            fingerprints=self._fingerprints(),
            privileged=self.image.privileged,
            standalone=self.image.standalone,
            period=_period(self.image).get(PERIOD, ""),
        )
        return (
            replace(layer, play=play(self._run, role, self._seen(role), secrets))
            if role.is_ansible
            else layer
        )


Resource = BaseImage | DockerfileImage | BuiltImage | PulledImage


def _period(image: types.Image) -> Inputs:
    """Return the time since which an image is young enough; nothing if it may be of any age.

    Equal for all who ask within one period, whoever built the image, so that it is found again by its key.
    """
    if image.max_age is None:
        return {}
    since = time.time() // image.max_age * image.max_age
    return {PERIOD: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(since))}


def failed_build(run: Run, name: str) -> str | None:
    """Return the local image on the repository host that holds what an image's failed build left, or None.

    Raises:
        SkepError: The host or its engine does not answer.

    """
    return builder_for(run, lambda _line: None, clear=False).failed(name)
