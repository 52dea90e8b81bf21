"""What copies off the site keep: by the same policy, and never less than the repository host itself has."""

from datetime import datetime

from agent.backup.config import Copy, RepositoryConfig
from agent.backup.repository.generations import Generation, Listing, combined, made_at
from agent.backup.repository.policy import Stored, kept
from agent.backup.repository.repositories import of_copy


def trim(config: RepositoryConfig, copy: Copy, here: Listing, now: datetime) -> int:
    """Forget what a copy need not keep, free its room, and return how many generations went.

    Data without a seal stays: an export that was killed is completed by the next one.

    Args:
        config: The repository host's configuration.
        copy: The place.
        here: What the repository host has.
        now: The time by the repository host's clock.

    Raises:
        AgentError: The place can't be reached, or lets nothing be deleted.

    """
    place = of_copy(config, copy)
    there = combined({copy.name: [(each, made_at(each)) for each in place.snapshots()]})
    going = superfluous(config, there, here, now)
    place.forget([snapshot for each in going for snapshot in (*each.places.values(), *_notes(each))])
    if going:
        place.prune()
    return len(going)


def superfluous(config: RepositoryConfig, there: Listing, here: Listing, now: datetime) -> list[Generation]:
    """Return the generations that a copy need not keep. Pure.

    A copy knows no arrivals, only what the hives' clocks said. What the repository host has is therefore never among
    these: a hive whose clock is wrong pushes nothing out that the policy keeps by the time of its arrival.

    Args:
        config: The repository host's configuration.
        there: What the copy has.
        here: What the repository host has.
        now: The time by the repository host's clock.

    """
    stay = {each.id for each in here.generations}
    for owner in {each.owner for each in there.generations}:
        mine = [each for each in there.generations if each.owner == owner]
        stay |= kept([Stored(each.id, each.time, each.kind, each.is_good) for each in mine], config.keep, now)
    return [each for each in there.generations if each.id not in stay]


def _notes(generation: Generation) -> list[str]:
    """Return the snapshots of a generation's notes."""
    return [snapshot for _, snapshot in generation.notes]
