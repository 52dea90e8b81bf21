"""A step: how one resource of the site is made, how it is judged, and what a plan has to know of it.

Each kind of resource is a small class in its phase's module, or in the room of `tasks/` that its phase uses.
`tasks/doit_task.py` makes a doit task of each.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from model.keys.digest import Inputs
from model.keys.record import Record
from model.log import Log
from tasks.run.context import Run

FORMAT = "1"
"""Part of every task's inputs. Raised when a new skep would make something else of the same definition."""
CREATE, CHANGE, REPLACE, ADOPT, BLOCKED = "create", "change", "replace", "adopt", "blocked"
"""What a run does to a real thing: make it, change it in place, make it anew, use what is there, refuse."""

Names = Collection[str]
"""The names of the inputs that changed."""


class Finding(NamedTuple):
    """What the real thing tells a plan.

    Args:
        action: What a run would do to it.
        note: What to tell a person beside the reasons.

    """

    action: str
    note: str = ""


@dataclass(frozen=True)
class Work:
    """What a step's `ensure` gets.

    Args:
        run: The run.
        task: The task's name.
        inputs: Its inputs.
        key: Their digest, for the label on the real thing.
        log: Takes a line for the task's log.

    """

    run: Run
    task: str
    inputs: Inputs
    key: str
    log: Log


class Step(ABC):
    """One resource, which one doit task makes.

    Attributes:
        task: Its doit task's name, from `tasks/names.py`.
        needs: Tasks whose whole records it is made from: doit's `file_dep`.
        after: Tasks that only have to be done before it. What it takes of their records, as a host's id, is an input;
            the rest of such a record may change without it (a host's ssh port).
        host: The host that it is done on, for the screen.
        doc: One line for `doit list --all`.
        containers: The tasks of the things that the resource is in. Where all are made anew, it is mostly gone.
        paths: How the names of its inputs begin, and what site.toml calls that: `{"volume.": "volumes.data."}`.
        is_observed: Whether `real` can tell anything of it.
        is_found_by_key: Whether the real thing can be found by its key alone, as an image by its tag. Without its
            inputs nothing is known of it then.
        ends_with_container: Whether it is certain to be gone then.

    """

    task: str
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    host: str = ""
    doc: str = ""
    containers: tuple[str, ...] = ()
    paths: Mapping[str, str] = MappingProxyType({})
    is_observed: ClassVar[bool] = True
    is_found_by_key: ClassVar[bool] = False
    ends_with_container: ClassVar[bool] = False

    @property
    def phase(self) -> str:
        """The name of its phase, and so of its doit group."""
        return self.task.partition(":")[0]

    @property
    def name(self) -> str:
        """The resource's name in the phase."""
        return self.task.partition(":")[2]

    def inputs_now(self) -> Inputs:
        """Return all inputs of the task as they are now; KeyError if something that it needs is not made yet."""
        return {"format": FORMAT, **self.inputs()}

    @abstractmethod
    def inputs(self) -> Inputs:
        """Return the inputs that the resource is made from.

        Raises:
            KeyError: Something that it needs is not made yet; the argument names it.

        """

    @abstractmethod
    def ensure(self, work: Work) -> Record:
        """Make the real thing so, and return its record. Finds before it creates."""

    def real(self, key: str) -> str | None:
        """Return why the live state does not have the real thing as recorded with this key; None if it does."""
        del key
        return None

    # -- what a plan asks ----------------------------------------------------------------------------------------------

    def effect(self, changed: Names) -> str:
        """Return what making the resource anew does to the real thing, given which of its inputs changed. Pure.

        What is changed in place stays the thing that it was, and its record with it.
        """
        del changed
        return CHANGE

    def shows(self, changed: Names) -> bool:
        """Return whether the live state would tell a thing that is made with these inputs from one that is not."""
        del changed
        return True

    def inspect(self, changed: Names) -> Finding | None:
        """Return what only the real thing tells of what a run would do to it; None where `effect` is all there is."""
        del changed
        return None

    def refusal(self) -> str:
        """Return why a run will refuse to make it where it is to be; empty if it will not."""
        return ""


def is_made_anew(action: str) -> bool:
    """Return whether what others are made from (an id, a digest) is another one afterwards."""
    return action in {CREATE, REPLACE}
