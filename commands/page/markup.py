"""HTML and SVG, put together of pieces: whatever is not a piece itself is text, and escaped."""

import re
from html import escape

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]|[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]"
)
"""What HTML does not allow, and what can't be seen or turns the direction of text: names could look like others."""
_VOID = {"meta", "link", "br"}


class Markup(str):
    """A piece of HTML or SVG. Any other string is text."""

    __slots__ = ()


def el(name: str, /, *children: str | None, **attributes: str | float | bool | None) -> Markup:
    """Return an element.

    Args:
        name: Its name, one of this program's.
        children: Pieces as they are, and texts, which are escaped. None is left out.
        attributes: Its attributes. `_` stands for `-` and is left out at the end, as in `class_`; True has no value;
            None and False are left out.

    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        words.append(attribute if value is True else f'{attribute}="{text(_number(value))}"')
    inside = "" if name in _VOID else f"{joined(*children)}</{name}>"
    return Markup(f"<{' '.join(words)}>{inside}")


def joined(*children: str | None) -> Markup:
    """Return pieces and texts one after another."""
    return Markup("".join(each if isinstance(each, Markup) else text(each) for each in children if each))


def text(words: str) -> Markup:
    """Return a text as a piece; control characters and those that turn its direction are shown as a sign."""
    return Markup(escape(_CONTROL.sub("\ufffd", words)))


def _number(value: str | float) -> str:
    """Return a number in its shortest form."""
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
