"""When generations arrived first, as the repository host notes it in places off the site.

All else there is dated by hives' clocks. The host notes many in one snapshot, under a name that no hive has.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.backup.notes import ARRIVED, add_note, read_note
from agent.backup.repository.repositories import SITE
from agent.backup.restic import Restic

_TOGETHER = 500
"""How many arrivals a note has at most: a word of a command line may be 128 KiB long."""
Snapshots = Iterable[Mapping[str, Any]]


def arrivals(snapshots: Snapshots) -> dict[str, datetime]:
    """Return when generations arrived first at the repository host, by their ids. Pure.

    Args:
        snapshots: Those of a place off the site, as restic lists them.

    """
    found: dict[str, datetime] = {}
    for _, noted in _notes(snapshots):
        for identity, at in noted.items():
            then = datetime.fromtimestamp(at, UTC)
            found[identity] = min(then, found.get(identity, then))
    return found


def note_arrivals(
    place: Restic, arrived: Mapping[str, datetime], snapshots: Snapshots, directory: Path
) -> None:
    """Note in a place off the site when generations arrived; what is noted there stays.

    Args:
        place: The place.
        arrived: The generations' ids, with when they arrived.
        snapshots: What the place has.
        directory: A directory of this host's for notes alone.

    Raises:
        AgentError: The place can't be written.

    """
    known = arrivals(snapshots)
    new = [(identity, round(at.timestamp(), 3)) for identity, at in arrived.items() if identity not in known]
    for first in range(0, len(new), _TOGETHER):
        add_note(place, SITE, ARRIVED, "", dict(new[first : first + _TOGETHER]), directory)


def stale_notes(snapshots: Snapshots, stay: Collection[str]) -> list[str]:
    """Return the snapshots that note arrivals of generations alone which don't stay. Pure."""
    return [snapshot for snapshot, noted in _notes(snapshots) if not any(each in stay for each in noted)]


def _notes(snapshots: Snapshots) -> Iterable[tuple[str, Mapping[str, float]]]:
    """Yield the notes of the repository host's: a snapshot's id, and what it says."""
    for each in snapshots:
        note = read_note(each.get("tags") or [])
        if note is not None and note[0] == ARRIVED and each.get("hostname") == SITE:
            yield str(each["id"]), note[2]
