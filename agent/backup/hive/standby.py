"""`backup standby`: services' newest generations, kept restored on a hive that their data could move to.

Each is whole or not there: restored beside the one before, compared, renamed. Which one it is to be the repository host
says by a note in this hive's own repository, so that no hive's clock decides.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.backup.config import HiveConfig
from agent.backup.hive import journal
from agent.backup.notes import STANDBY, read_note
from agent.backup.restic import Restic
from agent.errors import AgentError, BusyError, reason_of
from agent.host.disk_room import SPARE
from agent.host.durable_files import alone, sync
from agent.output import Output

ROOT = Path("/var/lib/docker/skep-standby")
"""On the volumes' own disk, so that files get there by renaming."""
_NEW, _TAKEN, _NAME = "new", "taken", 16
"""What is being restored, what was taken, and the characters of a snapshot's id that name what is whole."""


@dataclass(frozen=True)
class Standbys:
    """The standbys on a hive.

    Args:
        config: The hive's configuration.
        restic: Its repository.
        output: Is told how far it is.
        root: Their directory.
        state: The directory for what outlives a job.

    """

    config: HiveConfig
    restic: Restic
    output: Output
    root: Path = ROOT
    state: Path = journal.STATE

    def refresh(self) -> dict[str, Any]:
        """Have each service's standby be what the repository host chose; remove those of services without one.

        Returns:
            `restored`, the services that have another generation now; `failed`, service to reason.

        """
        with _alone():
            self._clear()
            restored, failed = [], {}
            try:
                chosen = dict(_chosen(self.restic.snapshots()))
            except AgentError as error:
                chosen, failed = {}, dict.fromkeys(self.config.standby, str(error))
            for service in self.config.standby:
                try:
                    if service in chosen and self._restore(service, chosen[service]):
                        restored.append(service)
                except (AgentError, OSError) as error:
                    failed[service] = reason_of(error)
            for service, why in failed.items():
                self.output.say(f"{service}: {why}")
                self._note(service, error=why)
        return {"restored": restored, "failed": failed}

    def _restore(self, service: str, chosen: Mapping[str, Any]) -> bool:
        """Have a generation there; return whether it was not."""
        identity, place = str(chosen["snapshot"]), self.root / service
        whole, new = place / identity[:_NAME], place / _NEW
        fresh = not whole.is_dir()
        if fresh:
            shutil.rmtree(new, ignore_errors=True)
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            size = self.restic.stats(identity)[0]
            if (free := shutil.disk_usage(place).free) < size + SPARE:
                wanted = f"{(size + SPARE) / 1e6:.0f} MB on the disk of {place}"
                raise AgentError(f"its standby needs {wanted}, and {free / 1e6:.0f} MB are free")
            new.mkdir(mode=0o700)
            self.restic.restore(
                identity,
                new,
                written=lambda done: self.output.progress("standing by", service=service, done=done, of=size),
            )
            os.sync()
            new.rename(whole)
            sync(place)
        for other in place.iterdir():
            if other != whole:
                shutil.rmtree(other)
        self._note(service, generation=str(chosen["generation"]), made=str(chosen["time"]))
        return fresh

    def _clear(self) -> None:
        """Remove what is of services that have no standby here any more."""
        for place in self.root.iterdir() if self.root.is_dir() else ():
            if place.name not in self.config.standby:
                shutil.rmtree(place)
        for path in (self.state / "status").glob("standby-*.json"):
            if path.stem.removeprefix("standby-") not in self.config.standby:
                path.unlink(missing_ok=True)

    def _note(self, service: str, *, error: str = "", **facts: Any) -> None:
        """Note how it stands with a standby; what it has counts on after a failure, which stays until it goes well."""
        note = journal.status(f"standby-{service}", self.state)
        before = note.read() or {}
        since = (before.get("since") if before.get("error") else None) or int(time.time())
        note.write(
            {
                "standby": service,
                "generation": before.get("generation", ""),
                "made": before.get("made", ""),
                **facts,
                "error": error,
                "since": since if error else None,
            }
        )


def take(service: str, snapshot: str, entry: str, target: Path, root: Path = ROOT) -> bool:
    """Rename an entry of a standby to where a restoration wants it; return whether it was there.

    What was taken from is no standby any more: the next refresh makes one anew, if it is to be.

    Args:
        service: The service.
        snapshot: The generation's whole id in this hive's repository.
        entry: Its entry.
        target: Where it is to be.
        root: The standbys' directory.

    """
    place = root / service
    try:
        with _alone():
            whole, taken = place / snapshot[:_NAME], place / f"{snapshot[:_NAME]}.{_TAKEN}"
            if whole.is_dir():
                whole.rename(taken)
            if not (taken / entry).exists():
                return False
            (taken / entry).rename(target)
            sync(target.parent)
            return True
    except (BusyError, OSError):
        # On another disk, or being made anew: it is read from the repository.
        return False


def is_here(service: str, snapshot: str, root: Path = ROOT) -> bool:
    """Return whether a generation, by its whole id here, is a service's standby, so that it needs no more room."""
    place = root / service
    return any((place / name).is_dir() for name in (snapshot[:_NAME], f"{snapshot[:_NAME]}.{_TAKEN}"))


def _chosen(snapshots: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each service with what the repository host's last note says, and the snapshot here that it is of."""
    here = {str(each.get("original", each["id"])): str(each["id"]) for each in snapshots}
    for snapshot in sorted(snapshots, key=lambda each: str(each["time"])):
        note = read_note(snapshot.get("tags") or [])
        if note is not None and note[0] == STANDBY and note[1] in here:
            yield str(note[2]["service"]), {**note[2], "generation": note[1], "snapshot": here[note[1]]}


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the standbys' own lock: a backup does not wait for them."""
    with alone(journal.RUNTIME / "backup-standby.lock", "standby"):
        yield
