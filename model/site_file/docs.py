"""Generate the reference of site.toml and its JSON Schema from the types of its tables.

    python -m model.site_file.docs            writes docs/site.md and docs/site.schema.json
    python -m model.site_file.docs --check    writes nothing; exit status 1 where one of them is out of date

What a key means is its `Meta(description=…)`, what a table is its type's docstring.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, get_origin

from msgspec import NODEFAULT, Struct, UnsetType, inspect, to_builtins

from model.site import base
from model.site_file import forms
from model.site_file.load import schema
from model.site_file.tables import SiteTable

DIRECTORY = Path(__file__).resolve().parents[2] / "docs"
COMMAND = "./setup python -m model.site_file.docs"

_INTRODUCTION = f"""\
# site.toml

<!-- Made by `{COMMAND}` from the types in model/site/ and model/site_file/: change those, then run it again. -->

Everything that a site is stands in one `site.toml`.
This page lists its tables, each with all of its keys.
Unknown keys are refused.
All mistakes are reported at once, each with its path, before anything is touched.

An editor that knows JSON Schema completes and checks the file with [site.schema.json](site.schema.json).
For those that use Taplo, the first line of `site.toml` may say where it is: `#:schema docs/site.schema.json`.

The file is UTF-8.
Some values that TOML has are refused wherever they stand: dates and times (write them as texts, in quotes), `nan`,
`inf`, NUL, numbers of more than 64 bits, tables and lists more than 40 deep in one another.
Keys of labels, environment variables, kernel parameters and drivers' options, and names of hosts, may have dots, with
or without quotes: `traefik.enable = true` is `"traefik.enable" = true`.

In the headings `<name>` stands for a name of your choice.
A table in double brackets may be there several times; one in single brackets may as well be written inline.
"""

_KINDS = """\
## Kinds of values

Some keys take a text or a number of a certain form.
"""

_WHY = "Both are made from the types in model/site/ and model/site_file/, and must not be changed by hand."


@dataclass
class Table:
    """A table of site.toml.

    Args:
        struct: Its type.
        paths: Where it may stand, in TOML's words: `[services.<name>]`.

    """

    struct: inspect.StructType
    paths: list[str] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The anchor of its section."""
        return _anchor(self.struct.cls)

    @property
    def heading(self) -> str:
        """The heading of its section; of the third level for a table within another one."""
        if not self.paths[0]:
            return "## The file itself"
        title = f"{'###' if self.paths[0].count('.') > 1 else '##'} `{self.paths[0]}`"
        tag = f' with `{self.struct.tag_field} = "{self.struct.tag}"`' if self.struct.tag_field else ""
        return title + tag


def pages() -> dict[str, str]:
    """Return the text of each generated file by its name."""
    return {
        "site.md": reference(),
        "site.schema.json": json.dumps(schema(), indent=2, ensure_ascii=False) + "\n",
    }


def reference() -> str:
    """Return the reference of site.toml as Markdown."""
    found = tables()
    parts = [_INTRODUCTION, *(_section(table, found) for table in found), _KINDS]
    return "\n".join([*parts, *(_kind(name, info) for name, info in kinds().items())])


def tables() -> list[Table]:
    """Return every table once: the file itself, then the others in the order of their first use."""
    found: dict[type, Table] = {}

    def meet(struct: inspect.StructType, path: str, *, many: bool = False) -> None:
        """Add a table and, at its first use, the tables within it."""
        shown = f"[[{path}]]" if many else f"[{path}]" if path else ""
        if struct.cls in found:
            found[struct.cls].paths.append(shown)
            return
        found[struct.cls] = Table(struct, [shown])
        for key in struct.fields:
            below = f"{path}.{key.encode_name}" if path else key.encode_name
            for inner, step, is_many in _structs(key.type):
                meet(inner, below + step, many=is_many)

    whole = inspect.type_info(SiteTable)
    if not isinstance(whole, inspect.StructType):
        raise TypeError("SiteTable is not a struct")
    meet(whole, "")
    return list(found.values())


@cache
def kinds() -> dict[str, inspect.Type]:
    """Return the named kinds of texts and numbers, in the order of their modules."""
    named = {**vars(base), **vars(forms)}
    return {name: inspect.type_info(value) for name, value in named.items() if get_origin(value) is Annotated}


# -- types in words ----------------------------------------------------------------------------------------------------


