"""Which resources a person means: a task, a phase, a pattern, or the short name of a resource."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from doit.exceptions import InvalidCommand

SHOWN = 8


def resolve(asked: str, resources: Mapping[str, Collection[str]], phases: Collection[str]) -> list[str]:
    """Return the tasks that a word of the command line means.

    A short name that several resources have means the one that the others lead to: `powerdns` is the service, since
    the image of that name is one of the things that it is made from.

    Args:
        asked: The word.
        resources: Task to all that must be done before it, directly or not.
        phases: The phases' names.

    Raises:
        InvalidCommand: It means nothing, or one of several that have nothing to do with each other.

    """
    if asked in resources:
        return [asked]
    if asked in phases:
        return [task for task in resources if task.partition(":")[0] == asked]
    if "*" in asked:
        found = [task for task in resources if fnmatchcase(task, asked)]
        if found:
            return found
    names = [task for task in resources if task.partition(":")[2] == asked]
    parts = [task for task in resources if asked in re.split("[.@]", task.partition(":")[2])]
    found = names or parts
    last = [task for task in found if set(found) - {task} <= set(resources[task])]
    if last:
        return last[:1]
    if found:
        raise InvalidCommand(f"{asked!r} may mean any of: {_some(found)}")
    close = [task for task in resources if asked.lower() in task.lower()]
    hint = f"; did you mean {_some(close)}?" if close else "; `doit list --all` shows all"
    raise InvalidCommand(f"there is no task, phase or resource {asked!r}{hint}")


def _some(names: Iterable[str]) -> str:
    """Return names in one line, the first of them if there are many."""
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def all_before(tasks: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Return for each task all that must be done before it, directly or not."""
    known: dict[str, set[str]] = {}

    def of(name: str) -> set[str]:
        if name not in known:
            known[name] = set()  # ends a cycle; doit itself refuses one
            known[name] = {*tasks[name], *(far for near in tasks[name] for far in of(near))}
        return known[name]

    return {name: of(name) for name in tasks}


def with_flags(words: Sequence[str], *flags: str) -> tuple[list[str], set[str]]:
    """Return the words and those flags among them: doit itself takes no option after the first word.

    Raises:
        InvalidCommand: There is an option that is none of them.

    """
    found = [word for word in words if word.startswith("-")]
    unknown = [word for word in found if word not in flags]
    if unknown:
        raise InvalidCommand(f"there is no option {unknown[0]} here; there are: {', '.join(flags)}")
    return [word for word in words if word not in found], set(found)
