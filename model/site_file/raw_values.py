"""Values that TOML has and no key of site.toml takes: dates, `nan`, numbers of more than 64 bits, NUL. Pure."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from math import isinf, isnan
from typing import Any

from model.places import Place, may_be_a_secret, parts
from model.toml_text import key_path, short_text

DEEPEST = 40
"""How many tables and lists may lie in one another. TOML has no limit; what reads a site has."""
TOO_DEEP = f"tables and lists lie more than {DEEPEST} deep in one another"
_LARGEST = 2**63 - 1


def too_deep(data: Mapping[str, Any]) -> str:
    """Return that tables and lists lie too deep in one another, in a line; empty if they don't.

    It comes first: every other check goes from value to value by itself.
    """
    for key, top in data.items():
        level: list[Any] = [top]
        for _ in range(DEEPEST):
            level = [part for value in level for _, part in parts(value)]
        if level:
            return f"{key_path([key])}: {TOO_DEEP}"
    return ""


def without_odd_values(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[Place, str]]:
    """Return a file's content with stand-ins for values that no key takes, and a sentence for each by its place.

    The stand-ins let the other mistakes be found. Raises nothing: depth was checked before.
    """
    problems: dict[Place, str] = {}

    def cleaned(place: Place, value: Any) -> Any:
        if isinstance(value, dict):
            return {_key(place, key, problems): cleaned((*place, key), part) for key, part in value.items()}
        if isinstance(value, list):
            return [cleaned((*place, i), part) for i, part in enumerate(value)]
        sentence, stand_in = _oddity(value, "this" if may_be_a_secret(place) else short_text(value))
        if sentence:
            problems[place] = sentence
        return stand_in

    return cleaned((), data), problems


def _key(place: Place, key: str, problems: dict[Place, str]) -> str:
    """Return a key without control characters, which are a problem."""
    found = "".join(char for char in key if char >= " " and char != "\x7f")
    if found != key:
        problems[*place, key] = "its name has a control character"
    return found


def _oddity(value: Any, shown: str) -> tuple[str, Any]:
    """Return what is wrong with a value, empty if nothing is, and what stands in for it.

    Args:
        value: The value.
        shown: What messages call it.

    """
    if isinstance(value, datetime | date | time):
        kind = "a time" if isinstance(value, time) else "a date"
        return f"{shown} is {kind} of TOML: write it as a text, in quotes", value.isoformat()
    if isinstance(value, float) and (isnan(value) or isinf(value)):
        return f"{shown} is not a number that can be used", 1.0
    if isinstance(value, int) and not -_LARGEST - 1 <= value <= _LARGEST:
        return f"{shown} has more than 64 bits", 1
    if isinstance(value, str) and "\0" in value:
        return f"{shown} has a NUL, with which no program can be called", value.replace("\0", "")
    return "", value


def told(problems: Mapping[Place, str]) -> Iterator[str]:
    """Yield a line for each problem."""
    yield from (f"{key_path(place)}: {sentence}" for place, sentence in problems.items())
