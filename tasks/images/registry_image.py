"""An image in the site's registry: found there by its key, else made on the repository host and pushed."""

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING

from model.errors import BuildError, CommandError, SkepError
from model.keys.digest import key_of
from model.keys.record import ImageRecord
from model.log import Log
from remote.images.registry_storage import mend_script
from tasks.hosts.ways_out import try_ways_out
from tasks.images.builder import builder_for, marks, pushed, site_registry
from tasks.images.pushed_back import push_back
from tasks.names import VAULT, host_task, moved_task, setup_task
from tasks.run.context import Run
from tasks.step import CHANGE, CREATE, Names, Step, Work

if TYPE_CHECKING:
    from remote.images.builder import Builder

_DISKS = ("/var/lib/docker", "/var/lib/docker-registry", "/var/tmp")  # noqa: S108 - where builds write
MEND_TIMEOUT = 120
_FULL = 1024
"""KiB: a disk with less free space is why a build failed."""


class RepositoryStep(Step):
    """A step on the repository host, where everything is built: its engine and registry must be there, nothing else.

    Args:
        run: The run.
        task: Its name.

    """

    is_found_by_key = True
    weight = 10

    def __init__(self, run: Run, task: str) -> None:
        repository = run.stage.repository.short
        self._run, self.task, self.host = run, task, repository
        self.containers = (host_task(repository),)
        steps = ("docker", "registry", "trust", "build_tools", VAULT)
        moved = (moved_task(),) if run.stage.former_repository else ()
        self.after = (*(setup_task(repository, step) for step in steps), *moved)

    def effect(self, changed: Names) -> str:
        """Return CREATE, for its new key; CHANGE for one that goes along with its registry."""
        return CREATE if changed or not self._run.stage.former_repository else CHANGE


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
            self._run.coordination.once("mend the registry", partial(self._mend, work.log))
            if (back := self._push_back(work)) is not None:
                return ImageRecord(reference=back)
            if (absent := self._absent(work)) is not None:
                return absent
            # Before a build that needs the outside waits for it in vain, for minutes.
            try_ways_out(self._run, [self._run.stage.repository], work.log)
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

    def recall(self, work: Work) -> ImageRecord | None:
        """Return the image that the registry has; none is made, and no other run's leftovers are removed."""
        if self.real(work.key) is not None:
            return None
        reference = builder_for(self._run, work.log, clear=False).registry.find(self.repository, work.key)
        return None if reference is None else ImageRecord(reference=reference)

    def _push_back(self, work: Work) -> str | None:
        """Push the image back that the registry had under this key, if an engine still has it."""
        record = self._run.state.read(self.task, ImageRecord)
        path = self._run.stage.in_registry(record.reference) if record is not None else None
        if path is None or self._run.state.last_inputs(self.task) != work.inputs:
            return None
        reference = push_back(self._run, site_registry(self._run), path, self.repository, work.key, work.log)
        if reference is not None:
            self._run.progress.pushed = True
        return reference

    @property
    def may_be_absent(self) -> bool:
        """Whether it is a base only, which comes out with another digest each time that it is made."""
        return False

    def _absent(self, work: Work) -> ImageRecord | None:
        """Return the record of a base that was lost with the registry: to make it would make all images on it anew."""
        record = self._run.state.read(self.task, ImageRecord)
        path = self._run.stage.in_registry(record.reference) if record is not None else None
        if not self.may_be_absent or path is None or self._run.state.last_inputs(self.task) != work.inputs:
            return None
        work.log("it was lost with the registry: it is made again when an image is built on it")
        return ImageRecord(reference=f"{self._run.stage.registry}/{path}", is_absent=True)

    def have(self, builder: "Builder", digest: str, log: Log) -> str:
        """Return the reference of a base that an image is built on, which is made again if it is absent.

        Raises:
            BuildError: It came out with another digest than the image is to be built on.

        """
        run = self._run
        with run.coordination.lock(f"having {self.task}"):
            record = run.state.record(self.task, ImageRecord)
            if record.is_absent:
                inputs = self.inputs_now()
                work = Work(self.task, inputs, key_of(inputs), log)
                record = pushed(run.progress, builder, self.make(builder, work), self.repository, work.key)
                run.state.write(self.task, record)
        if digest and record.reference.rpartition("@")[2] != digest:
            raise BuildError(
                f"{self.doc} was lost with the registry, and has been made again: run doit again, which builds the "
                "images on it"
            )
        return record.reference

    def _mend(self, log: Log) -> None:
        """Have the registry forget what a full disk left half written."""
        try:
            removed = self._run.connections.to(self._run.stage.repository).script(
                mend_script(), timeout=MEND_TIMEOUT, label="looking for what is broken in the registry"
            )
        except SkepError as error:
            log(f"the registry is as it is: {error}")
            return
        for line in removed.splitlines():
            log(f"the registry forgot {line}, which was written by half")

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

    def void(self) -> str:
        """Return that its record names another registry than the stage's, as that of a host that left."""
        record = self._run.state.read(self.task, ImageRecord)
        if record is None or self._run.stage.in_registry(record.reference) is None:
            return ""
        registry = record.reference.partition("/")[0]
        return "" if registry == self._run.stage.registry else f"it was in the registry {registry}"

    def real(self, key: str) -> str | None:
        """Look for its key in the registry."""
        if self._was_killed:
            return "a run that was killed may have left build containers behind"
        if self._run.stage.former_repository:
            return f"it is in the registry of {self._run.stage.former_repository}"
        record = self._run.state.read(self.task, ImageRecord)
        if record is not None and record.is_absent:
            return None
        return self._run.live_state.image(self.repository, key)
