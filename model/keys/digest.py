"""Inputs of resources, their digests, and the keys made from them.

An *input* is a named small text: a value of a definition under its key path, a file's mode and digest under its
path, a field of a record. A *key* is the digest of all inputs of a resource. Inputs are kept apart, not melted
into one digest, so that skep can name the one that changed.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from model.errors import ConfigError
from model.secrets.secret import UNKNOWN_FINGERPRINT

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
        return f"{name}: {abbreviated(self.old)} → {abbreviated(self.new)}"

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


@dataclass(frozen=True)
class Entry:
    """A file, link or directory of a role, read once, so that the hashed content is the one used.

    Args:
        path: Below the role's directory, with `/`.
        mode: 0755 or 0644, as git keeps it; 0755 for a directory, 0777 for a link.
        data: A file's content, a link's target, nothing for a directory.
        kind: `file`, `link` or `directory`.

    """

    path: str
    mode: int
    data: bytes
    kind: str

    @property
    def input(self) -> str:
        """The value of its input: type, mode and content's digest."""
        if self.kind == "link":
            return f"file link {self.data.decode(errors='surrogateescape')}"
        return f"file {self.mode:04o} {sha256(self.data)}" if self.kind == "file" else "file directory"


def read_tree(root: Path) -> tuple[Entry, ...]:
    """Read every file, link and directory below a directory, in the order of their paths.

    Counted is what git keeps, so that a fresh clone has the same inputs under any umask: the path below `root`,
    whether a file is executable, and the content or a link's target. Files are handed to a role's script with these
    same modes (0755 or 0644), whatever they have in the working tree. Links are not followed. A directory with nothing
    in it does not count: git has none.

    Raises:
        ConfigError: There is something that is no file, directory or link, can't be read, or is not named in UTF-8.

    """
    entries = [_read(path, path.relative_to(root).as_posix()) for path in sorted(_below(root))]
    full = {
        "/".join(parts[:i])
        for parts in (entry.path.split("/") for entry in entries if entry.kind != "directory")
        for i in range(1, len(parts))
    }
    return tuple(entry for entry in entries if entry.kind != "directory" or entry.path in full)


def _below(root: Path) -> Iterator[Path]:
    """Yield all paths below a directory; links are not followed.

    `Path.rglob` takes a directory that can't be read for an empty one.
    """

    def refuse(error: OSError) -> None:
        raise ConfigError([f"{error.filename}: {error.strerror}"]) from error

    for directory, directories, files in os.walk(root, onerror=refuse):
        for name in (*directories, *files):
            yield Path(directory, name)


def _read(path: Path, name: str) -> Entry:
    """Read one entry."""
    try:
        name.encode()
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = os.fsencode(path.readlink())
            target.decode()
            return Entry(name, 0o777, target, "link")
        if stat.S_ISDIR(mode):
            return Entry(name, 0o755, b"", "directory")
        if stat.S_ISREG(mode):
            return Entry(name, 0o755 if mode & stat.S_IXUSR else 0o644, path.read_bytes(), "file")
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except UnicodeError as error:
        readable = os.fsencode(path).decode(errors="backslashreplace")
        raise ConfigError([f"{readable}: its name, or where it points, is not UTF-8"]) from error
    raise ConfigError([f"{path}: is not a file, directory or link; a role may hold nothing else"])


def tree_inputs(label: str, entries: Iterable[Entry]) -> Inputs:
    """Return one input per file and link of a tree, under `label` and its path. Directories follow from them."""
    return {f"{label}/{entry.path}": entry.input for entry in entries if entry.kind != "directory"}
