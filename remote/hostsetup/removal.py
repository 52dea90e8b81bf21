"""What is taken off a host again: set-up steps that it no longer has, accounts that nobody has any more. Pure.

A step is undone by its `scripts/undo-<name>.sh`. Where there is none, what the step had set up stays as it is and only
its marker goes, so that nobody looks at it any more.
"""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from remote.hostsetup.apply import PLAIN_NAME, lock
from remote.hostsetup.packages import PRELUDE, script
from remote.hostsetup.step import MARKERS

CARE = "/var/lib/skep/users"
"""Where the step `users` keeps which accounts are in skep's care."""

_SCRIPTS = Path(__file__).parent / "scripts"


def undo_script(name: str) -> str:
    """Return the script that undoes a set-up step and removes its marker; run as root, and safe to repeat.

    The marker goes last: until then a run that was killed in the middle is seen to have left something.
    """
    undo = script(f"undo-{name}") if is_undone(name) else f"say 'what {name} had set up stays as it is'"
    return _whole(name, [undo, f"rm -f {MARKERS}/{name}"])


def is_undone(name: str) -> bool:
    """Return whether there is more to remove of a step than its marker."""
    return (_SCRIPTS / f"undo-{name}.sh").is_file()


def accounts_script(names: Sequence[str]) -> str:
    """Return the script that removes accounts which skep made, but none of their files."""
    return _whole("users", [f"ACCOUNTS={quote(' '.join(names))}", script("undo-accounts")])


def _whole(name: str, lines: Sequence[str]) -> str:
    """Return a script that holds the host's lock, as those of steps do."""
    if not PLAIN_NAME.fullmatch(name):
        raise ValueError(f"{name}: a step's name is lower-case letters, digits and _")
    return "\n".join(["set -eu", "{", PRELUDE, lock(f"prune {name}"), *lines, "exit 0", "} </dev/null", ""])
