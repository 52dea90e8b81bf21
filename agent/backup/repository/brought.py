"""Which generations this host itself brought to which repository, and when each of them arrived first.

A hive writes its snapshots as it likes: one that says to be a copy of another hive's is believed only if it is noted.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agent.backup.config import RepositoryConfig
from agent.backup.hive.journal import Journal

_NOTES = ".brought"
"""The directory beside the repositories, which the server shows to nobody."""
Snapshots = Sequence[Mapping[str, Any]]


def brought(config: RepositoryConfig, hive: str) -> Mapping[str, float]:
    """Return the snapshots that were brought to a hive's repository, by their first ids, with their arrival.

    Returns:
        Id to seconds since 1970.

    """
    found: Mapping[str, float] = _note(config, hive).read() or {}
    return found


def note_brought(config: RepositoryConfig, hive: str, arrivals: Mapping[str, datetime]) -> None:
    """Note, before it is done, what is brought to a hive's repository.

    Args:
        config: The repository host's configuration.
        hive: The hive.
        arrivals: The snapshots' first ids, with their first arrival as far as it is known.

    """
    now = datetime.now(UTC)
    latest = {identity: min(at, now).timestamp() for identity, at in arrivals.items()}
    known = brought(config, hive)
    if latest.keys() - known.keys():
        note = _note(config, hive)
        note.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        note.write({**latest, **known})


def believed(
    hive: str, snapshots: Snapshots, own: Mapping[str, float], known: Mapping[str, float]
) -> Iterator[tuple[Mapping[str, Any], datetime]]:
    """Yield those snapshots of a hive's repository that are what they say, with their arrival. Pure.

    Args:
        hive: The hive.
        snapshots: As restic lists them.
        own: Id to arrival, in seconds since 1970, of all of them.
        known: What was brought there.

    """
    for each in snapshots:
        original = each.get("original")
        if original is None and each.get("hostname") == hive:
            yield each, datetime.fromtimestamp(own[each["id"]], UTC)
        elif original is not None and original in known:
            yield each, datetime.fromtimestamp(known[original], UTC)


def _note(config: RepositoryConfig, hive: str) -> Journal:
    return Journal(config.root / _NOTES / f"{hive}.json")
