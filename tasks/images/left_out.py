"""Files that git ignores and a build misses: they are no part of a role or context, and that is said."""

import re
from contextlib import suppress
from pathlib import Path

from model.errors import BuildError, ConfigError
from model.keys.tree import Selection, ignored_below


def with_left_out(
    error: BuildError, label: str, root: Path, selection: Selection | None = None
) -> BuildError:
    """Return an error, with the way out if it names a file that git ignores.

    Args:
        error: The error of a build.
        label: What messages call the directory.
        root: The role or context.
        selection: Chooses among its files.

    """
    with suppress(ConfigError):
        for path in ignored_below(root, selection):
            name = path.rpartition("/")[2]
            if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", str(error)):
                return BuildError(
                    f"{error}\n    git ignores {label}/{path}, which is no part of {label} therefore: if it belongs "
                    f"there, have git track it (git add -f {label}/{path})"
                )
    return error
