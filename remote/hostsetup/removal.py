"""Removing set-up steps and accounts from a host that is no longer to have them. Pure.

A step is removed by its `scripts/remove-<name>.sh`. Where there is none, what the step had set up stays as it is and
only its marker goes, so that the step counts as not applied.
"""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from remote.hostsetup.apply import PLAIN_NAME, lock
from remote.hostsetup.host_step import MARKERS
from remote.hostsetup.packages import script, whole_script

MANAGED_USERS = "/var/lib/skep/users"
"""Where the step `users` keeps the names of the accounts that skep manages."""

_SCRIPTS = Path(__file__).parent / "scripts"


def removal_script(name: str) -> str:
    """Return the script that removes a set-up step and its marker; run as root, and safe to repeat.

    The marker goes last: until then a run that was killed in the middle is seen to have left something.
    """
    removal = (
        script(f"remove-{name}") if has_removal(name) else f"say 'what {name} had set up stays as it is'"
    )
    return _locked(name, [removal, f"rm -f {MARKERS}/{name}"])


def has_removal(name: str) -> bool:
    """Return whether more can be removed of a step than its marker."""
    return (_SCRIPTS / f"remove-{name}.sh").is_file()


def account_removal_script(names: Sequence[str]) -> str:
    """Return the script that removes accounts which skep made, but none of their files."""
    return _locked("users", [f"ACCOUNTS={quote(' '.join(names))}", script("remove-accounts")])


def _locked(name: str, lines: Sequence[str]) -> str:
    """Return a script that holds the host's lock, as those of steps do."""
    if not PLAIN_NAME.fullmatch(name):
        raise ValueError(f"{name}: a step's name is lower-case letters, digits and _")
    return whole_script(lock(f"prune {name}"), *lines)
