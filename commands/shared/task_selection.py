"""The tasks that a word of the command line selects: a task, a phase, a pattern, or a resource's short name."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from doit.exceptions import InvalidCommand

SHOWN = 8


def resolve(asked: str, resources: Mapping[str, Collection[str]], phases: Collection[str]) -> list[str]:
    """Return the tasks that a word of the command line selects.

    A short name that several resources have selects the one that depends on the others: `powerdns` is the service,
    since it is made from the image of that name.

    Args:
        asked: The word.
        resources: Task to all tasks that come before it, directly or not.
        phases: The phases' names.

    Raises:
        InvalidCommand: It selects nothing, or one of several unrelated resources.

    """
    if asked in resources:
        return [asked]
    if asked in phases:
        return [task for task in resources if task.partition(":")[0] == asked]
    if "*" in asked:
        matching = [task for task in resources if fnmatchcase(task, asked)]
        if matching:
            return matching
    names = [task for task in resources if task.partition(":")[2] == asked]
    parts = [task for task in resources if asked in re.split("[.@]", task.partition(":")[2])]
    candidates = names or parts
    last = [task for task in candidates if set(candidates) - {task} <= set(resources[task])]
    if last:
        return last[:1]
    if candidates:
        raise InvalidCommand(f"{asked!r} is ambiguous: {_some(candidates)}")
    close = [task for task in resources if asked.lower() in task.lower()]
    hint = f"; did you mean {_some(close)}?" if close else "; `doit list --all` shows all"
    raise InvalidCommand(f"there is no task, phase or resource {asked!r}{hint}")


def _some(names: Iterable[str]) -> str:
    """Return names in one line, the first of them if there are many."""
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def all_before(tasks: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Return for each task all tasks that come before it, directly or not."""
    known: dict[str, set[str]] = {}
    begun: set[str] = set()  # ends a cycle; doit itself refuses one
    # Each after all that come before it, without recursion: a chain may have thousands of tasks.
    path = list(tasks)
    while path:
        name = path[-1]
        if name not in begun:
            begun.add(name)
            path += [near for near in tasks[name] if near not in begun]
            continue
        path.pop()
        if name not in known:
            known[name] = {*tasks[name], *(far for near in tasks[name] for far in known.get(near, ()))}
    return {name: known[name] for name in tasks}


def run_by(
    words: Collection[str],
    tasks: Mapping[str, Collection[str]],
    before: Mapping[str, Collection[str]],
    *,
    alone: bool,
) -> set[str]:
    """Return the tasks that doit runs where these words select tasks.

    Args:
        words: The words: tasks, phases, patterns.
        tasks: Task to those that it waits for; a phase waits for its own tasks.
        before: Every task to all tasks that come before it, directly or not.
        alone: Whether doit runs the selected tasks without those that they need.

    """
    selected = [name for name in tasks if any(fnmatchcase(name, word) for word in words)]
    if not alone:
        return {name for task in selected for name in (task, *before[task])}
    own = (task for phase in selected if ":" not in phase for task in tasks[phase])
    return {*selected, *own}


def with_flags(words: Sequence[str], *flags: str) -> tuple[list[str], set[str]]:
    """Return the words and the flags among them, since doit takes no option after the first word.

    Raises:
        InvalidCommand: There is another option.

    """
    options = [word for word in words if word.startswith("-")]
    unknown = [word for word in options if word not in flags]
    if unknown:
        raise InvalidCommand(f"unknown option {unknown[0]}; the options are: {', '.join(flags)}")
    return [word for word in words if word not in options], set(options)
