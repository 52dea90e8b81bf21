"""restic, which does deduplication, encryption and transport. Debian 12's 0.14 is the oldest that must do."""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any

from agent.backup import restic_process
from agent.backup.owners import rclone_option
from agent.backup.restic_errors import (
    LOCK_PATIENCE,
    LOCK_PAUSE,
    LockedError,
    failure,
    is_locked,
    last_words,
    patiently,
)
from agent.backup.stale_locks import remove_stale
from agent.errors import AgentError

_LOOKS, _LOOK_PAUSE = 3, 0.5
_UNREADABLE = ("could not load snapshot", "failed to load snapshot")
"""What restic 0.14 and newer ones say of a snapshot that can't be read."""
_WHOLE_ID = 64
"""Characters of a snapshot's id."""
_CACHE = "/var/cache/skep-backup"
_SPARSE_SINCE = (0, 15)
Heard = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Restic:
    """A repository of restic's, and how it is reached. No secret is on a command line.

    Args:
        environment: The variables that name the repository, its password and its credentials.
        ca: The file with the certificate of its server; empty for none.
        user: The user who owns the repository's files; empty for this process's own.
        owners: Path of each repository that restic reaches as root, by `rclone:PATH`, to its owner.
        directory: The repository's directory, if this host keeps it for others: its locks go by this host's clock.
        is_away: Whether it is a place off the site, which no other host works on.

    """

    environment: Mapping[str, str] = field(repr=False)
    ca: str = ""
    user: str = ""
    owners: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    is_away: bool = False

    @cached_property
    def version(self) -> tuple[int, ...]:
        """Restic's version."""
        words = self._finished(["version"]).split()
        return tuple(int(part) for part in words[1].split("-")[0].split(".")[:2])

    def exists(self) -> bool:
        """Return whether the repository is there and the password opens it.

        Raises:
            AgentError: It is there, and can't be opened.

        """
        return bool(self.repository_id())

    def repository_id(self) -> str:
        """Return the id by which the repository is known from any other one, wherever it is; empty if there is none.

        Raises:
            AgentError: It is there, and can't be opened.

        """
        done = self._run(["cat", "config", "--no-lock"])
        if done.status == 0:
            return str(json.loads(done.output)["id"])
        if (
            "Is there a repository at the following location" in done.errors
            or "unable to open config" in done.errors
        ):
            return ""
        raise AgentError(last_words(done.errors))

    def check_opens(self) -> None:
        """Make sure that the repository can be had.

        Raises:
            AgentError: It is not there, its password is another, or its server does not let this host in.

        """
        self._finished(["cat", "config", "--no-lock"])

    def wait_until_free(self) -> None:
        """Wait until no other process works on the repository alone, as when it is pruned.

        Raises:
            LockedError: It does not end in half an hour.
            AgentError: The repository can't be had.

        """
        self._patient(["cat", "config"])

    def init(self, like: "Restic | None" = None) -> None:
        """Make the repository.

        Args:
            like: Another whose parameters it takes, so that both cut files alike and copies share what is equal.

        """
        words = ["init", "--repository-version", "2"]
        self._finished([*words, *(["--copy-chunker-params"] if like else [])], beside=like)

    def snapshots(self, *identities: str) -> list[dict[str, Any]]:
        """Return the snapshots, or those that are named, as restic lists them; also while the repository is pruned.

        Raises:
            AgentError: The repository can't be read whole, or has no such snapshot.

        """
        for left in reversed(range(_LOOKS)):
            done = self._run(["snapshots", "--json", "--no-lock", *identities])
            # One that is forgotten just now; else one that is broken, and restic would only leave it out.
            if done.status == 0 and not any(words in done.errors for words in _UNREADABLE):
                return list(json.loads(done.output) or [])
            if left:
                time.sleep(_LOOK_PAUSE)
        raise AgentError(last_words(done.errors))

    def identity(self, snapshot: str) -> str:
        """Return a snapshot's whole id by its beginning; one that is whole already is not asked for again.

        Raises:
            AgentError: The repository can't be read, or has no such snapshot.

        """
        if len(snapshot) == _WHOLE_ID:
            return snapshot
        found = self.snapshots(snapshot)
        if not found:
            raise AgentError(f"{snapshot}: the repository has no such snapshot")
        return str(found[0]["id"])

    def backup(self, directory: Path, host: str, tags: Sequence[str], heard: Heard) -> dict[str, Any]:
        """Save a directory's content at the root of a new snapshot; return restic's summary.

        Raises:
            LockedError: Another process works on the repository alone; whoever holds a service lets it go meanwhile.
            AgentError: There is no snapshot, or one in which a file is missing: the message says which.

        """
        words = ["backup", ".", "--json", "--host", host]
        for tag in tags:
            words += ["--tag", tag]
        summary: dict[str, Any] = {}
        unread: list[str] = []

        def hear(line: Mapping[str, Any]) -> None:
            kind = line.get("message_type")
            if kind == "summary":
                summary.update(line)
            elif kind == "error":
                unread.append(str(line.get("item", "")))
            else:
                heard(line)

        status, errors = self._follow(words, hear, directory=directory)
        if status != 0 and is_locked(errors):
            raise LockedError(last_words(errors))
        if status != 0 or "snapshot_id" not in summary:
            missing = f" ({', '.join(unread[:3])})" if unread else ""
            raise AgentError(f"{last_words(errors)}{missing}")
        return summary

    def restore(
        self, identity: str, target: Path, entry: str = "", written: Callable[[int], None] | None = None
    ) -> None:
        """Restore a snapshot, or an entry of its root, into an empty directory, and compare what is there with it.

        Args:
            identity: The snapshot.
            target: The directory.
            entry: The entry.
            written: Is told the bytes that were written so far.

        Raises:
            LockedError: Another process works on the repository alone, and does not end.
            NotFinishedError: It was not restored to its end, which says nothing of the snapshot.
            AgentError: It can't be restored, or is not as it was saved.

        """
        words = ["restore", identity, "--target", str(target), "--verify"]
        words += ["--include", f"/{entry}"] if entry else []
        words += ["--sparse"] if self.version >= _SPARSE_SINCE else []

        def once() -> None:
            status, errors = self._follow(words, lambda _line: None, written=written)
            if status != 0:
                raise failure(status, errors)

        patiently(once)

    def dump(self, identity: str, path: str, output: IO[bytes], archive: str = "") -> None:
        """Write a file of a snapshot, or a directory as an `archive` (`tar`), to a stream."""
        words = ["dump", *(["--archive", archive] if archive else []), identity, path]

        def once() -> None:
            done = restic_process.run(self._command(words), self._env(), who=self._as(), output=output)
            if done.status != 0:
                raise failure(done.status, done.errors)

        patiently(once)

    def stats(self, identity: str) -> tuple[int, int]:
        """Return a snapshot's bytes and files as they are when restored."""
        found = json.loads(self._patient(["stats", "--json", "--mode", "restore-size", identity]))
        return int(found["total_size"]), int(found["total_file_count"])

    def stored_size(self, identities: Sequence[str]) -> int:
        """Return the bytes that snapshots take in the repository, together: what is equal once, and compressed."""
        found = json.loads(self._patient(["stats", "--json", "--mode", "raw-data", *identities]))
        return int(found["total_size"])

    def forget(self, identities: Sequence[str]) -> None:
        """Forget snapshots; their data goes with the next `prune`."""
        if identities:
            self._patient(["forget", *identities])

    def prune(self) -> None:
        """Free what no snapshot needs."""
        self._patient(["prune"])

    def check(self, subset: str = "", *, alone: bool = False) -> None:
        """Check the repository's structure, and read a part of its data.

        Args:
            subset: The part (`1/10`, `5%`, `200M`); empty for none.
            alone: Whether nobody else works on it, so that it needs no lock: a place that lets nothing be deleted would
                keep that.

        Raises:
            LockedError: Another process works on the repository alone, and does not end.
            NotFinishedError: It was not checked to its end, which says nothing of the repository.
            RepositoryUnreachableError: As much.
            AgentError: Something is broken or missing.

        """
        words = ["check", *([f"--read-data-subset={subset}"] if subset else [])]
        self._patient([*words, *(["--no-lock"] if alone else [])])

    def copy_to(self, other: "Restic", identities: Sequence[str]) -> None:
        """Copy snapshots into another repository; those that it has already are left out.

        Where they are of two users, root's restic copies: it can read the files that a place off the site needs. Those
        of a repository with an owner are read and written as that one all the same.
        """
        if not identities:
            return
        source, target = self, other
        if self.user != other.user and os.geteuid() == 0:
            owners = {each.environment["RESTIC_REPOSITORY"]: each.user for each in (self, other) if each.user}
            source, target = (each._as_root(owners) for each in (self, other))  # noqa: SLF001 - of the same class
        target._patient(["copy", *identities], beside=source)  # noqa: SLF001 - of the same class

    def rebuild_index(self) -> None:
        """Make the index anew from the data; what is broken of the old one goes."""
        self._patient(["rebuild-index"])

    def unlock(self) -> None:
        """Remove locks whose processes are gone, or that nobody has renewed for half an hour.

        Not of a repository that another host keeps: restic would go by this host's clock, and with that ahead remove
        the lock of a `prune` that is at work there. That host removes those of its own (`repository/keeping.py`).
        """
        if self.directory is not None:
            remove_stale(self.directory / "locks", self._lock, time.time())
        elif self.is_away:
            self._finished(["unlock"])

    def _lock(self, identity: str) -> dict[str, Any]:
        """Return a lock's content."""
        found: dict[str, Any] = json.loads(self._finished(["cat", "lock", identity, "--no-lock"]))
        return found

    def _as_root(self, owners: Mapping[str, str]) -> "Restic":
        """Return this repository as root's restic reaches it."""
        place = self.environment["RESTIC_REPOSITORY"]
        environment = {**self.environment, "RESTIC_REPOSITORY": f"rclone:{place}" if self.user else place}
        return replace(self, environment=environment, user="", owners=owners)

    # -- running it ------------------------------------------------------------------------------------------------

    def _patient(self, words: Sequence[str], beside: "Restic | None" = None) -> str:
        """Run a command; wait where another process has the repository.

        Raises:
            AgentError: It failed, of the kind that `failure` tells.

        """
        ends = time.monotonic() + LOCK_PATIENCE
        while True:
            done = self._run(words, beside)
            if done.status == 0:
                return done.output
            if not is_locked(done.errors) or time.monotonic() > ends:
                raise failure(done.status, done.errors)
            for repository in (self, beside) if beside else (self,):
                repository.unlock()
            time.sleep(LOCK_PAUSE)

    def _finished(self, words: Sequence[str], beside: "Restic | None" = None) -> str:
        """Run a command, which must end well; return what it printed."""
        done = self._run(words, beside)
        if done.status != 0:
            raise AgentError(last_words(done.errors))
        return done.output

    def _run(self, words: Sequence[str], beside: "Restic | None" = None) -> restic_process.Ended:
        return restic_process.run(self._command(words), self._env(beside), who=self._as())

    def _follow(
        self,
        words: Sequence[str],
        heard: Heard,
        *,
        directory: Path | None = None,
        written: Callable[[int], None] | None = None,
    ) -> tuple[int, str]:
        """Run a command, and hear its lines of JSON."""

        def watch(process: int) -> None:
            if written is not None:
                threading.Thread(target=_watch, args=(process, written), daemon=True).start()

        done = restic_process.run(
            self._command(words),
            self._env(),
            who=self._as(),
            directory=directory,
            hear=partial(_hear_object, heard),
            started=watch,
        )
        return done.status, done.errors

    def _command(self, words: Sequence[str]) -> list[str]:
        """Return a command line; restic ends with this process, so that no lock is free while it goes on."""
        quiet = [] if words[0] in {"backup", "version"} else ["--quiet"]
        ca = ["--cacert", self.ca] if self.ca else []
        return ["setpriv", "--pdeathsig", "KILL", "restic", *quiet, *ca, *rclone_option(self.owners), *words]

    def _env(self, beside: "Restic | None" = None) -> dict[str, str]:
        """Return the variables for restic; those of another repository as it names them for the one that is read.

        What a transport of that one wants, as credentials, has no second name.
        """
        cache = _CACHE if not self.user else f"{_CACHE}-{self.user}"
        known = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "RESTIC_CACHE_DIR": cache, "HOME": "/root"}
        # Lines of progress in a second: a process that gets nowhere must write next to nothing.
        known["RESTIC_PROGRESS_FPS"] = "2"
        other = {
            f"RESTIC_FROM_{name.removeprefix('RESTIC_')}" if name.startswith("RESTIC_") else name: value
            for name, value in (beside.environment if beside else {}).items()
        }
        return {**known, **other, **self.environment}

    def _as(self) -> dict[str, Any]:
        """Return whom restic runs as."""
        return (
            {"user": self.user, "group": self.user, "extra_groups": []}
            if self.user and os.geteuid() == 0
            else {}
        )


def _hear_object(heard: Heard, line: str) -> None:
    """Pass a line on if it is a JSON object."""
    try:
        found = json.loads(line)
    except ValueError:
        return
    if isinstance(found, dict):
        heard(found)


def _watch(process: int, written: Callable[[int], None]) -> None:
    """Tell how much a process has written, as the kernel counts it, until it is gone."""
    while True:
        try:
            text = Path(f"/proc/{process}/io").read_text()
        except OSError:
            return
        counts = dict(line.split(": ") for line in text.splitlines())
        written(int(counts["wchar"]))
        time.sleep(0.5)
