"""Digests of definitions and files, and the key that they make.

An *input* is a named small text: a value of a definition under its key path, a file's mode and digest under its
path, a field of a record. A *key* is the digest of all inputs of a resource. Inputs are kept apart, not melted
into one digest, so that skep can name the one that changed.
"""

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path

from model.errors import ConfigError

Inputs = dict[str, str]
"""Input name to its value, or to the digest of a value that is long or not text."""

_LONG = 200


def canonical(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no white space."""
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


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return a sentence for each input that differs, in the order of their names."""
    said = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            said.append(f"{name} removed")
        elif name not in old:
            said.append(f"{name} added")
        elif old[name] != new[name]:
            before, after = old[name], new[name]
            opaque = any(text.startswith(("sha256:", "hmac:", "file ")) for text in (before, after))
            said.append(f"{name} changed" if opaque else f"{name}: {before} → {after}")
    return said


def file_inputs(root: Path, label: str) -> Inputs:
    """Return one input for each file, link and empty directory below a directory.

    Counted is what git keeps, so that a fresh clone has the same inputs under any umask: the path below `root`,
    whether a file is executable, and the content or a link's target. Files are handed to a role's script with
    these same modes (0755 or 0644), whatever they have in the working tree.

    Raises:
        ConfigError: The directory holds something that is no file, directory or link, or can't be read.

    """
    return {
        f"{label}/{path.relative_to(root).as_posix()}": file_input(path) for path in sorted(root.rglob("*"))
    }


def file_input(path: Path) -> str:
    """Return what counts of one file: its kind, whether it is executable, its content.

    Raises:
        ConfigError: It is no file, directory or link, or can't be read.

    """
    try:
        info = path.lstat()
        if stat.S_ISLNK(info.st_mode):
            return f"file link {path.readlink().as_posix()}"
        if stat.S_ISDIR(info.st_mode):
            return "file directory"
        if stat.S_ISREG(info.st_mode):
            return f"file {normal_mode(info.st_mode):04o} {sha256(path.read_bytes())}"
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    raise ConfigError([f"{path}: is no file, directory or link; a role may hold nothing else"])


def normal_mode(mode: int) -> int:
    """Return 0755 for what its owner may execute, else 0644."""
    return 0o755 if mode & stat.S_IXUSR else 0o644
