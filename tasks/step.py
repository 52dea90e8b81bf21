"""A step: makes one resource of the site, compares it with the live state, and answers the plan's questions about it.

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

FORMAT = "1"
"""Part of every task's inputs. Raised when a new skep would make something else of the same definition."""
CREATE, CHANGE, REPLACE, ADOPT, BLOCKED = "create", "change", "replace", "adopt", "blocked"
"""What a run does to a real thing: make it, change it in place, replace it, use the one that is there, refuse."""

Names = Collection[str]
"""The names of the inputs that changed."""


class Finding(NamedTuple):
    """The action that a plan derives from the real thing.

    Args:
        action: One of the words above.
        note: A remark for a person, beside the reasons.

    """

    action: str
    note: str = ""


@dataclass(frozen=True)
class Work:
    """The arguments of one run of a step's `ensure`.

    Args:
        task: The task's name.
        inputs: Its inputs.
        key: Their digest, for the label on the real thing.
        log: Takes a line for the task's log.

    """

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
        containers: The tasks of the things that the resource is in, as a volume is in a host. Where all of them are
            replaced, it is mostly gone.
        paths: The prefixes of its inputs' names, each with its path in site.toml: `{"volume.": "volumes.data."}`.
        is_observed: Whether `real` can tell anything of it.
        is_found_by_key: Whether the real thing can be found by its key alone, as an image by its tag. As long as its
            inputs are not known, nothing is known of it.
        ends_with_container: Whether it is certain to be gone then.
        weight: Roughly the seconds that it takes to make it. Of the tasks that could go on, the one does that the
            longest work waits for.

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
    weight: ClassVar[int] = 1

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

    def recall(self, work: Work) -> Record | None:
        """Return the record of the real thing if that is as wanted; None if it is not, or nobody can tell.

        For a plan in a checkout without state/, to which all is new. It looks and no more: `ensure` would find such a
        thing as well, but make it where another run has removed it since.
        """
        del work
        return None

    def void(self) -> str:
        """Return why its record can't be right any more, though its inputs are as they were; empty if it can.

        Known without a connection: a record that names a thing on a host that is gone, for example.
        """
        return ""

    # -- questions of a plan -------------------------------------------------------------------------------------------

    def effect(self, changed: Names) -> str:
        """Return the action on the real thing that a change of these inputs causes. Pure.

        A thing that is changed in place stays the same thing, and keeps its record.
        """
        del changed
        return CHANGE

    def shows(self, changed: Names) -> bool:
        """Return whether a difference in these inputs shows in the live state."""
        del changed
        return True

    def inspect(self, changed: Names) -> Finding | None:
        """Return the action that only the real thing can tell; None where `effect` decides."""
        del changed
        return None

    def refusal(self) -> str:
        """Return why a run will refuse to make it where it is to be; empty if it will not."""
        return ""


def is_made_anew(action: str) -> bool:
    """Return whether an action gives the thing another record (an id, a digest), from which others are made."""
    return action in {CREATE, REPLACE}
