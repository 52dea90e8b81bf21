"""The chain of tasks that the end of a run waited for, its critical path, with the seconds of each link."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from remote.mother.task_times import A_PLACE, TaskTimes

SHORTEST_GAP = 0.1
"""Seconds; a shorter time between two links has no line of its own."""
SHORTEST_NOTE = 0.1
"""Seconds; a link says only of longer waits what they were for."""


@dataclass(frozen=True)
class Link:
    """A task of the chain.

    Args:
        task: Its name.
        began: Its start, in seconds since the run's.
        took: The seconds that it took.
        waits: What it waited for within, to the seconds.
        waited: What it waited for before it began, to the seconds.

    """

    task: str
    began: float
    took: float
    waits: Mapping[str, float]
    waited: Mapping[str, float]

    @property
    def ended(self) -> float:
        """Its end, in seconds since the run's start."""
        return self.began + self.took


def chain(before: Mapping[str, Sequence[str]], times: Mapping[str, TaskTimes], started: float) -> list[Link]:
    """Return the chain, its first task first: each link is what its successor needs and was done last. Pure.

    Args:
        before: Each task to the tasks that it needs; groups as well.
        times: The times of the tasks that ran. Where a task did not run, those count that it needs.
        started: The run's start, by the clock of the times.

    """
    ended = {task: each.ended for task, each in times.items() if each.ended is not None}
    links: list[Link] = []
    last = max(ended, key=lambda task: ended[task], default=None)
    while last is not None:
        links.append(_link(times[last], ended[last], started))
        last = max(_ran_before(last, before, ended), key=lambda task: ended[task], default=None)
    return links[::-1]


def _link(times: TaskTimes, ended: float, started: float) -> Link:
    """Return a task's link."""
    within = {cause: took for cause, took in times.waits.items() if cause != A_PLACE}
    waited = {cause: took for cause, took in times.waits.items() if cause == A_PLACE}
    return Link(times.task, times.began - started, ended - times.began, within, waited)


def _ran_before(task: str, before: Mapping[str, Sequence[str]], ran: Mapping[str, float]) -> set[str]:
    """Return the nearest tasks before a task that ran."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = list(before.get(task, ()))
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in ran:
            found.add(name)
        else:
            waiting += before.get(name, ())
    return found


def lines(links: Sequence[Link], whole: float, ran: int) -> Iterator[str]:
    """Yield the lines for the screen. Pure.

    Args:
        links: The chain.
        whole: The seconds of the whole run.
        ran: The number of tasks that ran.

    """
    if not links:
        yield f"no task ran: {whole:.1f} s for the start, the look at the stage and the end"
        return
    width = max(len(link.task) for link in links)
    tasks = "task" if ran == 1 else "tasks"
    yield f"the end of the run waited for this chain, {len(links)} of the {ran} {tasks} that ran:"
    yield f"  {'from':>7}  {'took':>7}"
    yield _line(0.0, links[0].began, "(the start, and the look at the stage)")
    end = links[0].began
    for link in links:
        gap = link.began - end
        if link is not links[0] and gap >= SHORTEST_GAP:
            yield _line(end, gap, "(until the next one began)", _notes(link.waited))
        yield _line(
            link.began, link.took, f"{link.task:<{width}}" if link.waits else link.task, _notes(link.waits)
        )
        end = link.ended
    yield _line(end, whole - end, "(the end)")
    explained = sum(link.took for link in links)
    between = end - links[0].began - explained
    share = 100 * explained / whole if whole else 100.0
    yield (
        f"its tasks took {explained:.1f} s of {whole:.1f} s, {share:.0f} %; {links[0].began:.1f} s passed before them, "
        f"{max(between, 0.0):.1f} s between them, {max(whole - end, 0.0):.1f} s after them"
    )


def _line(start: float, took: float, text: str, notes: str = "") -> str:
    """Return one line of the table."""
    return f"  {start:7.1f}  {max(took, 0.0):5.1f} s  {text}{f'  {notes}' if notes else ''}".rstrip()


def _notes(waits: Mapping[str, float]) -> str:
    """Return what was waited for, the longest first."""
    long = sorted(
        ((took, cause) for cause, took in waits.items() if took >= SHORTEST_NOTE), key=lambda each: -each[0]
    )
    return ", ".join(f"{took:.1f} s for {cause}" for took, cause in long)
