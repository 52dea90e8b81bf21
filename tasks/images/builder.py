"""The builder on the repository host."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import SkepError
from model.keys.record import ImageRecord
from model.log import Log
from model.secrets.stage_secrets import REGISTRY_USER
from model.stage import Host
from remote.images.build_marks import marked_host
from tasks.run.context import Run
from tasks.run.progress import Progress
from tasks.run.state import State

if TYPE_CHECKING:
    from remote.images.builder import Builder
    from remote.images.registry import SiteRegistry


def builder_for(run: Run, log: Log, *, clear: bool = True) -> "Builder":
    """Return a builder on the repository host; the first one of a run clears the leftovers of killed runs."""
    builder = _builder(run, run.stage.repository, log)
    if clear:
        run.coordination.once("clear build containers", builder.clear_leftovers)
        run.coordination.once("clear other build containers", partial(_clear_elsewhere, run, log))
    return builder


def _builder(run: Run, host: Host, log: Log) -> "Builder":
    """Return a builder on a host."""
    from remote.images.builder import Builder

    owner = f"{run.stage.site_name}.{run.stage.name}"
    return Builder(
        run.connections.engine(host),
        host.short,
        site_registry(run),
        owner,
        run.coordination.lock,
        marks(run.state),
        log,
    )


def clear_leftovers(run: Run, short: str, log: Log) -> None:
    """Remove the build containers that killed runs left on a host. One that the stage no longer has is not asked.

    Raises:
        SkepError: The host does not answer, or its engine refuses; the marks stay.

    """
    if short in run.stage.shorts:
        _builder(run, run.stage.host(short), log).clear_leftovers()
        return
    for mark in marked(run).get(short, ()):
        mark.unlink(missing_ok=True)


def _clear_elsewhere(run: Run, log: Log) -> None:
    """Remove the build containers that killed runs left on hosts that were the repository; that can wait."""
    # Those on the repository are gone, or are of this run.
    for short in marked(run).keys() - {run.stage.repository.short}:
        try:
            clear_leftovers(run, short, log)
        except SkepError as error:
            log(f"build containers that a killed run left on {short} are removed later: {error}")


def marked(run: Run) -> dict[str, list[Path]]:
    """Return the marks of build containers, by the host on which they are."""
    found: dict[str, list[Path]] = {}
    for mark in sorted(marks(run.state).glob("*")):
        # A build of this run may end meanwhile.
        with suppress(FileNotFoundError):
            found.setdefault(marked_host(mark, run.stage.repository.short), []).append(mark)
    return found


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
    return ImageRecord(reference=builder.push(image, repository, key))


def marks(state: State) -> Path:
    """Return the directory that holds a file for each build container that may be there."""
    return state.root / "building"
