"""Places off the site, as the upkeep notes them: which repository each is, and since when it has which generations.

So nobody has to ask them for that, and one that is gone, as a disk that is not mounted, is not made anew in silence.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.backup.config import Copy, RepositoryConfig
from agent.backup.hive.journal import STATE, Journal
from agent.backup.repository import repositories
from agent.backup.restic import Restic
from agent.errors import AgentError

OFF_SITE = "off-site.json"
"""The file's name, beside that of how the upkeep ended."""
NOTE = STATE / OFF_SITE


def opened(config: RepositoryConfig, copy: Copy, note: Path = NOTE) -> Restic:
    """Return a place's repository, the one that it was; a place that was never used gets one if it has none.

    Which one it is, is noted by the place's name and address: another name in site.toml says that another is meant.

    Args:
        config: The repository host's configuration.
        copy: The place.
        note: The file.

    Raises:
        AgentError: It can't be reached, its password is another, or the repository is gone or another one.

    """
    place = repositories.of_copy(config, copy)
    journal = Journal(note)
    known: dict[str, dict[str, Any]] = journal.read() or {}
    noted = _noted(known, copy)
    there = place.repository_id()
    before = str(noted.get("id", ""))
    if noted and (not there or (before and before != there)):
        what = "another repository is there than that" if there else "the repository is gone"
        raise AgentError(
            f"{copy.repository}: {what} which had the copies; have it there again (a disk that is not mounted?), or, "
            f"to begin anew, give this place another name than {copy.name} in [[backup.copies]] of site.toml, and run "
            "doit"
        )
    if not there:
        repositories.make_copy(config, place)
        there = place.repository_id()
    if before != there:
        names = {each.name for each in config.copies} | {copy.name}
        entry = {"repository": copy.repository, "since": dict(_times(known, copy)), "id": there}
        journal.write({name: each for name, each in known.items() if name in names} | {copy.name: entry})
    return place


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
        entry = {**_noted(known, copy), "repository": copy.repository, "since": times}
        journal.write({**known, copy.name: entry})


def copied_since(config: RepositoryConfig, identity: str, note: Path = NOTE) -> dict[str, str | None]:
    """Return the places off the site, each with the time since when it has a generation; None if it has it not yet."""
    known = Journal(note).read() or {}
    found: dict[str, str | None] = {}
    for copy in config.copies:
        at = _times(known, copy).get(identity)
        found[copy.name] = None if at is None else datetime.fromtimestamp(at, UTC).isoformat()
    return found


def _noted(known: Mapping[str, Mapping[str, Any]], copy: Copy) -> Mapping[str, Any]:
    """Return what is noted of a place; nothing if another place had its name then."""
    noted = known.get(copy.name, {})
    return noted if noted.get("repository") == copy.repository else {}


def _times(known: Mapping[str, Mapping[str, Any]], copy: Copy) -> Mapping[str, int]:
    """Return since when a place has which generations, as it is noted."""
    times = _noted(known, copy).get("since")
    return times if isinstance(times, dict) else {}
