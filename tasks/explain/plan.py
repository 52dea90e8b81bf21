"""The plan: the action of the next run on each resource, and the reasons, by the live state. Changes nothing.

`tasks/explain/status.py` compares inputs with traces, the live state has the real thing, and the resource's own step
(`tasks/step.py`) knows the effect of a change. Where a resource waits for another one's record, the plan says so and
does not guess: a rebuilt image may come out the same, and then its service stays as it is.
"""

from dataclasses import dataclass

from tasks.explain.status import FAILED, ResourceStatus, StatusTable
from tasks.observe.drift import Missing, Unknown
from tasks.step import ADOPT, BLOCKED, CHANGE, CREATE, REPLACE, is_made_anew

NOTHING, MAY_CHANGE, UNKNOWN, ERROR = "nothing", "may change", "unknown", "error"
READ_BACK = "no record in state/; doit reads it back, or makes it"
AS_WANTED = "it exists as wanted, only its record in state/ is missing"
REMOVE, LEFT = "remove", "left"
"""Actions on orphans (`tasks/cleanup/orphans.py`)."""


@dataclass(frozen=True)
class Item:
    """The action of a run on one resource.

    Args:
        task: Its task; an orphan's is the task that it had.
        action: One of `tasks.step`'s words, or of those above.
        reasons: Why.
        after: The tasks that it waits for, where the action depends on their records.
        host: Where it is; empty where it belongs to no one host.

    """

    task: str
    action: str
    reasons: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    host: str = ""


