"""Values as TOML writes them, for messages: on one line, with nothing in it that a terminal acts on. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from math import isinf, isnan

LONGEST = 60
"""Characters of a value that fit beside a path in a line."""
_MOST_BITS = 4096
"""Of a number that is written in decimal: Python refuses more than 4,300 digits."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def toml_text(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float) and (isnan(value) or isinf(value)):
        return "nan" if isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key_text(str(key))} = {toml_text(part)}' for key, part in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return hex(value)
    return "nothing" if value is None else str(value)


def short_text(value: object) -> str:
    """Return a value as TOML writes it, shortened if it is long."""
    text = toml_text(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}…"


def key_text(key: str) -> str:
    """Return a key as TOML writes it: in quotes, if it has anything but letters, digits, `-` and `_`."""
    return key if _BARE.fullmatch(key) else _quoted(key)


def key_path(parts: Iterable[str | int]) -> str:
    """Return a path in a dotted form: `services.web.ports[1]`, `services.web.labels.'a.b'`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{key_text(part)}" if text else key_text(part)
    return text


def printable(text: str) -> str:
    """Return a text on one line: line breaks and characters that are not printed are escaped, as TOML does it.

    Unicode has characters that change the order of those beside them (U+202E) or that nobody sees.
    """
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _quoted(text: str) -> str:
    """Return a text in quotes: in single ones, unless it needs escapes."""
    if "'" not in text and text.isprintable():
        return f"'{text}'"
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(inner)}"'


def _escaped(char: str) -> str:
    """Return one character as an escape of TOML."""
    code = ord(char)
    return _ESCAPES.get(char) or (f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}")  # noqa: PLR2004 - TOML's forms
