"""A phase as an object: its steps, its orphans, and its part of `doit destroy`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from model.log import Log
from tasks.cleanup.inventory import Inventory
from tasks.cleanup.removing import each
from tasks.run.context import Run
from tasks.step import Step

PRUNES = "no longer in site.toml; `doit prune` removes it"


@dataclass(frozen=True)
class Orphan(ABC):
    """One thing that carries the stage's labels and is no longer in site.toml. Each kind is a class in its phase.

    Args:
        name: The thing's name.
        task: The task that it had.
        note: What a plan says of it.
        host: Where it is, if it is on one host.
        id: By which its engine knows it.
        users: Who of those that stay still uses it, so that it can't go before a run.

    """

    kind: ClassVar[str]
    """The word for people, as `service`."""
    order: ClassVar[int]
    """Its place in the order of removal, the lowest first: a user goes before the things that it uses, data last."""
    is_on_host: ClassVar[bool] = False
    """Whether there may be one of the same name on another host."""
    is_kept: ClassVar[bool] = False
    """Whether a plan calls it left and not to be removed: it holds data, or services may go back to it."""

    name: str
    task: str
    note: str = PRUNES
    host: str = ""
    id: str = ""
    users: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Its kind, name and host, for people."""
        return f"{self.kind} {self.name}" + (f" on {self.host}" if self.is_on_host else "")

    @property
    def is_reported(self) -> bool:
        """Whether a person has to know of it."""
        return True

    @property
    def held(self) -> str:
        """Who still uses it, in words; empty if nobody does."""
        return f"in use by {', '.join(sorted(self.users))}" if self.users else ""

    @property
    def volumes(self) -> tuple[str, ...]:
        """The volumes that go with it, each of which a person has to name."""
        return ()

    @property
    def going(self) -> str:
        """Its line in the list of things that `doit prune` would remove."""
        return self.words

    @property
    def staying(self) -> str:
        """Why it stays, and the way out."""
        return f"{self.held}, which was deployed before site.toml changed; run doit first"

    def examined(self, run: Run) -> Self:
        """Ask the orphan's host for details, and return it with them; `doit prune` does so before it decides."""
        del run
        return self

    def may_go(self, volumes: Collection[str]) -> bool:
        """Return whether it can go now, given the volumes that a person named."""
        return not self.users and set(self.volumes) <= set(volumes)

    @abstractmethod
    def remove(self, run: Run, log: Log) -> None:
        """Remove it; nothing there is no error.

        Raises:
            SkepError: It can't be removed.

        """

    def forget(self, run: Run) -> None:
        """Remove the record, trace and log of its task."""
        run.state.forget(self.task)

    @classmethod
    def remove_all(cls, run: Run, orphans: Sequence[Self], going: Collection[str], log: Log) -> list[str]:
        """Remove several of this kind at a time; return the problems.

        Args:
            run: The run, which holds the stage.
            orphans: The orphans.
            going: The tasks of all orphans that are removed, of other kinds as well.
            log: Tells the person.

        """
        del going
        there = {orphan.words: orphan for orphan in orphans}

        def remove(words: str) -> None:
            there[words].remove(run, log)
            there[words].forget(run)
            log(f"removed {words}")

        return each(there, remove, log)


def _no_orphans(_run: Run) -> Iterable[Orphan]:
    """Return no orphan."""
    return ()


def _nothing_to_destroy(_run: Run, _there: Inventory, _volumes: Collection[str], _log: Log) -> list[str]:
    """Remove nothing."""
    return []


@dataclass(frozen=True)
class Phase:
    """One phase of the build.

    Args:
        name: Its name, and its doit group's.
        doc: One line for `doit list`.
        steps: Yields the step of each of its resources.
        orphans: Yields the things that the phase made and that are no longer in site.toml, as the live state has them.
        destroy: Removes the things that the phase made, but for those that go with a host; given the stage's inventory
            and the volumes that a person named. Returns the problems.

    """

    name: str
    doc: str
    steps: Callable[[Run], Iterator[Step]]
    orphans: Callable[[Run], Iterable[Orphan]] = _no_orphans
    destroy: Callable[[Run, Inventory, Collection[str], Log], list[str]] = _nothing_to_destroy
