"""The text of a site.toml that was made from a compose project: its tables, each with its remarks."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.compose.draft import Draft
from model.new_site.toml_writer import WIDTH, assignment, written, written_key

_KINDS = ("secrets", "configs", "networks", "volumes", "images", "services")
_ONE_LINE = ("secrets", "configs")
"""Kinds whose tables stand in one line each."""
_HEAD = """\
# {site}: made by `doit init from=compose` from {sources}.
# What site.toml can't say stands beside its service as a comment that ends with the reason (`--`); skep's
# docs/from-compose.md has the table of all keys. Look at each of them, then `doit`."""


def site_text(draft: Draft, stage_lines: Sequence[str], sources: Sequence[str], schema: str) -> str:
    """Return the text of site.toml.

    Args:
        draft: The site.
        stage_lines: The table of its stage.
        sources: The names of the compose files.
        schema: The line with the schema.

    """
    lines = [schema, *_HEAD.format(site=draft.site, sources=", ".join(sources)).split("\n")]
    lines += _remarks(draft.notes.get((), ()))
    lines += ["", f"site = {written(draft.site)}", "", *stage_lines, ""]
    if draft.vars:
        lines += [*_remarks(draft.notes.get(("vars",), ())), "[vars]"]
        for name, value in draft.vars.items():
            lines += assignment(name, value)
        lines.append("")
    for kind in _KINDS:
        lines += _kind(draft, kind)
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n"


def _kind(draft: Draft, kind: str) -> Iterator[str]:
    """Yield the lines of all tables of a kind."""
    tables = draft.tables.get(kind) or {}
    yield from _remarks(draft.notes.get((kind,), ()))
    if kind in _ONE_LINE and tables:
        yield f"[{kind}]"
        for name, table in tables.items():
            yield from _remarks(draft.notes.get((kind, name), ()))
            yield from _config_lines(name, table)
        yield ""
    else:
        for name, table in tables.items():
            yield from _remarks(draft.notes.get((kind, name), ()))
            yield from _table(f"{kind}.{written_key(name)}", table)
            yield ""
    for (of, name), table in draft.left_out.items():
        if of == kind:
            yield from _remarks(draft.notes.get((kind, name), ()))
            yield from (f"# {line}".rstrip() for line in _table(f"{kind}.{written_key(name)}", table))
            yield ""


def _config_lines(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table in one line, or its text in lines of its own."""
    if "\n" not in str(table.get("text", "")):
        yield f"{written_key(name)} = {written(table)}"
        return
    for key, value in table.items():
        first, *rest = assignment(key, value)
        yield f"{written_key(name)}.{first}"
        yield from rest


def _table(path: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a table; tables in it that are long come last, with a heading of their own."""
    yield f"[{path}]"
    later: list[tuple[str, Mapping[str, Any]]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) and len(f"{written_key(key)} = {written(value)}") > WIDTH - 10:
            later.append((key, value))
        else:
            yield from assignment(key, value)
    for key, value in later:
        yield from _table(f"{path}.{written_key(key)}", value)


def _remarks(notes: Sequence[str]) -> Iterator[str]:
    """Yield remarks as comments."""
    for note in notes:
        yield from textwrap.wrap(
            note,
            WIDTH,
            initial_indent="# ",
            subsequent_indent="#   ",
            break_long_words=False,
            break_on_hyphens=False,
        )
