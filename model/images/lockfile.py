"""`site.lock`: the digests that references of images are pinned to. Pure but for reading the file.

    [images]
    "debian:12" = "sha256:…"

The names are references as they are pulled: what `[bases]` maps a name to, whatever mirror is asked. Only `doit lock`
writes it.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import tomli

from model.errors import ConfigError
from model.images.reference import parse
from model.toml_syntax import syntax_mistake
from model.toml_text import key_text, printable, short_text, toml_text
from model.user_paths import content_of
from model.utf8 import utf8_text

FILE = "site.lock"
TABLE = "images"

Lockfile = Mapping[str, str]
"""Reference to digest."""


def read_lockfile(directory: Path) -> Lockfile:
    """Return a site's lockfile; empty if there is none.

    Raises:
        ConfigError: It can't be read, or is not what `doit lock` writes; all mistakes, each with its path.

    """
    path = directory / FILE
    try:
        held = tomli.loads(utf8_text(FILE, content_of(path), "put it back as it was, or delete it"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError([f"{FILE}: {error.strerror}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{FILE}: its tables lie too deep in one another; delete it"]) from error
    except ValueError as error:
        # What is no mistake of syntax is Python's limit of digits.
        is_syntax = isinstance(error, tomli.TOMLDecodeError)
        said = syntax_mistake(error) if is_syntax else "a number has more than 64 bits"
        raise ConfigError([printable(f"{FILE}: {said}; put it back as it was, or delete it")]) from error
    problems = [
        f"{FILE}: {key_text(key)}: unknown key, there is only [{TABLE}]" for key in held if key != TABLE
    ]
    pins = held.get(TABLE, {})
    if not isinstance(pins, dict):
        problems.append(f"{FILE}: {TABLE}: is not a table")
        pins = {}
    for name, digest in pins.items():
        try:
            if not isinstance(digest, str):
                raise ValueError(f"{short_text(digest)} is not a digest")  # noqa: TRY004, TRY301 - told with the others
            parse(f"{str(parse(name)).partition('@')[0]}@{digest}")
        except ValueError as error:
            problems.append(f"{FILE}: {TABLE}.{toml_text(name)}: {error}")
    if problems:
        raise ConfigError([printable(problem) for problem in problems])
    return {str(parse(name)): digest for name, digest in pins.items()}


def lockfile_text(pins: Lockfile) -> str:
    """Return the text of a lockfile, sorted, so that a diff shows only the changes."""
    lines = [f"{json.dumps(name)} = {json.dumps(digest)}\n" for name, digest in sorted(pins.items())]
    return "".join([f"[{TABLE}]\n", *lines])
