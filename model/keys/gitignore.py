"""The files that git ignores. Reads git's files, and runs nothing.

The rules are those of gitignore(5): `.gitignore` in each directory from the top of the work tree down, then
`.git/info/exclude`, then the person's own file (`core.excludesFile`); the last pattern that fits decides, those of a
deeper file first; a file that git tracks is never ignored. How patterns match follows git's wildmatch.c, how lines are
read its dir.c, and the index its gitformat-index(5).
"""

import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from model.user_paths import content_of

GIT = ".git"
_IGNORE = ".gitignore"
_BOM = b"\xef\xbb\xbf"
_SPECIAL = frozenset("*?[\\")
_SECTION = re.compile(r"\s*\[([^\]]*)\]")
_SETTING = re.compile(r"\s*([A-Za-z][\w-]*)\s*(?:=\s*(?:\"([^\"]*)\"|([^#;]*))\s*)?(?:[#;].*)?")
_POSIX = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t-\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


@dataclass(frozen=True)
class IgnoreRule:
    """One line of a file such as `.gitignore`.

    Args:
        expression: What it matches: a name, or the path below the file's directory.
        is_path: Which of the two.
        only_directories: Whether it matches directories alone.
        ignores: Whether it ignores, or takes back.

    """

    expression: re.Pattern[str]
    is_path: bool
    only_directories: bool
    ignores: bool


def rules(text: bytes, *, ignore_case: bool = False) -> list[IgnoreRule]:
    """Return the rules in a file's content. Pure."""
    found = []
    for raw in text.removeprefix(_BOM).split(b"\n"):
        line = _without_trailing_spaces(raw.removesuffix(b"\r").decode("latin-1"))
        if line.startswith("#"):
            continue
        ignores = not line.startswith("!")
        line = line.removeprefix("!")
        only_directories = line.endswith("/")
        line = line.removesuffix("/")
        is_path = "/" in line
        expression = _expression(line.removeprefix("/"), is_path=is_path) if line else None
        if expression is not None:
            flags = re.DOTALL | re.ASCII | (re.IGNORECASE if ignore_case else 0)
            found.append(IgnoreRule(re.compile(expression, flags), is_path, only_directories, ignores))
    return found


def _without_trailing_spaces(line: str) -> str:
    """Return a line without the spaces at its end, but for one behind a backslash."""
    while line.endswith(" "):
        before = line[:-1]
        if (len(before) - len(before.rstrip("\\"))) % 2:
            break
        line = before
    return line


def _expression(pattern: str, *, is_path: bool) -> str | None:
    """Return a pattern as a regular expression; None for one that matches nothing."""
    text, i = "", 0
    while i < len(pattern):
        char = pattern[i]
        if char == "*":
            stars = len(pattern[i:]) - len(pattern[i:].lstrip("*"))
            # Git compares what is before the first special character by itself, so that `**` behind it begins, too.
            begins = not _SPECIAL & set(pattern[:i]) or pattern[i - 1] == "/"
            rest = pattern[i + stars :]
            i += stars
            is_across = is_path and stars > 1 and begins
            if is_across and rest.startswith("/"):
                text, i = f"{text}(?:.*/)?", i + 1
            elif is_across and (not rest or rest.startswith("\\/")):
                text += ".*"
            else:
                text += "[^/]*"
        elif char == "?":
            text, i = f"{text}[^/]", i + 1
        elif char == "[":
            made = _class(pattern, i + 1)
            if made is None:
                return None
            part, i = made
            text += part
        elif char == "\\":
            if i + 1 == len(pattern):
                return None
            text, i = text + re.escape(pattern[i + 1]), i + 2
        else:
            text, i = text + re.escape(char), i + 1
    return text


