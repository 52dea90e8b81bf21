"""A copy of a site's backups off the site, read by this machine: what is left where all else is lost.

Nothing but restic, the place, its credentials and the key of the backups is needed.
"""

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from model.backup_address import has_user, with_password, without_passwords
from model.errors import StateError
from model.secrets.secret import Secret
from remote.mother.process import Completed, run

KEY_VARIABLE = "SKEP_BACKUP_PASSWORD"
"""The environment variable that has the key of the backups."""
LOGIN_VARIABLE = "RESTIC_REST_PASSWORD"
"""The environment variable that has the password of the user in a place's address, as newer restics call it."""
_TIMEOUT, _KNOCK = 3600.0, 60.0
"""Seconds: for all that is read, and until a place has to answer."""
_OTHERS = frozenset(
    {
        KEY_VARIABLE,
        "RESTIC_REPOSITORY_FILE",
        "RESTIC_PASSWORD_FILE",
        "RESTIC_PASSWORD_COMMAND",
        "RESTIC_KEY_HINT",
    }
)
"""The variables that restic must not get: the key is in one of its own, and others would take its place."""
_WRONG_KEY, _NOWHERE = (
    "wrong password",
    ("Is there a repository at the following location", "unable to open config"),
)


class SiteCopy:
    """A copy off the site.

    Args:
        repository: Its place in restic's words.
        password: The key of the backups, as `doit backups key` prints it.
        environment: Variables for restic, the place's credentials among them. They and the key are on no command line.

    """

    def __init__(
        self, repository: str, password: Secret, environment: Mapping[str, str] = os.environ
    ) -> None:
        self.repository = repository
        self._password, self._environment = password, environment

    def snapshots(self) -> list[dict[str, Any]]:
        """Return all snapshots, as restic lists them.

        Raises:
            StateError: restic is not here, the copy can't be had, or the key does not open it.

        """
        # restic itself would knock at a place that does not answer for a quarter of an hour.
        self._restic("cat", "config", timeout=_KNOCK)
        return list(json.loads(self._restic("snapshots", "--json").output or "null") or [])

    def file(self, snapshot: str, path: str) -> bytes:
        """Return a file of a snapshot.

        Args:
            snapshot: Its id in the copy.
            path: From the snapshot's root on, as in `/site.tar.gz`.

        Raises:
            StateError: As of `snapshots`; or the snapshot has no such file.

        """
        return self._restic("dump", snapshot, path).stdout

    @property
    def _address(self) -> str:
        """The place, with the password of its user: restic 0.14 takes none from the environment."""
        given = self._environment.get(LOGIN_VARIABLE, "")
        if not given or not has_user(self.repository):
            return self.repository
        return with_password(self.repository, Secret(given)).reveal()

    def _restic(self, *words: str, timeout: float = _TIMEOUT) -> Completed:
        """Run restic on the copy, which stays as it is: not even a lock is written there."""
        if shutil.which("restic") is None:
            raise StateError("restic is not on this machine, which reads the copy: apt install restic")
        kept = {name: value for name, value in self._environment.items() if name not in _OTHERS}
        env = {**kept, "RESTIC_REPOSITORY": self._address, "RESTIC_PASSWORD": self._password.reveal()}
        done = run(["restic", "--quiet", "--no-lock", "--no-cache", *words], timeout=timeout, env=env)
        if done.ok:
            return done
        if _WRONG_KEY in done.errors:
            raise StateError(
                f"from={self.repository}: the key does not open it: {KEY_VARIABLE} is to be what doit backups key "
                "printed, for this site and stage"
            )
        if any(words in done.errors for words in _NOWHERE):
            why = f"there is no copy, or it can't be had: {_last(done)}"
        else:
            why = f"{done.ending}: {_last(done)}"
        raise StateError(
            f"from={self.repository}: {why}; it is to be restic's word for the place, as repository of "
            "[[backup.copies]] has it, with the place's credentials in the environment (the password of a user in it: "
            f"{LOGIN_VARIABLE})"
        )


def _last(done: Completed) -> str:
    """Return why restic gave up: the line that says so, else its last words."""
    lines = [line.strip() for line in done.errors.splitlines() if line.strip()]
    fatal = [line.removeprefix("Fatal: ") for line in lines if line.startswith("Fatal: ")]
    return without_passwords((fatal or lines[-1:] or ["restic does not say why"])[0])
