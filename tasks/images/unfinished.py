"""What a killed run left on the repository's engine: images that it did not push, and build containers."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from model.errors import BuildError
from model.log import Log
from tasks.images.builder import clear_leftovers, marked
from tasks.names import own_image_task
from tasks.phase import Orphan
from tasks.run.context import Run


@dataclass(frozen=True)
class OrphanBuild(Orphan):
    """A base, or a Dockerfile's image, that a killed run left on the repository's engine and did not push."""

    kind, order, is_on_host = "unfinished image", 55, True

    @property
    def is_reported(self) -> bool:
        """The next run that wants it takes it."""
        return False

    def remove(self, run: Run, log: Log) -> None:
        """Remove it."""
        from docker.errors import NotFound

        from remote.engine.client import engine_errors

        del log
        client = run.connections.engine(run.stage.repository)
        with engine_errors(self.host, f"removing {self.name}", BuildError), suppress(NotFound):
            client.images.remove(self.id)

    def forget(self, run: Run) -> None:
        """Keep the files of its task: it is another version's, mostly."""


@dataclass(frozen=True)
class OrphanBuildContainer(Orphan):
    """The container of a build that a killed run may have left on the engine of its repository, maybe still at work."""

    kind, order, is_on_host = "build container", 54, True

    @property
    def is_reported(self) -> bool:
        """The next run that builds removes it."""
        return False

    def remove(self, run: Run, log: Log) -> None:
        """Remove it, and what else is left of this checkout's builds there."""
        clear_leftovers(run, self.host, log)

    def forget(self, run: Run) -> None:
        """Forget nothing: it is of no task."""


def unfinished(run: Run) -> Iterator[Orphan]:
    """Yield the containers of killed builds, and the local images on the repository that were not pushed."""
    repository = run.stage.repository
    for host, found in marked(run).items():
        for mark in found:
            note = "a killed run may have left it"
            yield OrphanBuildContainer(
                mark.name, own_image_task(f"unfinished.{mark.name}"), note, host=host, id=mark.name
            )
    seen = run.live_state.host(repository)
    keys = {tag.rpartition(":")[2] for tag in seen.tags}
    for name in seen.local_bases:
        local, _, key = name.partition(":")
        if key not in keys:
            note = "a killed run did not push it"
            yield OrphanBuild(
                f"{local}:{key[:12]}",
                own_image_task(f"unfinished.{key}"),
                note,
                host=repository.short,
                id=name,
            )