def _class(pattern: str, i: int) -> tuple[str, int] | None:
    """Return a class of characters as a regular expression, and where it ends; None for one without an end.

    Args:
        pattern: The pattern.
        i: Where it begins, behind the bracket.

    """
    negated = pattern.startswith(("!", "^"), i)
    i += negated
    begin, parts, last = i, "", ""
    while i < len(pattern) and (pattern[i] != "]" or i == begin):
        name = re.match(r"\[:(\w*):\]", pattern[i:])
        if name is not None:
            if name[1] not in _POSIX:
                return None
            parts, i, last = parts + _POSIX[name[1]], i + len(name[0]), ""
            continue
        is_range = pattern[i] == "-" and bool(last) and pattern[i + 1 : i + 2] not in ("", "]")
        i += is_range
        i += pattern[i] == "\\"
        if i >= len(pattern):
            return None
        char = pattern[i]
        if is_range:
            # A range that is upside down holds nothing.
            parts = parts + "-" + re.escape(char) if last <= char else parts
            last = ""
        else:
            parts, last = parts + re.escape(char), char
        i += 1
    if i >= len(pattern):
        return None
    return f"(?!/)[{'^' if negated else ''}{parts}]", i + 1


@dataclass(frozen=True)
class Level:
    """The rules in force in one directory of a work tree.

    Args:
        tree: The work tree.
        path: The directory's path in it, with a slash at its end; empty for the top.
        lists: The lists of rules, the first one the strongest, each with the path of its directory.
        is_ignored: Whether the directory itself is, so that only what git tracks is in it.

    """

    tree: "WorkTree"
    path: str
    lists: tuple[tuple[str, Sequence[IgnoreRule]], ...]
    is_ignored: bool = False

    def ignores(self, name: str, *, is_directory: bool) -> bool:
        """Return whether something in this directory is ignored, with all that is in it."""
        path = f"{self.path}{name}"
        if not self.is_ignored and not self._matches(path, name, is_directory=is_directory):
            return False
        return not self.tree.tracks(path, is_directory=is_directory)

    def enter(self, name: str) -> "Level":
        """Return the rules in force in a directory of this one."""
        path = f"{self.path}{name}"
        ignored = self.is_ignored or self._matches(path, name, is_directory=True)
        return replace(self, path=f"{path}/", is_ignored=ignored).with_own()

    def with_own(self) -> "Level":
        """Return these rules with those of the directory's own file."""
        own = self.tree.rules_of(self.tree.top / self.path / _IGNORE, follow=False)
        return replace(self, lists=((self.path, own), *self.lists)) if own else self

    def _matches(self, path: str, name: str, *, is_directory: bool) -> bool:
        """Return whether the last rule that fits ignores."""
        own = _bytes_of(name)
        for base, listed in self.lists:
            below = _bytes_of(path[len(base) :])
            for rule in reversed(listed):
                if rule.only_directories and not is_directory:
                    continue
                if rule.expression.fullmatch(below if rule.is_path else own):
                    return rule.ignores
        return False


def _bytes_of(path: str) -> str:
    """Return a path with one character for each byte: git's `?` and `[…]` are bytes."""
    return os.fsencode(path).decode("latin-1")


def level_of(directory: Path) -> Level | None:
    """Return git's rules in a directory; None if it is in no work tree, or is ignored with all that is in it.

    Who names an ignored directory means what is in it, such as roles that were installed there.
    """
    place = directory.resolve()
    top = next((each for each in (place, *place.parents) if is_top(each)), None)
    tree = WorkTree.at(top) if top is not None else None
    if top is None or tree is None:
        return None
    level = Level(tree, "", tuple(("", listed) for listed in tree.common_rules)).with_own()
    for name in place.relative_to(top).parts:
        if level.ignores(name, is_directory=True):
            return None
        level = level.enter(name)
    return level


def is_top(directory: Path) -> bool:
    """Return whether a directory is the uppermost of a work tree, as far as one may look."""
    try:
        return (directory / GIT).exists()
    except OSError:
        return False


