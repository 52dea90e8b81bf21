"""A draft made to fit: what the checks of site.toml refuse becomes a remark, until the site loads."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.compose.draft import Draft
from model.errors import ConfigError
from model.site_file.load import site_of
from model.toml_text import key_text

_MOST = 500
_TOO_SMALL = re.compile(r"networks\.([\w-]+): a /24.* take a /(\d+)")
_LARGE = "10.128.0.0"
_NAMED = re.compile(r"'([^']+)'")
_KINDS = ("services", "images", "networks", "volumes", "secrets", "configs")

Step = str | int


def fit(draft: Draft, stage: Mapping[str, Any], directory: Path) -> None:
    """Take out of a draft what site.toml can't have, and keep it as remarks with the reason.

    Args:
        draft: The site.
        stage: Its stages.
        directory: Where it is, with its files.

    Raises:
        ConfigError: It is refused for something that is in none of the compose file's tables.

    """
    for _ in range(_MOST):
        problems = _problems(draft, stage, directory)
        if not problems:
            return
        if not any(_take_out(draft, problem) for problem in problems):
            raise ConfigError(problems)
    raise ConfigError(problems)


def data_of(draft: Draft, stage: Mapping[str, Any]) -> dict[str, Any]:
    """Return what site.toml says."""
    filled = {kind: tables for kind, tables in draft.tables.items() if tables}
    return {"site": draft.site, "stages": stage, **({"vars": draft.vars} if draft.vars else {}), **filled}


def _problems(draft: Draft, stage: Mapping[str, Any], directory: Path) -> list[str]:
    """Return the mistakes in a draft."""
    try:
        site_of(data_of(draft, stage), directory / "site.toml", {})
    except ConfigError as error:
        return [problem.removeprefix("site.toml: ") for problem in error.problems]
    return []


def _take_out(draft: Draft, problem: str) -> bool:
    """Take out what a mistake is about; return whether there is such a thing.

    The mistake begins with the path of a value, as `services.web.ports[1].published_port: …`.
    """
    if (larger := _TOO_SMALL.match(problem)) is not None:
        name, prefix = larger.groups()
        draft.table("networks").setdefault(name, {})["ipam"] = {"subnet": f"{_LARGE}/{prefix}"}
        draft.note(("networks", name), f"ipam: room for all tasks -- {problem}")
        return True
    place, message = _place_of(problem, draft.tables)
    if len(place) < 2 or place[0] not in _KINDS:  # noqa: PLR2004 - a kind and a name
        return False
    kind, name, *rest = str(place[0]), str(place[1]), *place[2:]
    table = draft.table(kind).get(name)
    if table is None:
        return False
    if rest and str(rest[0]) in table:
        _take_key(draft, (kind, name), table, rest, message)
    elif not rest and (unknown := re.search(r"unknown key '?([\w-]+)'?", message)) and unknown[1] in table:
        draft.lost((kind, name), unknown[1], table.pop(unknown[1]), message)
    else:
        _leave_out(draft, kind, name, message)
    return True


def _place_of(problem: str, data: Any) -> tuple[list[Step], str]:
    """Return the path that a mistake begins with, as far as there is such a value, and the mistake.

    Some checks write keys as they are, others in quotes; both are looked for among those that there are.
    """
    place: list[Step] = []
    rest, value = problem, data
    while not rest.startswith(": "):
        step = next(
            (
                (key, head)
                for key, head in sorted(_steps(value), key=lambda each: -len(each[1]))
                if rest.startswith(head) and rest[len(head) : len(head) + 1] in {".", "[", ":", ""}
            ),
            None,
        )
        if step is None:
            break
        key, head = step
        place.append(key)
        value = value[key]
        rest = rest[len(head) :].removeprefix(".")
    return place, rest.removeprefix(": ")


def _steps(value: Any) -> list[tuple[Step, str]]:
    """Return the keys of a table or list, with the ways in which a path may have them."""
    if isinstance(value, Mapping):
        return [(key, head) for key in value for head in (str(key), key_text(str(key)))]
    return [(i, f"[{i}]") for i in range(len(value))] if isinstance(value, list) else []


def _take_key(
    draft: Draft, place: tuple[str, str], table: dict[str, Any], rest: list[Step], message: str
) -> None:
    """Take a key out of a table: an item alone where it is a list, and a name alone where names are free."""
    key, *inner = rest
    value = table[str(key)]
    path = str(key)
    if not inner and isinstance(value, dict) and (named := _NAMED.match(message)) and named[1] in value:
        inner = [named[1]]
    if inner and isinstance(value, list) and isinstance(inner[0], int) and inner[0] < len(value):
        draft.lost(place, path, value.pop(inner[0]), message)
    elif inner and isinstance(value, dict) and inner[0] in value:
        within: Any = value[str(inner[0])]
        if (
            isinstance(within, list)
            and len(inner) > 1
            and isinstance(inner[1], int)
            and inner[1] < len(within)
        ):
            draft.lost(place, f"{path}.{inner[0]}", within.pop(inner[1]), message)
            if not within:
                del value[str(inner[0])]
        else:
            draft.lost(place, f"{path}.{inner[0]}", value.pop(str(inner[0])), message)
    else:
        at = _claimant(value, message) if key == "ports" and isinstance(value, list) else None
        draft.lost(place, path, table.pop(str(key)) if at is None else value.pop(at), message)
        if at is None:
            return
    if not value:
        del table[str(key)]


def _claimant(ports: list[Any], message: str) -> int | None:
    """Return the last of several ports that a mistake which begins with `5000/tcp` is about; None if none is."""
    found = re.match(r"(\d+)/(\w+)", message)
    if found is None:
        return None
    for i, port in reversed(list(enumerate(ports))):
        if isinstance(port, str):
            numbers, _, protocol = port.partition("/")
        else:
            numbers, protocol = (
                str(port.get("published_port", port.get("target_port"))),
                port.get("protocol", ""),
            )
        if found[1] == numbers.partition(":")[0] and found[2] == (protocol or "tcp"):
            return int(i)
    return None


def _leave_out(draft: Draft, kind: str, name: str, message: str) -> None:
    """Leave a whole table out, and keep it as a remark; an image that is built gives way to one that is pulled."""
    draft.left_out[kind, name] = draft.table(kind).pop(name)
    draft.note((kind, name), f"left out: {message}")
    if kind == "images":
        for service, table in draft.table("services").items():
            if table.get("image") == name:
                table["image"] = f"{name}:latest"
                draft.note(
                    ("services", service),
                    f"image: build it as {name}:latest elsewhere, since it can't be built here",
                )
