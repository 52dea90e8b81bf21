"""Since when places off the site have which generations, as the upkeep notes it: nobody has to ask them for that."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from agent.backup.config import Copy, RepositoryConfig
from agent.backup.hive.journal import STATE, Journal

OFF_SITE = "off-site.json"
"""The file's name, beside that of how the upkeep ended."""
NOTE = STATE / OFF_SITE


def note_copied(
    copy: Copy,
    generations: Iterable[str],
    there: Collection[str],
    now: float,
    note: Path = NOTE,
    *,
    unknown: bool = False,
) -> None:
    """Note that a place has all of these generations, whole; what it had all the time keeps its time.

    Args:
        copy: The place.
        generations: The ids of the generations of the repository host that the place has by now.
        there: The ids that the place had before this upkeep.
        now: Seconds since 1970.
        note: The file.
        unknown: Whether there may be others, of which nothing is known now: what is noted of them stays.

    """
    journal = Journal(note)
    known = journal.read() or {}
    before = _times(known, copy)
    times = dict(before) if unknown else {}
    for identity in generations:
        # One that the place had lost, and got again, is there since now.
        times[identity] = before.get(identity, int(now)) if identity in there else int(now)
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
