"""Phase 3: container images, built on the repository host and kept in the site's registry under their keys."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Self

from model import site as types
from model.errors import BuildError, SkepError
from model.images import bases
from model.keys.digest import Inputs, flatten
from model.keys.record import ImageRecord
from model.labels import NAME_LABEL, labels_of
from model.log import Log
from remote.images.layers import Layer
from remote.images.registry_storage import PUSHED_LAYERS
from remote.swarm.revisions import image_of, is_revision
from remote.swarm.spec import image_config
from tasks.cleanup.removing import each
from tasks.images.ansible_inventory import SiteInventory, asks_for_ports, image_host, inventory_for, play
from tasks.images.bases import BaseImage
from tasks.images.builder import builder_for
from tasks.images.dockerfile_image import PERIOD, DockerfileImage, period
from tasks.images.left_out import with_left_out
from tasks.images.moved_registry import MovedRegistry
from tasks.images.registry_image import RegistryImage
from tasks.images.roles import Role
from tasks.images.unfinished import unfinished
from tasks.names import PORTS_TASK, base_task, own_image_task, service_task
from tasks.phase import Orphan, Phase
from tasks.run.context import Run
from tasks.services.published_ports import leaves_ports_open
from tasks.services.rendering import renderer_of
from tasks.step import Step, Work

if TYPE_CHECKING:
    from remote.images.builder import Builder


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each base and each image that the stage's services use; before them the registry's move."""
    if run.stage.former_repository:
        yield MovedRegistry(run)
    for image in images(run):
        if isinstance(image, BaseImage) and image.upstream is not None:
            yield image.upstream
        yield image


def images(run: Run) -> list[RegistryImage]:
    """Return the images that the registry is to hold: the bases, by name, those of Dockerfiles, then the site's own."""
    own = [_image_of(run, name, image) for name, image in run.stage.images.items()]
    dockerfiles = [
        image.base
        for image in own
        if isinstance(image, BuiltImage) and isinstance(image.base, DockerfileImage)
    ]
    return [*(BaseImage(run, name) for name in bases.names(run.stage)), *dockerfiles, *own]


def _image_of(run: Run, name: str, image: types.Image) -> "BuiltImage | PulledImage":
    """Return an image of `[images]`, built or pulled as this stage wants it."""
    if (reference := image.pulled_on(run.stage.name)) is not None:
        return PulledImage(run, name, reference)
    return BuiltImage(run, name, image)


def _of_site(run: Run, own: str, name: str) -> RegistryImage:
    """Return an image of `[images]`, or a base, by the name that the Dockerfile of an image has for it."""
    image = run.stage.site.images.get(name) if name != own else None
    return BaseImage(run, name) if image is None else _image_of(run, name, image)


class PulledImage(RegistryImage):
    """An image that this stage pulls and does not build: a base, kept under the image's own name.

    Args:
        run: The run.
        name: Its name.
        reference: Where it is pulled from.

    """

    def __init__(self, run: Run, name: str, reference: str) -> None:
        super().__init__(run, own_image_task(name), name)
        self._reference = reference
        self.needs = (base_task(reference),)
        self.doc = f"image {name} from {reference}"

    def inputs(self) -> Inputs:
        """Return the digest of the base."""
        record = self._run.state.record(self.needs[0], ImageRecord)
        return {"base": record.reference.rpartition("@")[2]}

    def make(self, builder: "Builder", work: Work) -> str:
        """Pull the base."""
        base = BaseImage(self._run, self._reference)
        return builder.registry.pull(base.have(builder, work.inputs.get("base", ""), work.log))


class BuiltImage(RegistryImage):
    """An image of `[images]`.

    Args:
        run: The run.
        name: Its name.
        image: Its definition.

    """

    def __init__(self, run: Run, name: str, image: types.Image) -> None:
        super().__init__(run, own_image_task(name), name)
        self.image = image
        self.doc = f"image {name}"
        self.base = self._base(run, name, image)
        self.needs = (self.base.task,)
        if leaves_ports_open(run.stage) and any(map(asks_for_ports, self._roles)):
            self.after = (*self.after, PORTS_TASK)
        self.paths = {
            "labels": f"images.{name}.labels",
            "roles[": f"images.{name}.roles[",
            "config.": f"images.{name}: ",
        }

    @staticmethod
    def _base(run: Run, name: str, image: types.Image) -> DockerfileImage | BaseImage:
        """Return what it begins with."""
        if image.build is not None:
            return DockerfileImage(run, name, image, image.build, partial(_of_site, run, name))
        return BaseImage(run, str(image.from_))

    @cached_property
    def _roles(self) -> list[Role]:
        """The roles in order, each read once, so that the files that are hashed are those that are built."""
        directory, secrets = self._run.directory, self._run.secrets
        return [Role(directory, secrets, use.role, use.vars, self.image.vars) for use in self.image.roles]

    def _seen(self, role: Role) -> SiteInventory:
        """Return the part of the site that a role of Ansible uses."""
        host, secrets = image_host(self.name), self.image.secrets
        return inventory_for(self._run.stage, renderer_of(self._run), host, role, secrets)

    def inputs(self) -> Inputs:
        """Return the image's inputs: its base, its roles with their variables, its configuration."""
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
        return {**inputs, **period(self.image)}

    def _fingerprints(self) -> dict[str, str]:
        """Return the keyed digests of the secrets that its roles see."""
        return {
            name: self._run.secrets.read(name).fingerprint(self._run.secrets.pepper)
            for name in self.image.secrets
        }

    def make(self, builder: "Builder", work: Work) -> str:
        """Apply each role as a layer on the base."""
        layers = [self._layer(role) for role in self._roles]
        base = self.base.have(builder, work.inputs.get("base", ""), work.log)
        # Not its key, which is its tag: an image that comes out the same of other inputs has the same digest.
        labels = {**self.image.labels, **self._run.stage.labels, NAME_LABEL: self.name}
        try:
            return builder.build(base, layers, image_config(self.image), labels)
        except BuildError as error:
            told = error
            for role in self._roles:
                told = with_left_out(told, f"roles/{role.name}", role.path)
            raise told from error

    def was_found(self, builder: "Builder") -> None:
        """Forget the remains of a failed build, which `doit shell_image` opens."""
        builder.forget_failed(self.name)

    def _layer(self, role: Role) -> "Layer":
        """Return a role, ready to be applied."""
        if role.is_files:
            return Layer(role.name, role.entries(), {}, self.image.timeout, is_files=True)
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
            period=period(self.image).get(PERIOD, ""),
        )
        return (
            replace(layer, play=play(self._run, role, self._seen(role), secrets))
            if role.is_ansible
            else layer
        )