class Planner:
    """Decides on each resource.

    Args:
        table: The resources' status.

    """

    def __init__(self, table: StatusTable) -> None:
        self._table = table
        self._known: dict[str, Item] = {}

    def __getitem__(self, name: str) -> Item:
        """Return the action of a run on a resource."""
        if name not in self._known:
            self._known[name] = Item(name, NOTHING)  # ends a cycle; doit itself refuses one
            self._known[name] = self._decide(self._table[name])
        return self._known[name]

    def _decide(self, status: ResourceStatus) -> Item:
        """Decide on a resource: by its containers, by its inputs, then by itself."""
        task, host = status.task, status.step.host
        if status.problems:
            return Item(task, ERROR, status.problems, host=host)
        item = self._without_container(status) or self._refused(status) or self._without_inputs(status)
        if item is not None:
            return item
        answer = self._table.drift(task)
        if isinstance(answer, Unknown):
            return self._unknown(status, answer)
        if status.last is None:
            return self._not_recorded(status, answer)
        reasons = tuple(status.reasons())
        if status.status == FAILED:
            reasons = ("its last run failed", *reasons)
        if isinstance(answer, Missing):
            return Item(task, CREATE, (*reasons, str(answer)), self._waits_for(status), host)
        changed = {change.name for change in status.changes}
        if answer is None and changed and not status.step.shows(changed):
            return self._otherwise(status, changed, reasons)
        if answer is None and status.step.is_observed and (changed or status.notes):
            # Made by somebody else's run, or found by another's record: `ensure` will find it, too.
            return Item(task, ADOPT, (*reasons, "the real thing is so already"), host=host)
        if answer is not None or changed:
            if answer is not None and not changed:
                reasons = (*reasons, answer)
            return self._otherwise(status, changed, reasons)
        if status.status == FAILED or status.notes:
            return Item(task, CHANGE, reasons, host=host)
        return self._may_change(status) or Item(task, NOTHING, host=host)

    def _refused(self, status: ResourceStatus) -> Item | None:
        """Decide where a run will refuse to change a resource."""
        refused = status.step.refusal()
        return Item(status.task, BLOCKED, (refused,), host=status.step.host) if refused else None

    # -- resources in, or made from, something else --------------------------------------------------------------------

    def _without_container(self, status: ResourceStatus) -> Item | None:
        """Decide where all of a resource's containers are replaced: it then mostly is, too."""
        containers = status.step.containers
        new = [container for container in containers if is_made_anew(self[container].action)]
        if not containers or len(new) < len(containers):
            return None
        if status.last is None:
            return Item(status.task, CREATE, ("never made",), tuple(new), status.step.host)
        more = f" and {len(new) - 1} more" if len(new) > 1 else ""
        reason = f"{self._table[new[0]].step.doc}{more} is replaced"
        if status.step.ends_with_container:
            return Item(status.task, CREATE, (reason,), tuple(new), status.step.host)
        # A provider may keep disks, and so volumes, a registry, even the swarm.
        reason += ": only then is known whether this survives"
        return Item(status.task, UNKNOWN, (reason,), tuple(new), status.step.host)

    def _without_inputs(self, status: ResourceStatus) -> Item | None:
        """Decide where a resource's inputs are not known yet, by whether the real thing exists at all."""
        if not status.missing:
            return None
        task, step = status.task, status.step
        maker = self._table.unmade(task)
        after = (maker,) if maker is not None else ()
        made = self[maker].action if maker is not None else NOTHING
        problem = f"it needs {status.missing}, which is not there yet"
        answer = self._there(status, made, problem)
        if isinstance(answer, Unknown):
            return self._unknown(status, answer)
        if isinstance(answer, Missing):
            return Item(
                task, CREATE, ("never made" if status.last is None else str(answer),), after, step.host
            )
        if status.last is None and not is_made_anew(made):
            if answer is None:
                return Item(task, ADOPT, (AS_WANTED,), host=step.host)
            return Item(task, UNKNOWN, (READ_BACK,), after, step.host)
        if maker is not None and is_made_anew(made) and self._table[maker].last is None:
            # It never was made from that one, so that it can't be as wanted.
            return Item(task, step.effect(()), (problem,), after, step.host)
        return Item(task, MAY_CHANGE, (problem,), after, step.host)

    def _there(self, status: ResourceStatus, made: str, problem: str) -> str | None:
        """Return why there is no such thing, whatever its key, where its inputs are not known; None if there is one.

        Args:
            status: Its status.
            made: The action on the resource that it is missing.
            problem: The missing thing, in words.

        """
        step = status.step
        if not step.is_observed:
            return Missing("there is none")
        try:
            if not step.is_found_by_key:
                return step.real("")
        except KeyError:
            pass
        # An image is found by its key alone, and a Docker secret by its content.
        recorded = all(self._table[container].last is not None for container in step.containers)
        is_new = is_made_anew(made) if step.is_found_by_key else made in {CREATE, CHANGE, REPLACE}
        return Missing(problem) if is_new and recorded and status.last is None else problem

    def _unknown(self, status: ResourceStatus, answer: Unknown) -> Item:
        """Decide on a thing that can't be observed: an error, unless its container only has to be found again."""
        task, host = status.task, status.step.host
        waits = tuple(
            container
            for container in status.step.containers
            if self[container].action not in {NOTHING, MAY_CHANGE, ERROR}
        )
        if not waits:
            return Item(task, ERROR, (_first_line(answer),), host=host)
        if status.last is None:
            return Item(task, UNKNOWN, (READ_BACK,), waits, host)
        reasons = tuple(status.reasons()) or ("its present state can't be read now",)
        return Item(task, UNKNOWN, reasons, waits, host)

    def _waits_for(self, status: ResourceStatus) -> tuple[str, ...]:
        """Return the tasks that a resource is made from and that may leave another record."""
        return tuple(dep for dep in sorted(status.reads) if dep in self._table and self._moves(dep))

    def _moves(self, dep: str) -> bool:
        """Return whether a resource may be another thing afterwards to those that are made from it."""
        item, status = self[dep], self._table[dep]
        if item.action == MAY_CHANGE:
            fed = [name for far in item.after for name in self._table.fed_by(status, far)]
            return is_made_anew(status.step.effect(fed))
        if item.action == ADOPT and status.last is not None and (status.changes or not status.notes):
            # Another one than the recorded one is found, as an earlier image after an edit was taken back.
            return status.step.effect({change.name for change in status.changes}) != CHANGE
        return is_made_anew(item.action)

    def _may_change(self, status: ResourceStatus) -> Item | None:
        """Decide on a thing as it should be whose inputs come from others that will be replaced."""
        after = self._waits_for(status)
        if not after:
            return None
        fed = [name for dep in after for name in self._table.fed_by(status, dep)]
        what = ", ".join(dict.fromkeys(name.partition("[")[0].removesuffix(".") for name in fed)) or "it"
        reason = f"only if {what} comes out differently from {', '.join(after)}"
        return Item(status.task, MAY_CHANGE, (reason,), after, status.step.host)

    # -- resources by themselves ---------------------------------------------------------------------------------------

    def _not_recorded(self, status: ResourceStatus, answer: str | None) -> Item:
        """Decide on a resource without a record here, by whether the real thing is there with the key of its inputs."""
        task, step = status.task, status.step
        if not step.is_observed:
            return Item(task, CREATE, ("never made",), host=step.host)
        if answer is None:
            return Item(task, ADOPT, (AS_WANTED,), host=step.host)
        if isinstance(answer, Missing):
            return Item(task, CREATE, ("never made",), self._waits_for(status), step.host)
        return self._otherwise(status, frozenset(), ("no record in state/", answer))

    def _otherwise(
        self, status: ResourceStatus, changed: "set[str] | frozenset[str]", reasons: tuple[str, ...]
    ) -> Item:
        """Decide on a thing that is there, but not as it should be."""
        action, note = status.step.inspect(changed) or (status.step.effect(changed), "")
        reasons = (*reasons, note) if note else reasons
        return Item(status.task, action, reasons, self._waits_for(status), status.step.host)


def _first_line(text: str) -> str:
    """Return the first line of a message."""
    return text.splitlines()[0] if text else text
