"""Since when places off the site have which generations, as the upkeep notes it: nobody has to ask them for that."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from agent.backup.config import Copy, RepositoryConfig
from agent.backup.hive.journal import STATE, Journal

OFF_SITE = "off-site.json"
"""The file's name, beside that of how the upkeep ended."""
NOTE = STATE / OFF_SITE


def note_copied(copy: Copy, generations: Iterable[str], now: float, note: Path = NOTE) -> None:
    """Note that a place has all of these generations, whole; what it had before keeps its time.

    Args:
        copy: The place.
        generations: The ids of all generations that the repository host has.
        now: Seconds since 1970.
        note: The file.

    """
    journal = Journal(note)
    known = journal.read() or {}
    before = _times(known, copy)
    times = {identity: before.get(identity, int(now)) for identity in generations}
    if times != before or copy.name not in known:
        journal.write({**known, copy.name: {"repository": copy.repository, "since": times}})


def copied_since(config: RepositoryConfig, identity: str, note: Path = NOTE) -> dict[str, str | None]:
    """Return the places off the site, each with the time since when it has a generation; None if it has it not yet."""
    known = Journal(note).read() or {}
    found: dict[str, str | None] = {}
    for copy in config.copies:
        at = _times(known, copy).get(identity)
        found[copy.name] = None if at is None else datetime.fromtimestamp(at, UTC).isoformat()
    return found


def _times(known: Mapping[str, Mapping[str, object]], copy: Copy) -> Mapping[str, int]:
    """Return what is noted of a place; nothing if another place had its name then."""
    noted = known.get(copy.name, {})
    times = noted.get("since") if noted.get("repository") == copy.repository else None
    return times if isinstance(times, dict) else {}
