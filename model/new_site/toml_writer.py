"""Values as lines of a TOML file that people go on with. Pure.

`model.toml_text` writes values for messages: on one line, in single quotes.
"""

import re
from collections.abc import Mapping, Sequence

WIDTH = 110
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def written_key(key: str) -> str:
    """Return a key, in quotes where it needs them."""
    return key if _BARE.fullmatch(key) else _string(key)


def written(value: object) -> str:
    """Return a value on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        parts = [f"{written_key(str(key))} = {written(part)}" for key, part in value.items()]
        return f"{{ {', '.join(parts)} }}" if parts else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(written, value))}]"
    return str(value)


def assignment(key: str, value: object) -> list[str]:
    """Return the lines of a key with its value: long lists have a line for each item."""
    line = f"{written_key(key)} = {written(value)}"
    if isinstance(value, str) and _is_long_text(value):
        return _text_lines(key, value)
    if len(line) <= WIDTH or isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        return [line]
    return [f"{written_key(key)} = [", *(f"  {written(item)}," for item in value), "]"]


def _is_long_text(text: str) -> bool:
    """Return whether a text reads better on lines of its own, and can be written so."""
    return text.count("\n") > 1 and '"""' not in text and not text.endswith('"') and "\r" not in text


def _text_lines(key: str, text: str) -> list[str]:
    """Return a text with line breaks as lines."""
    inner = "".join(char if char == "\n" else _written_char(char) for char in text)
    inner = inner.replace('\\"', '"')
    return f'{written_key(key)} = """\n{inner}"""'.split("\n")


def _string(text: str) -> str:
    """Return a text in double quotes; in single ones, if that saves escapes."""
    if ('"' in text or "\\" in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return f'"{"".join(map(_written_char, text))}"'


def _written_char(char: str) -> str:
    """Return a character of a text in double quotes."""
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    return f"\\u{ord(char):04X}" if ord(char) < 0x10000 else f"\\U{ord(char):08X}"  # noqa: PLR2004 - TOML's forms
