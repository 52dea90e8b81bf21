"""A stage's history: a line for each run that changed something. Pure.

Lines come from hosts, where several versions of skep have written them: what is missing or odd in one is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

LONGEST_LIST = 60
"""The resources of a run that its line names."""
AT_WORK, NEVER_ENDED = "at work", "never ended"
"""The outcomes of runs that have begun and not ended: one holds the stage's lock, the other lost it without a word."""


@dataclass(frozen=True)
class HistoryLine:
    """A run, or several in a row that had nothing to do.

    Args:
        id: The run's own; empty for runs that had nothing to do.
        who: Who ran it, as `alice@laptop`.
        directory: The checkout's.
        command: The command line.
        job: The address of the CI job that ran it; empty if a person did.
        began: When, as `2026-11-29T17:00:00Z`; of several runs the first one.
        ended: When it ended; of several runs the last one. Empty if it never did.
        seconds: How long it took.
        commit: The commit of the site, as `git describe` says it; empty if it is not known.
        is_dirty: Whether the site's directory had changes that were in no commit.
        outcome: `done`, `failed`, `interrupted` and so on.
        changed: The resources that it changed.
        failed: The resources that failed.
        counts: The number of resources by outcome.
        revisions: Service to the revision that the run gave it.
        idle: The number of runs that had nothing to do; 0 for a run that had.

    """

    id: str = ""
    who: str = ""
    directory: str = ""
    command: str = ""
    job: str = ""
    began: str = ""
    ended: str = ""
    seconds: float = 0.0
    commit: str = ""
    is_dirty: bool = False
    outcome: str = ""
    changed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    revisions: Mapping[str, int] = field(default_factory=dict)
    idle: int = 0

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Return the line that a host has."""
        text = {
            name: str(found.get(name) or "")
            for name in ("id", "who", "directory", "command", "job", "began", "ended", "commit", "outcome")
        }
        idle = _number(found.get("idle"))
        if idle:
            text["began"] = str(found.get("first") or text["began"])
        elif not text["outcome"]:
            text["outcome"] = NEVER_ENDED
        return cls(
            **text,
            seconds=float(_number(found.get("seconds"), float)),
            is_dirty=bool(found.get("dirty")),
            changed=_names(found.get("changed")),
            failed=_names(found.get("failed")),
            counts=_numbers(found.get("counts")),
            revisions=_numbers(found.get("revisions")),
            idle=int(idle),
        )

    def data(self) -> dict[str, Any]:
        """Return the line for JSON."""
        if self.idle:
            return {
                "idle": self.idle,
                "first": self.began,
                "ended": self.ended,
                "who": self.who,
                "directory": self.directory,
                "command": self.command,
                "job": self.job,
            }
        return {
            "id": self.id,
            "who": self.who,
            "directory": self.directory,
            "command": self.command,
            "job": self.job,
            "began": self.began,
            "ended": self.ended,
            "seconds": round(self.seconds, 1),
            "commit": self.commit,
            "dirty": self.is_dirty,
            "outcome": self.outcome,
            "changed": list(_short(self.changed)),
            "failed": list(_short(self.failed)),
            "counts": dict(self.counts),
            "revisions": dict(self.revisions),
        }

    def concerns(self, service: str) -> bool:
        """Return whether it changed a service, or tried to."""
        return service in self.revisions or f"deploy_services:{service}" in (*self.changed, *self.failed)


def lines_of(found: Iterable[Mapping[str, Any]]) -> list[HistoryLine]:
    """Return the lines of a history in the order of their beginning, each run once.

    A run whose connection broke for a moment was noted as one that never ended, and wrote its line afterwards.
    """
    lines: dict[str, HistoryLine] = {}
    for n, each in enumerate(found):
        line = HistoryLine.of(each)
        name = line.id or f"line {n}"
        if name not in lines or line.ended:
            lines[name] = line
    return sorted(lines.values(), key=lambda line: line.began)


def _short(names: Sequence[str]) -> Sequence[str]:
    """Return names, of very many the first ones, and how many more there are."""
    if len(names) <= LONGEST_LIST:
        return names
    return [*names[:LONGEST_LIST], f"and {len(names) - LONGEST_LIST} more"]


def _names(found: object) -> tuple[str, ...]:
    """Return a list of names."""
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _numbers(found: object) -> dict[str, int]:
    """Return a table of numbers."""
    return {str(key): int(_number(value)) for key, value in found.items()} if isinstance(found, dict) else {}


def _number(found: object, kind: type[int] | type[float] = int) -> float:
    """Return a number; 0 for what is none."""
    return kind(found) if isinstance(found, int | float) else 0