class WorkTree:
    """A work tree of git.

    Args:
        top: Its uppermost directory.
        own: Its own directory of git, with the index.

    """

    def __init__(self, top: Path, own: Path) -> None:
        self.top, self._own = top, own
        common = own / "commondir"
        self._common = own / common.read_text().strip() if common.is_file() else own

    @classmethod
    def at(cls, top: Path) -> "WorkTree | None":
        """Return the work tree with this uppermost directory; None if git has nothing there that can be read."""
        place = top / GIT
        try:
            if place.is_file():
                # A submodule's, or that of a further work tree.
                place = top / place.read_text().removeprefix("gitdir:").strip()
            return cls(top, place) if (place / "HEAD").is_file() else None
        except (OSError, UnicodeError):
            return None

    def rules_of(self, path: Path, *, follow: bool = True) -> list[IgnoreRule]:
        """Return the rules of a file; none if it is not there, or is a link where git follows none."""
        if not follow and path.is_symlink():
            return []
        try:
            return rules(content_of(path), ignore_case=self._setting("core", "ignorecase") == "true")
        except OSError:
            return []

    @property
    def common_rules(self) -> Iterator[list[IgnoreRule]]:
        """Yield the rules for the whole tree, the strongest first."""
        yield self.rules_of(self._common / "info" / "exclude")
        named = self._setting("core", "excludesfile")
        default = _config_home() / "git" / "ignore"
        yield self.rules_of((self.top / Path(named).expanduser()) if named else default)

    def _setting(self, section: str, key: str) -> str:
        """Return a setting of git's, empty without one."""
        return self._settings.get(f"{section}.{key}", "")

    @cached_property
    def _settings(self) -> dict[str, str]:
        """The settings that count here, of all files that git reads."""
        paths = (
            Path("/etc/gitconfig"),
            _config_home() / "git" / "config",
            Path("~/.gitconfig").expanduser(),
            self._common / "config",
        )
        found: dict[str, str] = {}
        for path in paths:
            found |= _settings(path)
        return found

    def tracks(self, path: str, *, is_directory: bool) -> bool:
        """Return whether git tracks a file, or something in a directory."""
        return path in (self._directories if is_directory else self._files)

    @cached_property
    def _files(self) -> frozenset[str]:
        """The paths in the index."""
        size = 32 if self._setting("extensions", "objectformat") == "sha256" else 20
        found: set[str] = set()
        for index in (self._own / "index", *self._own.glob("sharedindex.*")):
            try:
                found |= set(_indexed(index.read_bytes(), size))
            except (OSError, ValueError, struct.error, IndexError):
                continue
        return frozenset(found)

    @cached_property
    def _directories(self) -> frozenset[str]:
        """The directories of the paths in the index."""
        return frozenset(path[:i] for path in self._files for i, char in enumerate(path) if char == "/")


def _config_home() -> Path:
    """Return the directory of a person's settings."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()


def _settings(path: Path) -> dict[str, str]:
    """Return the settings in a file of git's, as `core.excludesfile`; none of one that can't be read."""
    found: dict[str, str] = {}
    section = ""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    for line in lines:
        rest = line
        if (head := _SECTION.match(line)) is not None:
            section, rest = head[1].lower(), line[head.end() :]
        if (setting := _SETTING.fullmatch(rest)) is not None:
            value = setting[2] if setting[2] is not None else setting[3]
            found[f"{section}.{setting[1].lower()}"] = "true" if value is None else value.strip()
    return found


def _indexed(data: bytes, digest: int) -> Iterator[str]:
    """Yield the paths in an index of versions 2 to 4.

    Args:
        data: The index.
        digest: The bytes of an object's name.

    Raises:
        ValueError: It is of another version.

    """
    magic, version, count = struct.unpack_from(">4sII", data)
    if magic != b"DIRC" or version not in (2, 3, 4):
        raise ValueError(version)
    place, name = 12, b""
    for _ in range(count):
        flags = place + 40 + digest
        begin = flags + (4 if data[flags] & 0x40 else 2)
        if version == 4:  # noqa: PLR2004 - the version that shares the beginnings of names
            drop = data[begin] & 0x7F
            while data[begin] & 0x80:
                begin += 1
                drop = ((drop + 1) << 7) | (data[begin] & 0x7F)
            begin += 1
            end = data.index(b"\0", begin)
            name = name[: len(name) - drop] + data[begin:end]
            place = end + 1
        else:
            end = data.index(b"\0", begin)
            name = data[begin:end]
            place += (end - place) // 8 * 8 + 8
        yield os.fsdecode(name)
