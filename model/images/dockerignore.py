"""Select the files of a build context by `.dockerignore`. Pure.

The rules are Docker's own: one pattern a line, `*` and `?` within a name, `**` across names, `!` takes back, the last
line that fits decides; what lies below something that fits does so too.
"""

import re
from collections.abc import Iterable, Sequence

from model.keys.digest import Entry

_FILE = ".dockerignore"
_DOCKERFILE = "Dockerfile"


def counted(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries of a context that a build sees; the Dockerfile always, `.dockerignore` itself never."""
    text = next((entry.data for entry in entries if entry.path == _FILE), b"")
    rules = list(_rules(text.decode(errors="replace").splitlines()))
    kept = [
        entry
        for entry in entries
        if entry.path == _DOCKERFILE or (entry.path != _FILE and not _ignored(entry.path, rules))
    ]
    # The parent directories of kept files are kept, whatever the rules say.
    needed = {parent for entry in kept for parent in _above(entry.path)}
    paths = {entry.path for entry in kept}
    return tuple(
        entry
        for entry in entries
        if entry.path in paths or (entry.kind == "directory" and entry.path in needed)
    )


def _rules(lines: Iterable[str]) -> Iterable[tuple[re.Pattern[str], bool]]:
    """Yield each line as a regular expression, and whether it excludes."""
    for raw in lines:
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        ignores = not line.startswith("!")
        parts = [part for part in line.removeprefix("!").strip().split("/") if part not in ("", ".")]
        if parts:
            yield re.compile(_expression(parts)), ignores


def _expression(parts: Sequence[str]) -> str:
    """Return the parts of a pattern as a regular expression."""
    text = ""
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:.*/)?"
        else:
            text += "".join(map(_piece, re.findall(r"\*+|\?|\[[^]]+\]|\\?.", part))) + ("" if last else "/")
    return text


def _piece(piece: str) -> str:
    """Return one piece of a part as a regular expression."""
    if piece.startswith("*"):
        return "[^/]*" if piece == "*" else ".*"
    if piece == "?":
        return "[^/]"
    if piece.startswith("[") and len(piece) > 1:
        return piece
    return re.escape(piece.removeprefix("\\") or piece)


def _ignored(path: str, rules: Sequence[tuple[re.Pattern[str], bool]]) -> bool:
    """Return whether a path or one of its parents is excluded."""
    ignored = False
    candidates = [path, *_above(path)]
    for pattern, ignores in rules:
        if any(pattern.fullmatch(candidate) for candidate in candidates):
            ignored = ignores
    return ignored


def _above(path: str) -> list[str]:
    """Return a path's parent directories."""
    parts = path.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]
