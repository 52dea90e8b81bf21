"""What tomli says of a text that is no TOML, in TOML's own words; it writes keys and characters as Python does."""

import ast
import re

from model.toml_text import key_path, toml_text

_TWICE = re.compile(r"Cannot declare (\(.*\)) twice")
_TAKEN = re.compile(r"Cannot (?:redefine|mutate immutable) namespace (\(.*\))(?= \(at )")
_CHARACTER = re.compile(r"(?:Illegal|Found invalid) character ('.*'|\".*\")(?= \(at )")
_IN_LINE = re.compile(r"Duplicate inline table key ('.*'|\".*\")(?= \(at )")


def syntax_mistake(error: ValueError) -> str:
    """Return the mistake that tomli found, with its line and column."""
    said = str(error)
    said = _TWICE.sub(lambda found: f"[{_key(found)}] is there twice", said)
    said = _TAKEN.sub(lambda found: f"{_key(found)} is there already, and nothing can be added to it", said)
    said = _CHARACTER.sub(
        lambda found: f"the character {toml_text(_value(found))} can't stand in a text, unless it is escaped",
        said,
    )
    said = _IN_LINE.sub(lambda found: f"the key {toml_text(_value(found))} is there twice", said)
    return said.replace("Cannot overwrite a value", "the key is there already")


def _value(found: re.Match[str]) -> str:
    """Return what Python writes so."""
    return str(ast.literal_eval(found[1]))


def _key(found: re.Match[str]) -> str:
    """Return a key that Python writes as a tuple."""
    return key_path(ast.literal_eval(found[1]))
