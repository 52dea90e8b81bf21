"""The builder on the repository host."""

from pathlib import Path
from typing import TYPE_CHECKING

from model.keys.record import ImageRecord
from model.log import Log
from model.secrets.stage_secrets import REGISTRY_USER
from tasks.run.context import Run
from tasks.run.progress import Progress
from tasks.run.state import State

if TYPE_CHECKING:
    from remote.images.builder import Builder
    from remote.images.registry import SiteRegistry


def builder_for(run: Run, log: Log, *, clear: bool = True) -> "Builder":
    """Return a builder on the repository host; the first one of a run clears the leftovers of killed runs."""
    from remote.images.builder import Builder

    repository = run.stage.repository
    registry = site_registry(run)
    owner = f"{run.stage.site_name}.{run.stage.name}"
    builder = Builder(
        run.connections.engine(repository),
        repository.short,
        registry,
        owner,
        run.coordination.lock,
        marks(run.state),
        log,
    )
    if clear:
        run.coordination.once("clear build containers", builder.clear_leftovers)
    return builder


def site_registry(run: Run) -> "SiteRegistry":
    """Return the stage's registry with its login.

    Raises:
        KeyError: There is no vault yet.

    """
    from remote.images.registry import SiteRegistry

    return SiteRegistry(run.stage.registry, REGISTRY_USER, run.secrets.vault.stage.registry_password.reveal())


def pushed(progress: Progress, builder: "Builder", image: str, repository: str, key: str) -> ImageRecord:
    """Push an image, and return its record."""
    progress.pushed = True
    return ImageRecord(reference=builder.registry.push(image, repository, key))


def marks(state: State) -> Path:
    """Return the directory that holds a file for each build container that may be there."""
    return state.root / "building"
