"""Phase 3: container images, built on the repository host and kept in the site's registry under their keys."""

import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from model import site as types
from model.definition import definition
from model.digest import Entry, Inputs, flatten, read_tree, sha256, tree_inputs
from model.dockerignore import counted
from model.errors import BuildError, CommandError, SkepError
from model.record import ImageRecord
from model.stage import Host, role_uses, scalar
from model.units import age, seconds
from remote.bases import debootstrap_script
from remote.dockerfile import build_command, context_archive
from remote.spec import image_config
from tasks.run import Run, Say
from tasks.step import Step, Work

if TYPE_CHECKING:
    from remote.images import Builder

PHASE = "build_images"
DOC = "build container images, one layer a role, found again by their keys"
DEBOOTSTRAP_TIMEOUT = 1800
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
    left = any(_marks(run).glob("*"))
    for resource in resources(run):
        yield _step(run, resource, after, left)


def resources(run: Run) -> "list[Resource]":
    """Return the bases of the stage's images, by name, then the images."""
    images = [_image_of(run, name, image) for name, image in run.stage.images.items()]
    bases = {image.base.name: image.base for image in images if isinstance(image, BuiltImage)}
    return [*(bases[name] for name in sorted(bases)), *images]


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
        needs=(f"{PHASE}:{resource.base.name}",) if isinstance(resource, BuiltImage) else (),
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
            said = run.connection(repository).run(f"df -Pk {' '.join(_DISKS)} 2>/dev/null", check=False)
        except SkepError:
            raise error from None
        full = [line.split()[5] for line in said.splitlines()[1:] if int(line.split()[3]) < _FULL]
        if not full:
            raise
        raise BuildError(
            f"{error}\n    the disk under {', '.join(dict.fromkeys(full))} on {repository.name} is full: "
            f"make room there (ssh -F {run.ssh_files.config} {repository.short}), then run doit again"
        ) from error


def _real(run: Run, repository: str, left: bool, key: str) -> str | None:  # noqa: FBT001 - bound by `partial`
    """Ask the live look for an image in the registry."""
    if left:
        return "a run that was killed may have left build containers behind"
    return run.probe.image(repository, key)


class BaseImage:
    """A base image: pulled, or made as `[bases]` says, then kept in the site's registry.

    Args:
        run: The run.
        reference: As images name it in `from`.

    """

    def __init__(self, run: Run, reference: str) -> None:
        """Find out what `[bases]` says of it."""
        self._run = run
        self.reference = reference
        self.base = run.stage.site.bases.get(reference, types.Base())
        readable = "".join(c if c.isalnum() or c in "._-" else "-" for c in reference.lower()).strip("-._")
        self.name = f"base.{readable}"
        self.repository = f"base/{readable}"
        self.doc = f"base image {reference}"

    def inputs(self) -> Inputs:
        """Return what the base is made from."""
        inputs = {"reference": self.reference, **flatten("base", definition(self.base))}
        if self.base.tarball is not None:
            inputs["tarball"] = f"file {_file_digest(self._run, self.base.tarball)}"
        return inputs

    def ensure(self, work: Work) -> ImageRecord:
        """Find the base in the registry by its key, else make it and push it there."""
        builder = builder_for(self._run, work.say)
        found = builder.find(self.repository, work.key)
        if found is not None:
            work.say(f"found {found}")
            return ImageRecord(reference=found)
        return _pushed(self._run, builder, self._make(work), self.repository, work.key)

    def _make(self, work: Work) -> str:
        """Return the id or tag of the base on the repository host's engine."""
        run, base = self._run, self.base
        builder = builder_for(run, work.say)
        if base.debootstrap is not None:
            tag = f"skep/base:{work.key}"
            script = debootstrap_script(base.debootstrap, base.mirror, base.include, tag)
            connection = run.connection(run.stage.repository)
            connection.script(
                script, timeout=DEBOOTSTRAP_TIMEOUT, say=work.say, shown=f"debootstrap {base.debootstrap}"
            )
            return tag
        if base.tarball is not None:
            return builder.import_root(run.directory / base.tarball)
        wanted = base.image or self.reference
        try:
            return builder.pull(wanted)
        except BuildError as error:
            way_out = (
                f"\n    where {wanted} can't be pulled, say how it is made in site.toml:"
                f'\n    [bases."{self.reference}"]\n    debootstrap = "bookworm"'
            )
            raise BuildError(f"{error}{way_out}") from error


class DockerfileImage:
    """What a Dockerfile makes, as the base of an image that says `build`.

    Args:
        run: The run.
        name: The image's name.
        image: Its definition.

    """

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
        builder = builder_for(run, work.say)
        found = builder.find(self.repository, work.key)
        if found is not None:
            work.say(f"found {found}")
            return ImageRecord(reference=found)
        tag = f"skep/dockerfile:{work.key}"
        try:
            run.connection(repository).run(
                build_command(tag, anew=self._image.max_age is not None),
                stdin=context_archive(self._context),
                timeout=seconds(self._image.timeout),
                say=work.say,
                shown=f"docker build {self._image.build}",
            )
        except CommandError as error:
            raise BuildError(str(error)) from error
        return _pushed(self._run, builder, tag, self.repository, work.key)


