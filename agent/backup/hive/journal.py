"""What a hive's jobs note down before they do it, so that the next job puts right what a killed one left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.host.durable_files import read_json, remove, write_json

STATE = Path("/var/lib/skep/backup")
RUNTIME = Path("/run/skep")
LOCK = RUNTIME / "backup.lock"
STAGING = RUNTIME / "backup"


@dataclass(frozen=True)
class Journal:
    """A note on the disk.

    Args:
        path: Its file.

    """

    path: Path

    def read(self) -> Any:
        """Return the note; None if there is none."""
        return read_json(self.path)

    def write(self, content: Any) -> None:
        """Note something down before it is done."""
        write_json(self.path, content)

    def clear(self) -> None:
        """It is done, or undone."""
        remove(self.path)


def paused(root: Path = STATE) -> Journal:
    """Return the note of containers that are paused, or services that are stopped, for a backup."""
    return Journal(root / "held.json")


def released(note: Journal) -> Journal:
    """Return the note of when services were let go that were held: service to seconds since 1970.

    Args:
        note: The note of what is held.

    """
    return Journal(note.path.with_name("released.json"))


def begun(root: Path = STATE) -> Journal:
    """Return the note of the timer's backup that has begun and not ended: when, in seconds since 1970."""
    return Journal(root / "begun.json")


def swapped(service: str, root: Path = STATE) -> Journal:
    """Return the note of a service whose files are being changed for those of a generation."""
    return Journal(root / "swap" / f"{service}.json")


def restoring(service: str, root: Path = STATE) -> Journal:
    """Return the note of a service that goes back to a generation: to which, which parts, and how far that is."""
    return Journal(root / "restore" / f"{service}.json")


def status(service: str, root: Path = STATE) -> Journal:
    """Return how a service's last backups ended here."""
    return Journal(root / "status" / f"{service}.json")


def suspended(root: Path = STATE) -> Journal:
    """Return the note of the services that are not saved for now."""
    return Journal(root / "suspended.json")
