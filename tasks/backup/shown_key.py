"""Whether somebody printed the key of the backups, which belongs into a safe: the vault says so, here and on its host.

Without the key, and without the stage's secrets, no place off the site can be read.
"""

from collections.abc import Mapping
from dataclasses import replace

from model.errors import HostError, SkepError
from remote.ssh.ssh_files import now
from tasks.hosts.stage_vault import change_copy, copy_on
from tasks.run.context import Run
from tasks.run.vault import Vault

LINE = "nobody has put the key of the backups into a safe yet: doit backups key prints it (docs/backup.md)"


def key_shown(run: Run, *, asks: bool) -> Mapping[str, str] | None:
    """Return when and by whom the key was first printed: `at` and `by`.

    Args:
        run: The run. If it holds the stage's lock here, what the repository host knows is kept here as well.
        asks: Whether the repository host is asked where this checkout knows of nobody: another one may know.

    Returns:
        Empty if nobody has printed it; None if there is no key, as the site has no backups or is not made yet.

    """
    if run.stage.site.backup is None:
        return None
    try:
        vault = run.secrets.vault
    except KeyError:
        return None
    if vault.key_shown or not asks or run.state.host_record(run.stage.repository) is None:
        return vault.key_shown
    try:
        there = copy_on(run.connections, run.stage.repository, lambda _line: None)
    except SkepError:
        return vault.key_shown
    if there is None or there.stage != vault.stage:
        return vault.key_shown
    if there.key_shown and run.state.is_held:
        run.secrets.keep(replace(run.secrets.vault, key_shown=there.key_shown))
    return there.key_shown


def key_lines(shown: Mapping[str, str] | None) -> list[str]:
    """Return the line that the key should be printed; none if it was, or if there is no key."""
    return [LINE] if shown is not None and not shown else []


def note_key_shown(run: Run) -> None:
    """Note that the key was printed, in the vault here and in the repository host's copy of it.

    What is noted already stays. The vault here is written only by whoever holds the stage's lock here; where a run is
    at work, it takes the note from the repository host.

    Raises:
        HostError: The repository host can't be reached, has no copy, or a run has written that meanwhile: other
            checkouts don't know of it.
        StateError: The vault here can't be written.

    """
    note = {"at": now(), "by": run.stage_lock.who}
    if run.state.is_held and not run.secrets.vault.key_shown:
        run.secrets.keep(replace(run.secrets.vault, key_shown=note))
    host = run.stage.repository
    stage = run.secrets.vault.stage

    def noted(there: Vault) -> Vault:
        return replace(there, key_shown=note) if there.stage == stage and not there.key_shown else there

    there = change_copy(run.connections, host, noted)
    if there is None or there.stage != stage:
        raise HostError(f"{host.short} has no copy of these secrets of the stage (doit setup_hosts)")
