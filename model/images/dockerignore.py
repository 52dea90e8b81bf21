"""Select the files of a build context by `.dockerignore`. Pure.

The rules are Docker's own, as github.com/moby/patternmatcher has them (`patternmatcher.go`, `ignorefile/`) and
github.com/tonistiigi/fsutil applies them (`filter.go`): one pattern a line, cleaned as a path; `*` and `?` within a
name, `**` across names, `[a-z]`, `!` takes back, the last line that fits decides; what lies below something that fits
does so too.
"""

import posixpath
import re
from dataclasses import dataclass

from model.errors import ConfigError

_FILE = ".dockerignore"
DOCKERFILE = "Dockerfile"
_BOM = b"\xef\xbb\xbf"
_SPECIAL = frozenset("*?[]\\")


def ignore_files(dockerfile: str = DOCKERFILE) -> tuple[str, str]:
    """Return the files that may say what a context is without; the first one that is there counts, and no other."""
    return f"{dockerfile}{_FILE}", _FILE


@dataclass(frozen=True)
class IgnorePattern:
    """One line of `.dockerignore`.

    Args:
        expression: What it matches: paths below the context.
        excludes: Whether it leaves out, or takes back.
        prefix: The path before its first special character.

    """

    expression: re.Pattern[str]
    excludes: bool
    prefix: str


@dataclass(frozen=True)
class DockerIgnore:
    """The rules by which files are left out of a context.

    Args:
        patterns: The lines of its `.dockerignore`.
        never: Paths that are left out, whatever these say: that of `.dockerignore` itself.

    """

    patterns: tuple[IgnorePattern, ...] = ()
    never: frozenset[str] = frozenset()

    def excludes(self, path: str, above: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        """Return whether a path is left out, and which patterns match it or a directory above it."""
        matches = tuple(
            (above[i] if above else False) or pattern.expression.fullmatch(path) is not None
            for i, pattern in enumerate(self.patterns)
        )
        excluded = False
        for pattern, match in zip(self.patterns, matches, strict=True):
            excluded = pattern.excludes if match else excluded
        return excluded or path in self.never, matches

    def may_return(self, path: str) -> bool:
        """Return whether a line takes back something below a directory that is left out."""
        below = f"{path}/"
        return path not in self.never and any(
            not pattern.excludes and (below.startswith(pattern.prefix) or pattern.prefix.startswith(below))
            for pattern in self.patterns
        )


def dockerignore(text: bytes, label: str) -> tuple[IgnorePattern, ...]:
    """Return the lines of a `.dockerignore`.

    Args:
        text: Its content.
        label: What messages call it.

    Raises:
        ConfigError: Lines that Docker refuses, each with its number.

    """
    patterns, problems = [], []
    for number, raw in enumerate(text.removeprefix(_BOM).split(b"\n"), 1):
        try:
            # Docker looks for the mark of a comment before it removes white space.
            line = "" if raw.startswith(b"#") else raw.decode().strip()
            pattern = _pattern(line) if line else None
        except UnicodeDecodeError:
            problems.append(f"{label}: line {number}: is not UTF-8")
        except ValueError as error:
            problems.append(f"{label}: line {number}: {line}: {error}")
        else:
            patterns += [pattern] if pattern else []
    if problems:
        raise ConfigError(problems)
    return tuple(patterns)


def _pattern(line: str) -> IgnorePattern | None:
    """Return a line as a pattern; None for one that can match nothing.

    Raises:
        ValueError: It is none.

    """
    excludes = not line.startswith("!")
    text = line.removeprefix("!").strip()
    if not text:
        raise ValueError("nothing stands behind the `!`")
    path = posixpath.normpath(text).lstrip("/")
    if not path and not excludes:
        raise ValueError("only paths below the context can be taken back, and `/` is none")
    if path in ("", ".") or path.split("/")[0] == "..":
        return None
    prefix = next((path[:i] for i, char in enumerate(path) if char in _SPECIAL), path)
    return IgnorePattern(re.compile(_expression(path), re.DOTALL), excludes, prefix)


def _expression(pattern: str) -> str:
    """Return a pattern as a regular expression.

    Raises:
        ValueError: It is none.

    """
    if pattern.startswith("**") and not _SPECIAL & set(pattern[2:]):
        # As Docker takes `**` at the beginning: anything before, even within a name.
        rest = pattern[2:]
        return f"(?:.*/)?{re.escape(rest[1:])}" if rest.startswith("/") else f".*{re.escape(rest)}"
    text, i = "", 0
    while i < len(pattern):
        char = pattern[i]
        if pattern.startswith("**", i):
            i += 3 if pattern.startswith("/", i + 2) else 2
            text += ".*" if i == len(pattern) else "(?:.*/)?"
        elif char == "[":
            part, i = _class(pattern, i + 1)
            text += part
        elif char == "\\":
            if i + 1 == len(pattern):
                raise ValueError("nothing stands behind the `\\`")
            text, i = text + re.escape(pattern[i + 1]), i + 2
        else:
            text, i = text + {"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)), i + 1
    return text


def _class(pattern: str, i: int) -> tuple[str, int]:
    """Return a class of characters as a regular expression, and where it ends.

    Args:
        pattern: The pattern.
        i: Where it begins, behind the bracket.

    Raises:
        ValueError: It is none.

    """
    negated = pattern.startswith("^", i)
    i += negated
    parts: list[str] = []
    while not (parts and pattern.startswith("]", i)):
        first, i = _character(pattern, i)
        last = first
        if pattern.startswith("-", i):
            last, i = _character(pattern, i + 1)
        if last < first:
            raise ValueError(f"the range {first}-{last} is upside down")
        parts.append(f"{re.escape(first)}-{re.escape(last)}")
    return f"[{'^' if negated else ''}{''.join(parts)}]", i + 1


def _character(pattern: str, i: int) -> tuple[str, int]:
    """Return a character of a class, and where the next one begins."""
    i += pattern.startswith("\\", i)
    if i >= len(pattern):
        raise ValueError("a `[` without its `]`")
    if pattern[i] in "-]" and not pattern.startswith("\\", i - 1):
        raise ValueError(f"`{pattern[i]}` stands at the wrong place between brackets; write `\\{pattern[i]}`")
    return pattern[i], i + 1
