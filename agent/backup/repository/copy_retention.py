"""What copies off the site keep: by the same policy, and never less than the repository host itself has."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agent.backup.config import RepositoryConfig
from agent.backup.repository.arrivals import arrivals, stale_notes
from agent.backup.repository.generations import Generation, Listing, combined, made_at
from agent.backup.repository.policy import Stored, kept
from agent.backup.restic import Restic


def trim(config: RepositoryConfig, name: str, place: Restic, here: Listing, now: datetime) -> int:
    """Forget what a copy need not keep, free its room, and return how many generations went.

    Data without a seal stays: an export that was killed is completed by the next one.

    Args:
        config: The repository host's configuration.
        name: The name of the place.
        place: Its repository.
        here: What the repository host has.
        now: The time by the repository host's clock.

    Raises:
        AgentError: The place can't be reached, or lets nothing be deleted.

    """
    snapshots = place.snapshots()
    going = superfluous(config, held(snapshots, name), here, now)
    gone = {each.id for each in going}
    stay = {str(each.get("original", each["id"])) for each in snapshots} - gone
    words = [snapshot for each in going for snapshot in (*each.places.values(), *_notes(each))]
    place.forget([*words, *stale_notes(snapshots, stay)])
    if going:
        place.prune()
    return len(going)


def held(snapshots: Sequence[Mapping[str, Any]], name: str) -> Listing:
    """Return the generations that a place off the site has. Pure.

    Each counts as it arrived at the repository host, where that is noted there; else by the clock of its hive.

    Args:
        snapshots: The place's, as restic lists them.
        name: Its name.

    """
    noted = arrivals(snapshots)
    dated = [(each, noted.get(str(each.get("original", each["id"])), made_at(each))) for each in snapshots]
    return combined({name: dated})


def superfluous(config: RepositoryConfig, there: Listing, here: Listing, now: datetime) -> list[Generation]:
    """Return the generations that a copy need not keep. Pure.

    What the repository host has is never among these: where an arrival is not noted, a hive whose clock is wrong pushes
    nothing out that the policy keeps by the time of its arrival.

    Args:
        config: The repository host's configuration.
        there: What the copy has.
        here: What the repository host has.
        now: The time by the repository host's clock.

    """
    stay = {each.id for each in here.generations}
    for owner in {each.owner for each in there.generations}:
        mine = [each for each in there.generations if each.owner == owner]
        counted = [Stored(each.id, each.arrived, each.kind, each.is_good) for each in mine]
        stay |= kept(counted, config.keep, now)
    return [each for each in there.generations if each.id not in stay]


def _notes(generation: Generation) -> list[str]:
    """Return the snapshots of a generation's notes."""
    return [snapshot for _, snapshot in generation.notes]