def failed_build(run: Run, name: str) -> str | None:
    """Return the local image on the repository host that a failed build of an image ended with; None if there is none.

    Raises:
        SkepError: The host or its engine does not answer.

    """
    return builder_for(run, lambda _line: None, clear=False).failed(name)


# -- what is used, and what no service uses any more -------------------------------------------------------------------


def in_use(run: Run, removed: Collection[str] = ()) -> set[str]:
    """Return the images that site.toml and the swarm's services use, as `repository@digest`.

    Args:
        run: The run.
        removed: The tasks of services that don't count, since they are removed.

    Raises:
        SkepError: The swarm can't be observed.

    """
    swarm = run.live_state.swarm
    if swarm.error:
        raise SkepError(swarm.error)
    found = set()
    for image in images(run):
        record = run.state.read(image.task, ImageRecord)
        if record is not None:
            found.add(record.reference)
    for name, service in swarm.services.items():
        if service_task(name) in removed:
            continue
        # What a rollback would go back to is in use, too.
        for spec in (service.get("Spec"), service.get("PreviousSpec")):
            if spec:
                found.add(spec["TaskTemplate"]["ContainerSpec"]["Image"])
    for config in filter(is_revision, swarm.configs.values()):
        if service_task(labels_of(config)[NAME_LABEL]) not in removed:
            found.add(image_of(config))
    return {path for reference in found if (path := run.stage.in_registry(reference)) is not None}


@dataclass(frozen=True)
class OrphanImage(Orphan):
    """An image in the registry that no service uses."""

    kind, order, is_kept = "image", 50, True

    def remove(self, run: Run, log: Log) -> None:
        """Remove all versions of it."""
        _remove_repositories(run, {self.name}, (), log)

    @classmethod
    def remove_all(cls, run: Run, orphans: Sequence[Self], going: Collection[str], log: Log) -> list[str]:
        """Remove all versions of all of them at once: the registry collects its garbage once."""

        def remove(_: str) -> None:
            _remove_repositories(run, {orphan.name for orphan in orphans}, going, log)
            for orphan in orphans:
                orphan.forget(run)

        return each(["images"], remove, log)


def _remove_repositories(run: Run, names: set[str], going: Collection[str], log: Log) -> None:
    """Remove all versions of these images, but for those that a remaining service would go back to.

    Args:
        run: The run.
        names: The images' repositories.
        going: The tasks of services that go, too.
        log: Tells the person.

    Raises:
        SkepError: The swarm can't be observed, or the repository host does not do it.

    """
    from tasks.images import registry

    used = in_use(run, going)
    known = registry.versions(run.stage, run.connections)
    old = [
        version
        for version in known
        if version.repository in names and f"{version.repository}@{version.digest}" not in used
    ]
    kept = [version for version in known if version not in old]
    if old and registry.remove(run.stage, run.connections, old, kept, log):
        for name in sorted(names - {version.repository for version in kept}):
            log(f"removed image {name}")


def orphans(run: Run) -> Iterator[Orphan]:
    """Yield the images in the registry that no service uses."""
    wanted = {PUSHED_LAYERS, *(image.repository for image in images(run))}
    repository = run.stage.repository
    tags = [tag.rpartition(":")[0] for tag in run.live_state.host(repository).tags]
    for name in sorted(set(tags) - wanted):
        count = tags.count(name)
        note = f"no service uses it; {count} {'version' if count == 1 else 'versions'} in the registry"
        yield OrphanImage(name, own_image_task(name), note, host=repository.short)
    yield from unfinished(run)


PHASE = Phase("build_images", "build the container images, one layer for each role", steps, orphans)