def _structs(kind: inspect.Type) -> Iterator[tuple[inspect.StructType, str, bool]]:
    """Yield the tables in a type, each with the rest of its path and whether it is an item of a list."""
    kind = _bare(kind)
    if isinstance(kind, inspect.StructType):
        yield kind, "", False
    elif isinstance(kind, inspect.UnionType):
        for option in kind.types:
            yield from _structs(option)
    elif isinstance(kind, inspect.ListType):
        yield from ((struct, step, True) for struct, step, _ in _structs(kind.item_type))
    elif isinstance(kind, inspect.DictType):
        yield from ((struct, f".<name>{step}", many) for struct, step, many in _structs(kind.value_type))


def _bare(kind: inspect.Type) -> inspect.Type:
    """Return a type without its metadata."""
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _named_kind(kind: inspect.Type) -> str:
    """Return the name of the kind of values that a type is; empty if it is none."""
    alike = (name for name, info in kinds().items() if _bare(info) == kind)
    return next(alike, "")


def _words(kind: inspect.Type, *, many: bool = False) -> list[str]:
    """Return the types that a value may have, as words with links: one for each alternative of a union.

    Args:
        kind: The type.
        many: Whether to use the plural.

    """
    kind = _bare(kind)
    plural = "s" if many else ""
    named = _named_kind(kind)
    if named:
        return [f"[{named.lower()}{plural}](#{named.lower()})"]
    if isinstance(kind, inspect.UnionType):
        found = [word for option in kind.types for word in _words(option, many=many)]
        # Where a number will do, so will an integer.
        return [w for w in dict.fromkeys(found) if w != f"integer{plural}" or f"number{plural}" not in found]
    if isinstance(kind, inspect.NoneType):
        return []
    if isinstance(kind, inspect.StructType):
        return [f"[table{plural}](#{_anchor(kind.cls)})"]
    if isinstance(kind, inspect.ListType):
        return [f"array{plural} of {_or(_words(kind.item_type, many=True))}"]
    if isinstance(kind, inspect.DictType):
        keys, values = (_or(_words(part)) for part in (kind.key_type, kind.value_type))
        return [f"table{plural}, {keys} to {values}"]
    simple: dict[type[inspect.Type], str] = {
        inspect.StrType: "string",
        inspect.IntType: "integer",
        inspect.FloatType: "number",
        inspect.BoolType: "boolean",
        inspect.AnyType: "any value",
    }
    if type(kind) not in simple:
        raise TypeError(f"no words for {kind}: add them here")
    return [f"{simple[type(kind)]}{plural}"]


def _limits(kind: inspect.Type, *, within: bool = False) -> list[str]:
    """Return the limits of a value; none for a kind with a section of its own, except within that section."""
    kind = _bare(kind)
    if isinstance(kind, inspect.UnionType):
        return [limit for option in kind.types for limit in _limits(option)]
    if _named_kind(kind) and not within:
        return []
    limits = []
    lowest, highest = getattr(kind, "ge", None), getattr(kind, "le", None)
    if lowest is not None and highest is not None:
        limits.append(f"{lowest} to {highest}")
    elif lowest is not None:
        limits.append(f"at least {lowest}")
    if getattr(kind, "gt", None) is not None:
        limits.append(f"more than {getattr(kind, 'gt')}")  # noqa: B009 - mypy knows no `gt` of all types
    if getattr(kind, "min_length", None):
        limits.append("not empty")
    pattern = getattr(kind, "pattern", None)
    if pattern is not None:
        choice = re.fullmatch(r"\^\(([a-z|-]+)\)\$", pattern)
        limits.append(
            "one of " + ", ".join(f"`{word}`" for word in choice[1].split("|"))
            if choice
            else f"matching `{pattern}`"
        )
    return limits


def _or(words: Sequence[str]) -> str:
    """Return words as a choice: `a, b or c`."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _description(kind: inspect.Type) -> str:
    """Return a key's description; empty if it only has that of its kind, which has a section of its own."""
    if isinstance(kind, inspect.UnionType):
        return next((text for option in kind.types if (text := _description(option))), "")
    named = _named_kind(_bare(kind))
    return (
        "" if named and _own_description(kind) == _own_description(kinds()[named]) else _own_description(kind)
    )


def _own_description(kind: inspect.Type) -> str:
    """Return the description that a type carries."""
    about = kind.extra_json_schema if isinstance(kind, inspect.Metadata) else None
    return str((about or {}).get("description", ""))


