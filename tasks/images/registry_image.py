"""An image in the site's registry: found there by its key, else made on the repository host and pushed."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from model.errors import BuildError, CommandError, SkepError
from model.keys.record import ImageRecord
from tasks.images.builder import builder_for, marks, pushed
from tasks.names import VAULT, host_task, setup_task
from tasks.run.context import Run
from tasks.step import CREATE, Names, Step, Work

if TYPE_CHECKING:
    from remote.images.builder import Builder

_DISKS = ("/var/lib/docker", "/var/lib/docker-registry", "/var/tmp")  # noqa: S108 - where builds write
_FULL = 1024
"""KiB: a disk with less free space is why a build failed."""


class RepositoryStep(Step):
    """A step on the repository host, where everything is built: its engine and registry must be there, nothing else.

    Args:
        run: The run.
        task: Its name.

    """

    is_found_by_key = True

    def __init__(self, run: Run, task: str) -> None:
        repository = run.stage.repository.short
        self._run, self.task, self.host = run, task, repository
        self.containers = (host_task(repository),)
        steps = ("docker", "registry", "trust", "build_tools", VAULT)
        self.after = tuple(setup_task(repository, step) for step in steps)

    def effect(self, changed: Names) -> str:
        """Return CREATE: an image is made under its new key, and the old one stays."""
        del changed
        return CREATE


class RegistryImage(RepositoryStep):
    """An image in the registry.

    Args:
        run: The run.
        task: Its name.
        repository: The image's repository in the registry.

    """

    def __init__(self, run: Run, task: str, repository: str) -> None:
        super().__init__(run, task)
        self.repository = repository
        # Asked before anything is built: later they are this run's own.
        self._was_killed = any(marks(run.state).glob("*"))

    def ensure(self, work: Work) -> ImageRecord:
        """Find it in the registry by its key, else make it and push it there.

        Raises:
            BuildError: It can't be made. Where a disk is full, which engine and registry don't always say, it says so.

        """
        try:
            builder = builder_for(self._run, work.log)
            reference = builder.registry.find(self.repository, work.key)
            if reference is not None:
                work.log(f"found {reference}")
                self.was_found(builder)
                return ImageRecord(reference=reference)
            return pushed(self._run.progress, builder, self.make(builder, work), self.repository, work.key)
        except (BuildError, CommandError) as error:
            full = self._full_disks()
            if not full:
                raise
            repository = self._run.stage.repository
            raise BuildError(
                f"{error}\n    the disk under {', '.join(full)} on {repository.name} is full: "
                f"make room there (ssh -F {self._run.connections.files.config} {repository.short}), then run doit again"
            ) from error

    @abstractmethod
    def make(self, builder: "Builder", work: Work) -> str:
        """Make the image on the repository host's engine, and return its id or tag there.

        Raises:
            BuildError: It can't be made.

        """

    def was_found(self, builder: "Builder") -> None:
        """Act on an image that is in the registry already: nothing, mostly."""

    def _full_disks(self) -> list[str]:
        """Return the mount points that are full on the repository host; none where it can't be asked."""
        try:
            output = self._run.connections.to(self._run.stage.repository).run(
                f"df -Pk {' '.join(_DISKS)} 2>/dev/null", check=False
            )
        except SkepError:
            return []
        lines = [line.split() for line in output.splitlines()[1:]]
        return list(dict.fromkeys(fields[5] for fields in lines if int(fields[3]) < _FULL))

    def real(self, key: str) -> str | None:
        """Look for its key in the registry."""
        if self._was_killed:
            return "a run that was killed may have left build containers behind"
        return self._run.live_state.image(self.repository, key)
