"""Single values of compose files, as site.toml writes them: durations, sizes, numbers, permissions. Pure."""

import re
import shlex
from typing import Any

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)[iI]?[bB]?\s*")
_MICRO = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ns)")
_TRUE = ("true", "1", "yes", "y", "on")
_FALSE = ("false", "0", "no", "n", "off", "")


def size(value: Any) -> str:
    """Return a size, as `512M`; what is none comes back as it is."""
    found = _SIZE.fullmatch(text(value))
    return f"{found[1]}{found[2].upper()}" if found else text(value)


def duration(value: Any) -> str:
    """Return a duration; a bare number is one of seconds, as Docker has nothing else in mind."""
    given = text(value).replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", given):
        return f"{given}s"
    if (micro := _MICRO.fullmatch(given)) is not None:
        return f"{max(1, round(float(micro[1]) / (1_000_000 if micro[2] == 'ns' else 1_000)))}ms"
    return given


def number(value: Any) -> Any:
    """Return a number that may be written as a text; what is none comes back as it is."""
    if isinstance(value, bool | int | float):
        return value
    for kind in (int, float):
        try:
            return kind(text(value).strip())
        except ValueError:
            continue
    return value


def boolean(value: Any) -> Any:
    """Return a truth value that may be written as a text; what is none comes back as it is."""
    given = text(value).strip().lower()
    return True if given in _TRUE else False if given in _FALSE else value


def permissions(value: Any) -> str:
    """Return permissions in octal: YAML reads `0440` as a number, and a text has them in octal."""
    if isinstance(value, int):
        return f"{value:04o}"
    given = text(value).removeprefix("0o")
    return given if len(given) > 3 else given.zfill(4)  # noqa: PLR2004 - permissions with a first 0


def words(value: Any) -> list[str]:
    """Return a command as its words: compose splits a text, and runs no shell.

    Raises:
        ValueError: A quote is not closed.

    """
    return [text(word) for word in value] if isinstance(value, list) else shlex.split(text(value))


def text(value: Any) -> str:
    """Return a scalar as Docker gets it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def texts(values: Any) -> list[str]:
    """Return scalars, or a single one, as Docker gets them."""
    return [
        text(value) for value in (values if isinstance(values, list) else [] if values is None else [values])
    ]
