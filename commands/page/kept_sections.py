"""The sections on what is kept: the phases with what is stale, and the backups."""

from collections.abc import Mapping, Sequence

from commands.operate.status_lines import size_words
from commands.page.markup import Markup, el, joined
from commands.page.phase_picture import NARROW_GRAPH, WIDE_GRAPH, phase_picture
from commands.page.pieces import UNKNOWN, moment_of, not_fresh, pending, section, state, table
from tasks.explain.status import FAILED, UP_TO_DATE
from tasks.page.page_data import PageBackup, PageData, PagePhase, PageResource

SHOWN, REASONS = 12, 4
"""Resources of a phase, and reasons of one, that are shown at once; the others stand behind a line to open."""


def phases_section(page: PageData) -> Markup | None:
    """Return the phases as a graph, and what is stale in each; nothing where they were not read."""
    if not page.phases:
        return None
    numbers = {phase.name: n for n, phase in enumerate(page.phases, 1)}
    return section(
        "phases",
        "How it is built",
        "The site is built in seven phases, each from what those before it made. What is not up to date any more, "
        "since something that it is made from changed, is named with the reason; the next run of doit makes it anew.",
        el("figure", phase_picture(page.phases, WIDE_GRAPH), phase_picture(page.phases, NARROW_GRAPH)),
        el("ol", *(_phase(phase, numbers) for phase in page.phases), class_="phases"),
    )


def _phase(phase: PagePhase, numbers: Mapping[str, int]) -> Markup:
    """Return a phase."""
    total = sum(phase.counts.values())
    late = [each for each in phase.resources if each.status != UP_TO_DATE]
    words = ", ".join(f"{count} {status}" for status, count in phase.counts.items()) or "nothing to make"
    after = ", ".join(f"{numbers[name]} {name}" for name in phase.after if name in numbers)
    return el(
        "li",
        el("h3", phase.name),
        el("p", phase.purpose, class_="small"),
        el("p", _state(phase, words)),
        _bar(phase.counts, total) if total else None,
        el("p", f"comes after {after}", class_="small") if after else None,
        _resources(late, phase.name),
    )


def _state(phase: PagePhase, words: str) -> Markup:
    """Return how far a phase is up to date; what is only stale is no fault."""
    if phase.counts.get(UP_TO_DATE, 0) == sum(phase.counts.values()) or FAILED in phase.counts:
        return state(words, is_good=FAILED not in phase.counts)
    return pending(words)


def _bar(counts: Mapping[str, int], total: int) -> Markup:
    """Return a bar with a piece for each status, which the words beside it say as well."""
    pieces, x = [], 0.0
    for status, count in counts.items():
        width = 100 * count / total
        pieces.append(el("rect", class_=f"of-{status.replace(' ', '-')}", x=x, y=0, width=width, height=8))
        x += width
    return el(
        "svg", *pieces, class_="bar", viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true"
    )


def _resources(late: Sequence[PageResource], phase: str) -> Markup | None:
    """Return the resources that are not up to date, each with why."""
    if not late:
        return None
    lines = [_resource(each, f"{phase}-{n}") for n, each in enumerate(late)]
    return el("div", _some(lines, SHOWN, phase), class_="late")


def _resource(each: PageResource, place: str) -> Markup:
    """Return a resource that is not up to date."""
    steps = f" ({each.count} steps)" if each.count > 1 else ""
    reasons = [el("li", reason) for reason in each.reasons]
    return el(
        "li",
        el("b", each.name),
        f": {each.status}{steps}",
        _some(reasons, REASONS, place) if reasons else None,
    )


def _some(lines: Sequence[Markup], shown: int, place: str) -> Markup:
    """Return a list, of which what is too much stands behind a line to open, which is found again by its place."""
    rest = None
    if len(lines) > shown + 1:
        summary = el("summary", f"{len(lines) - shown} more")
        rest = el("details", summary, el("ul", *lines[shown:]), id=f"more-{place}")
        lines = lines[:shown]
    return joined(el("ul", *lines), rest)


def backups_section(page: PageData) -> Markup:
    """Return the table of backups."""
    source = page.sources.get("backups")
    body = None
    if page.backups is None and source is None:
        body = el("p", "This site has no backups: site.toml has no [backup] (docs/backup.md).", class_="note")
    elif page.backups is not None and not page.backups:
        body = el("p", "No service says what is to be saved of it.")
    elif page.backups:
        head = ("Service", "Newest backup", "Size", "Made on", "There are", "Last restore test")
        body = table("Backups", head, [_backup(each) for each in page.backups])
    return section(
        "backups",
        "Backups",
        "A backup is of use if it can be restored, so each is restored aside and tried now and then.",
        not_fresh(source, "Backups"),
        body,
    )


def _backup(each: PageBackup) -> list[str]:
    """Return a service's row."""
    if not each.at:
        return [each.service, state("never backed up", is_good=False), *[UNKNOWN] * 2, "0", UNKNOWN]
    tested: Markup | str = state("never tried", is_good=False)
    if each.is_good:
        tested = el("span", state("restored well, ", is_good=True), moment_of(each.tested))
    elif each.is_good is False:
        tested = el("span", state("failed, ", is_good=False), moment_of(each.tested), f": {each.why}")
    return [
        each.service,
        moment_of(each.at),
        UNKNOWN if each.size is None else size_words(each.size),
        each.host,
        str(each.count),
        tested,
    ]
