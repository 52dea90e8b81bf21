"""A plan as Markdown, for a comment on a pull or merge request. Pure.

What comes from the site stands in fenced code, where Markdown eats nothing, and no name becomes a mention or a link. A
fence is longer than any row of backquotes in it: https://spec.commonmark.org/0.31.2/#fenced-code-blocks. The language
`diff` colours lines by their first character.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

LONGEST_COMMENT = 65_536
"""Characters of a comment that GitHub takes; GitLab takes a million."""
_LONGEST_LINE = 500
_FEW = 12
"""Up to so many lines of all phases they are shown without a click."""
_FENCE = 3
"""Backquotes of a fence at least."""


@dataclass(frozen=True)
class PlanText:
    """The texts of a plan.

    Args:
        site: The site's name.
        stage: The stage's.
        summary: The last line of the plan.
        phases: Phase to its lines, each with a sign first.
        remarks: Further lines: warnings, costs, pinned services.
        is_refused: Whether a run would be refused, or something can't be determined.

    """

    site: str
    stage: str
    summary: str
    phases: Mapping[str, Sequence[str]]
    remarks: Sequence[str] = ()
    is_refused: bool = False


def marker(site: str, stage: str) -> str:
    """Return the first line, by which a comment is found again; it is not shown."""
    return f"<!-- skep plan: {site}, stage {stage} -->"


def markdown(plan: PlanText, limit: int = LONGEST_COMMENT - 1) -> str:
    """Return a plan as Markdown of so many characters at most, to which a line break may be added."""
    count = sum(map(len, plan.phases.values()))
    opened = " open" if count <= _FEW else ""
    head = [
        marker(plan.site, plan.stage),
        f"### Plan for {code(plan.site)}, stage {code(plan.stage)}",
        "",
        f"{'❌ ' if plan.is_refused else ''}{code(plan.summary)}",
        "",
    ]
    parts = ["\n".join(head)]
    blocks = [(f"{phase}: {len(lines)}", lines, "diff") for phase, lines in plan.phases.items()]
    if plan.remarks:
        blocks.append(("remarks", plan.remarks, "text"))
    # Each has its frame and its number in any case; the first ones get what is left of the room.
    least = [len(_details(*block, opened, 0)) for block in blocks]
    room = limit - len(parts[0]) - sum(least)
    for block, bare in zip(blocks, least, strict=True):
        part = _details(*block, opened, room)
        parts.append(part)
        room -= len(part) - bare
    return "".join(parts)


def trouble(site: str, stage: str, problem: str, limit: int = LONGEST_COMMENT - 1) -> str:
    """Return the Markdown for a plan that can't be made."""
    head = f"{marker(site, stage)}\n### Plan for {code(site)}, stage {code(stage)}\n\n❌ the plan can't be made:\n\n"
    lines = problem.splitlines()
    least = len(_fenced(_shortened(lines, 0), "text"))
    return head + _fenced(_shortened(lines, limit - len(head) - least), "text")


def code(text: str) -> str:
    """Return a text as code within a line.

    >>> code("a`b")
    '`` a`b ``'
    """
    fence = "`" * (_longest_row([text]) + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _details(title: str, lines: Sequence[str], language: str, opened: str, room: int) -> str:
    """Return lines that a click shows, as many as there is room for."""
    fenced = _fenced(_shortened(lines, room), language)
    return f"<details{opened}><summary>{title}</summary>\n\n{fenced}\n</details>\n\n"


def _fenced(lines: Sequence[str], language: str) -> str:
    """Return lines as a block of code."""
    fence = _fence(lines)
    return "\n".join([f"{fence}{language}", *lines, f"{fence}\n"])


def _fence(lines: Iterable[str]) -> str:
    """Return a fence that none of the lines ends."""
    return "`" * max(_FENCE, _longest_row(lines) + 1)


def _longest_row(lines: Iterable[str]) -> int:
    """Return the length of the longest row of backquotes."""
    return max((len(row) for line in lines for row in re.findall("`+", line)), default=0)


def _shortened(lines: Sequence[str], room: int) -> list[str]:
    """Return the first lines, each cut if it is long, and how many more there are.

    Args:
        lines: The lines.
        room: Characters for those that are shown, and for a fence that is longer than others.

    """
    short = [line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…" for line in lines]
    room -= 2 * (len(_fence(short)) - _FENCE)
    kept: list[str] = []
    for line in short:
        room -= len(line) + 1
        if room < 0:
            return [*kept, f"… and {len(lines) - len(kept)} more: doit plan --all"]
        kept.append(line)
    return kept
