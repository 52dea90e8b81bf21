"""What the sections of a page have in common: headings, tables, times, lists of what is wrong."""

import time
from calendar import timegm
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from commands.page.markup import Markup, el, joined
from tasks.page.page_data import PageSource

UNKNOWN = "-"
"""In the place of what is not known, or not there."""
Cell = str
"""A text, or a piece of HTML."""


def section(identity: str, heading: str, explanation: str, *children: str | None) -> Markup:
    """Return a section of the page.

    Args:
        identity: Its place in the page.
        heading: Its heading.
        explanation: What it shows, for somebody who has never seen it.
        children: What is in it.

    """
    return el(
        "section",
        el("h2", heading, id=f"{identity}-heading"),
        el("p", explanation, class_="explanation") if explanation else None,
        *children,
        id=identity,
        aria_labelledby=f"{identity}-heading",
    )


def table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell]], ids: Sequence[str] = ()
) -> Markup:
    """Return a table; on narrow screens each row is a card, so its roles and its columns' names are in it as well.

    Args:
        caption: What it lists.
        head: The names of its columns; the first is that of the rows' names.
        rows: Its rows.
        ids: The rows' places in the page.

    """
    lines = []
    for n, row in enumerate(rows):
        cells = [el("th", row[0], scope="row", role="rowheader")]
        cells += [
            el(
                "td",
                el("div", cell),
                role="cell",
                data_label=name,
                class_="unknown" if cell == UNKNOWN else None,
            )
            for name, cell in zip(head[1:], row[1:], strict=True)
        ]
        lines.append(el("tr", *cells, role="row", id=ids[n] if ids else None))
    return el(
        "table",
        el("caption", caption),
        el(
            "thead",
            el("tr", *(el("th", name, scope="col", role="columnheader") for name in head), role="row"),
            role="rowgroup",
        ),
        el("tbody", *lines, role="rowgroup"),
        role="table",
    )


def state(words: str, *, is_good: bool) -> Markup:
    """Return a state with a sign before it, so that its colour is not all that tells it."""
    sign = el("span", "✓ " if is_good else "✕ ", aria_hidden="true")
    return el("span", sign, words, class_="good" if is_good else "bad")


def pending(words: str) -> Markup:
    """Return a state that is neither good nor a fault, with a sign before it."""
    return el("span", el("span", "! ", aria_hidden="true"), words, class_="pending")


def faults(problems: Sequence[str], notes: Sequence[str] = ()) -> Markup:
    """Return what is wrong with something, and what is worth knowing of it."""
    lines = [el("li", el("span", "! ", aria_hidden="true"), each, class_="bad") for each in problems]
    lines += [el("li", each) for each in notes]
    return el("ul", *lines, class_="faults") if lines else joined(UNKNOWN)


def moment(seconds: float) -> Markup:
    """Return a time, which the page's program also says as an age."""
    exact = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    return el("time", moment_words(seconds), datetime=exact)


def moment_words(seconds: float) -> str:
    """Return a time as the page writes it."""
    return f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime(seconds))} UTC"


def not_fresh(source: PageSource | None, what: str) -> Markup | None:
    """Return what there is to say of a part of which no fresh answer came; None if one did.

    Args:
        source: How it was read; None where the site has no such part.
        what: The part.

    """
    if source is None or not source.why:
        return None
    if source.at is None:
        return el("p", f"{what}: could not be read: {source.why}", class_="note")
    older = f" could be read: {source.why}"
    return el("p", f"{what}: nothing newer than of ", moment(source.at), older, class_="note")


def moment_of(words: str) -> Markup:
    """Return a time that is written as ISO 8601 has it; as a text if it is not, or before 1970, as Go's zero time."""
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(words)
        if found.tzinfo is not None and (seconds := timegm(found.utctimetuple())) >= 0:
            return moment(seconds)
    return joined(words)
