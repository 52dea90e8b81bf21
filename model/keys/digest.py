"""Inputs of resources, their digests, and the keys made from them.

An *input* is a named small text: a value of a definition under its key path, a file's mode and digest under its
path, a field of a record. A *key* is the digest of all inputs of a resource. Inputs are kept apart, not melted
into one digest, so that skep can name the one that changed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from model.secrets.secret import UNKNOWN_FINGERPRINT
from model.toml_text import printable

Inputs = dict[str, str]
"""Input name to its value, or to the digest of a value that is long or not text."""

_LONG = 200
_NAMED_BY_CONTENT = ("secret.", "config.")
"""Prefixes of inputs whose values are names by content (`model/swarm/content_names.py`)."""
_OPAQUE = ("sha256:", "hmac:", "file ")
_WORDS = {"None": "not set", "True": "true", "False": "false"}
"""How values are said that providers' inputs have in Python's words; a text of site.toml's has quotation marks."""
_HEX, _HEX_DIGITS = 32, frozenset("0123456789abcdef")


def canonical(value: object) -> str:
    """Return a value as canonical JSON: sorted keys, no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(data: bytes | str) -> str:
    """Return the SHA-256 of data in hexadecimal."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def flatten(name: str, value: object) -> Inputs:
    """Return a definition's values as inputs under their key paths: `environment.TZ`, `ports[1].target`.

    Empty tables and lists are inputs too, so that `command = []` differs from no command.
    """
    if isinstance(value, Mapping) and value:
        return {key: text for part in value for key, text in flatten(f"{name}.{part}", value[part]).items()}
    if isinstance(value, list | tuple) and value:
        return {
            key: text for i, part in enumerate(value) for key, text in flatten(f"{name}[{i}]", part).items()
        }
    text = canonical(value)
    return {name: text if len(text) <= _LONG else f"sha256:{sha256(text)}"}


def key_of(inputs: Mapping[str, str]) -> str:
    """Return the key of a resource: the digest of all its inputs, whatever their order."""
    return sha256(canonical(dict(inputs)))


@dataclass(frozen=True)
class Difference:
    """An input that differs from the recorded one.

    Args:
        name: The input's name.
        old: What it was; None where there was none.
        new: What it is; None where it is no more.

    """

    name: str
    old: str | None
    new: str | None

    def sentence(self, name: str = "") -> str:
        """Return a sentence, under another name if one is given."""
        name = name or self.name
        if self.new is None:
            return f"{name} removed"
        if self.old is None:
            return f"{name} added"
        if self.is_opaque:
            return f"{name} changed"
        return f"{name}: {printable(abbreviated(self.old))} → {printable(abbreviated(self.new))}"

    @property
    def is_opaque(self) -> bool:
        """Whether its values are digests, which tell a person nothing."""
        values = (self.old, self.new)
        return None not in values and any(text.startswith(_OPAQUE) for text in values if text)


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[Difference]:
    """Return each input that differs, by name, those with readable values first.

    An empty table or list that became one with values, or the other way round, is told by those values alone.
    """
    found = [
        Difference(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if not _same(name, old.get(name), new.get(name))
    ]
    names = [difference.name for difference in found]
    told = [
        difference
        for difference in found
        if {difference.old, difference.new} not in ({None, "{}"}, {None, "[]"})
        or not any(name.startswith((f"{difference.name}.", f"{difference.name}[")) for name in names)
    ]
    return sorted(told, key=lambda difference: difference.is_opaque)


def _same(name: str, old: str | None, new: str | None) -> bool:
    """Return whether an input is the same; a secret that was not read counts as the same."""
    if old == new:
        return True
    if old is None or new is None:
        return False
    if new == UNKNOWN_FINGERPRINT:
        return old.startswith("hmac:")
    # A Docker secret's name holds a part of its digest.
    begin, unasked, _ = new.rpartition(UNKNOWN_FINGERPRINT.removeprefix("hmac:"))
    return bool(unasked) and name.startswith(_NAMED_BY_CONTENT) and old.startswith(begin)


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return a sentence for each input that differs; see `differences` for their order."""
    return [difference.sentence() for difference in differences(old, new)]


def abbreviated(text: str) -> str:
    """Return a value for a sentence: ids and digests abbreviated, without Python's words."""
    return text[:12] if len(text) >= _HEX and set(text) <= _HEX_DIGITS else _WORDS.get(text, text)