# -- Markdown ----------------------------------------------------------------------------------------------------------


def _section(table: Table, every: Sequence[Table]) -> str:
    """Return a table's section; descriptions that name another table link to it."""
    struct = table.struct
    others = [f"`{path}`" for path in dict.fromkeys(table.paths[1:])]
    lines = [f'<a id="{table.anchor}"></a>', "", table.heading, "", str(struct.cls.__doc__)]
    if others:
        lines.append(f"Also as {', '.join(others)}.")
    lines += ["", "| key | type | default | meaning |", "|---|---|---|---|"]
    if struct.tag_field is not None:
        lines.append(_row(struct.tag_field, "string", "**required**", f"`{struct.tag}`."))
    for key in struct.fields:
        kind = ", ".join([_or(_words(key.type)), *_limits(key.type)])
        lines.append(_row(key.encode_name, kind, _default(key), _linked(_description(key.type), every)))
    return "\n".join(lines) + "\n"


def _linked(text: str, every: Sequence[Table]) -> str:
    """Return a description in which `[images]` leads to the section of `[images.<name>]`."""
    for table in every:
        name, dot, rest = table.paths[0].strip("[]").partition(".")
        if dot and rest == "<name>":
            text = text.replace(f"`[{name}]`", f"[`[{name}]`](#{table.anchor})")
    return text


def _row(key: str, kind: str, default: str, meaning: str) -> str:
    """Return a line of a Markdown table, in which `|` ends a cell even within code."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{key}`", kind, default, meaning)) + " |"


def _kind(name: str, info: inspect.Type) -> str:
    """Return the section of a kind of values."""
    base = "a string" if isinstance(_bare(info), inspect.StrType) else "an integer"
    form = ", ".join([base, *_limits(info, within=True)])
    return f'<a id="{name.lower()}"></a>\n\n### {name.lower()}\n\n{_own_description(info)}\nIt is {form}.\n'


def _default(key: inspect.Field) -> str:
    """Return a key's default as TOML."""
    if key.required:
        return "**required**"
    value = key.default if key.default is not NODEFAULT else key.default_factory()
    return "" if value is None or isinstance(value, Struct | UnsetType) else f"`{toml(to_builtins(value))}`"


def toml(value: object) -> str:
    """Return a value as TOML writes it inline."""
    if isinstance(value, dict):
        inner = ", ".join(f"{name} = {toml(part)}" for name, part in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(part) for part in value)}]"
    # Booleans, numbers and texts are written as in JSON.
    return json.dumps(value, ensure_ascii=False)


def _anchor(cls: type) -> str:
    """Return the name that links lead to: `docker-stage` for DockerStage, `service` for ServiceTable."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__.removesuffix("Table")).lower()


# -- the command -------------------------------------------------------------------------------------------------------


def write(directory: Path) -> list[str]:
    """Write the files that are out of date, and return their names."""
    stale = [name for name, text in pages().items() if _difference(directory / name, text)]
    directory.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (directory / name).write_text(pages()[name], encoding="utf-8")
    return stale


def check(directory: Path) -> list[str]:
    """Return a line for each file that is out of date. Write nothing."""
    found = {name: _difference(directory / name, text) for name, text in pages().items()}
    return [f"{directory.name}/{name}: {difference}" for name, difference in found.items() if difference]


def _difference(path: Path, text: str) -> str:
    """Return the first difference between a file and its generated text; empty if there is none."""
    if not path.is_file():
        return "is missing"
    has, wants = path.read_text(encoding="utf-8").splitlines(), text.splitlines()
    for number, (line, wanted) in enumerate(zip(has, wants, strict=False), start=1):
        if line != wanted:
            return f"line {number} is\n    {line}\n  and should be\n    {wanted}"
    if len(has) != len(wants):
        return f"has {len(has)} lines and should have {len(wants)}"
    return ""


def main(arguments: Sequence[str], directory: Path = DIRECTORY) -> int:
    """Write the files or compare them; return the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Make docs/site.md and docs/site.schema.json.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit status 1 if one is out of date"
    )
    if not parser.parse_args(arguments).check:
        for name in write(directory):
            sys.stdout.write(f"wrote {directory.name}/{name}\n")
        return 0
    problems = check(directory)
    if problems:
        sys.stderr.write("\n".join([*problems, f"{_WHY} To bring them up to date: {COMMAND}"]) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