class PulledImage:
    """An image that this stage does not build, but pulls from elsewhere into the site's registry.

    Args:
        run: The run.
        name: Its name.
        reference: Where it is pulled from.

    """

    def __init__(self, run: Run, name: str, reference: str) -> None:
        """Name it."""
        self._run, self._reference = run, reference
        self.name = self.repository = name
        self.doc = f"image {name} from {reference}"

    def inputs(self) -> Inputs:
        """Return where it comes from."""
        return {"pull_from": self._reference}

    def ensure(self, work: Work) -> ImageRecord:
        """Find it in the registry by its key, else pull it and push it there."""
        builder = builder_for(self._run, work.say)
        found = builder.find(self.repository, work.key)
        if found is not None:
            work.say(f"found {found}")
            return ImageRecord(reference=found)
        image = builder.pull(self._reference)
        return _pushed(self._run, builder, image, self.repository, work.key)


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

    @cached_property
    def _trees(self) -> dict[str, tuple[Entry, ...]]:
        """The files of each role, read once: what is hashed is what is built."""
        return {use.role: read_tree(self._run.roles / use.role) for use in role_uses(self.image.roles)}

    def inputs(self) -> Inputs:
        """Return what the image is made from: its base, its roles with their variables, its configuration."""
        record = self._run.record(f"{PHASE}:{self.base.name}", ImageRecord)
        inputs = {"base": record.reference.rpartition("@")[2], **flatten("config", image_config(self.image))}
        inputs |= flatten("labels", dict(self.image.labels))
        for i, use in enumerate(role_uses(self.image.roles)):
            inputs |= {f"roles[{i}]": use.role, **flatten(f"roles[{i}].vars", self._variables(use))}
        for role, entries in self._trees.items():
            inputs |= tree_inputs(f"roles/{role}", entries)
        if self.image.roles:
            inputs |= {f"secrets.{name}": text for name, text in self._fingerprints().items()}
            inputs |= flatten("privileged", self.image.privileged) if self.image.privileged else {}
            inputs |= flatten("standalone", self.image.standalone) if self.image.standalone else {}
        return {**inputs, **_period(self.image)}

    def _fingerprints(self) -> dict[str, str]:
        """Return the keyed digests of the secrets that its roles see."""
        return {name: self._run.secret(name).fingerprint(self._run.pepper) for name in self.image.secrets}

    def _variables(self, use: types.RoleUse) -> dict[str, str]:
        """Return the variables that one use of a role sees."""
        return {name: scalar(value) for name, value in {**self.image.vars, **use.vars}.items()}

    def ensure(self, work: Work) -> ImageRecord:
        """Find the image in the registry by its key, else build it and push it there."""
        run = self._run
        builder = builder_for(run, work.say)
        found = builder.find(self.name, work.key)
        if found is not None:
            work.say(f"found {found}")
            return ImageRecord(reference=found)
        from remote.layers import Layer

        layers = [
            Layer(
                use.role,
                self._trees[use.role],
                self._variables(use),
                seconds(self.image.timeout),
                secrets={name: run.secret(name) for name in self.image.secrets},
                fingerprints=self._fingerprints(),
                privileged=self.image.privileged,
                standalone=self.image.standalone,
                period=_period(self.image).get(PERIOD, ""),
            )
            for use in role_uses(self.image.roles)
        ]
        base = run.record(f"{PHASE}:{self.base.name}", ImageRecord)
        # Not its key, which is its tag: what is made of something else but comes out the same shall be the same.
        labels = {**self.image.labels, **run.stage.labels, "skep.name": self.name}
        image = builder.build(base.reference, layers, image_config(self.image), labels)
        return _pushed(self._run, builder, image, self.name, work.key)


Resource = BaseImage | DockerfileImage | BuiltImage | PulledImage


def _period(image: types.Image) -> Inputs:
    """Return the time since which an image is young enough; nothing if it may be of any age.

    Equal for all who ask within one period, whoever built the image, so that it is found again by its key.
    """
    if image.max_age is None:
        return {}
    length = age(image.max_age)
    since = time.time() // length * length
    return {PERIOD: time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(since))}


def builder_for(run: Run, say: Say, *, clear: bool = True) -> "Builder":
    """Return a builder on the repository host; the first of a run clears what a killed one left behind."""
    from remote.images import Builder, Registry

    repository: Host = run.stage.repository
    registry = Registry(run.stage.registry, "skep", run.vault.stage.registry_password.reveal())
    owner = f"{run.stage.site_name}.{run.stage.name}"
    builder = Builder(run.engine(repository), repository.short, registry, owner, run.lock, _marks(run), say)
    if clear:
        run.once("clear build containers", builder.clear_leftovers)
    return builder


def _pushed(run: Run, builder: "Builder", image: str, repository: str, key: str) -> ImageRecord:
    """Push an image, and return its record."""
    run.pushed = True
    return ImageRecord(reference=builder.push(image, repository, key))


def failed_build(run: Run, name: str) -> str | None:
    """Return the local image on the repository host that holds what an image's failed build left, or None.

    Raises:
        SkepError: The host or its engine does not answer.

    """
    return builder_for(run, lambda _line: None, clear=False).failed(name)


def _marks(run: Run) -> Path:
    """Return where there is a file for each build container that may be there."""
    return run.state.root / "building"


def _file_digest(run: Run, name: str) -> str:
    """Return the digest of a file of the site."""
    return sha256((run.directory / name).read_bytes())
