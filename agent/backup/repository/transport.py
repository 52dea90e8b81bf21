"""Generations that go from one repository to another: to a hive that is to restore them, and back from a copy."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from agent.backup.config import RepositoryConfig
from agent.backup.notes import ARRIVED, read_note, tag_of
from agent.backup.repository import repositories
from agent.backup.repository.arrivals import arrivals
from agent.backup.repository.brought import note_brought
from agent.backup.repository.generations import listing, made_at
from agent.backup.restic import Restic
from agent.errors import AgentError
from agent.output import Output

_LOOK_PAUSE = 5.0
"""Seconds between two looks at a repository's files, of which there may be 100,000s."""


def share(config: RepositoryConfig, identity: str, hive: str, output: Output) -> dict[str, Any]:
    """Have a generation in a hive's own repository, the only one that it can read.

    Args:
        config: The repository host's configuration.
        identity: The generation's id, or its beginning.
        hive: The hive.
        output: Is told how far it is.

    Returns:
        `id`, by which that repository knows it.

    Raises:
        AgentError: There is no such generation or hive.

    """
    generation = listing(config).one(identity)
    target = repositories.of_hive(config, hive)
    if hive not in generation.places:
        home = generation.home
        source = repositories.of_hive(config, home)
        snapshots = [generation.places[home]]
        note_brought(config, hive, {generation.id: generation.arrived})
        total = _stored_size(source, snapshots)
        with _watched(config.root / hive / "data", total, output, generation.service):
            source.copy_to(target, snapshots)
        generation = listing(config).one(identity)
    return {"id": generation.places[hive]}


def fetch(
    config: RepositoryConfig, name: str, output: Output, service: str = "", only: Sequence[str] = ()
) -> dict[str, Any]:
    """Bring what a copy off the site has back into the hives' repositories; what is there is left out.

    Notes come first: data whose seal is still to come would count as cut off, and might be forgotten.

    Args:
        config: The repository host's configuration.
        name: The copy.
        output: Is told how far it is.
        service: The service whose generations are brought; all by default.
        only: The ids of the generations that are brought; all by default.

    Raises:
        AgentError: There is no such copy, or it can't be read.

    """
    copy = next((each for each in config.copies if each.name == name), None)
    if copy is None:
        known = ", ".join(each.name for each in config.copies) or "none"
        raise AgentError(f"{name}: no such copy; there are: {known}")
    source = repositories.of_copy(config, copy)
    notes: list[dict[str, Any]] = []
    data: list[dict[str, Any]] = []
    found = source.snapshots()
    arrived = arrivals(found)
    of_service = {
        str(each.get("original", each["id"]))
        for each in found
        if service and tag_of(each.get("tags") or [], "service") == service
    }
    for snapshot in found:
        note = read_note(snapshot.get("tags") or [])
        if note is not None and note[0] == ARRIVED:
            continue
        of = note[1] if note is not None else str(snapshot.get("original", snapshot["id"]))
        if (not service or of in of_service) and (not only or of in only):
            (data if note is None else notes).append(snapshot)
    brought = 0
    homes = {str(each.get("original", each["id"])): str(each.get("hostname", "")) for each in data}
    for some in (notes, data):
        wanted: dict[str, dict[str, dict[str, Any]]] = {}
        for snapshot in some:
            # What is noted of a generation is brought to where its data is, else it would say nothing.
            first = str(snapshot.get("original", snapshot["id"]))
            note = read_note(snapshot.get("tags") or [])
            hive = homes.get(note[1] if note is not None else first, "")
            wanted.setdefault(hive if hive in config.hives else min(config.hives), {})[snapshot["id"]] = (
                snapshot
            )
        for hive, chosen in wanted.items():
            snapshots = list(chosen)
            firsts = {str(each.get("original", each["id"])): made_at(each) for each in chosen.values()}
            note_brought(config, hive, {first: arrived.get(first, at) for first, at in firsts.items()})
            output.say(f"{name}: bringing {len(snapshots)} snapshots back to {hive}")
            target = repositories.of_hive(config, hive)
            if some is notes:
                source.copy_to(target, snapshots)
            else:
                with _watched(config.root / hive / "data", _stored_size(source, snapshots), output):
                    source.copy_to(target, snapshots)
            brought += len(snapshots)
    return {"brought": brought}


def _stored_size(source: Restic, snapshots: Sequence[str]) -> int:
    """Return the bytes that snapshots take; 0 if that can't be told, which is for the eye alone."""
    try:
        return source.stored_size(snapshots)
    except AgentError:
        return 0


@contextmanager
def _watched(directory: Path, total: int, output: Output, service: str = "") -> Iterator[None]:
    """Tell meanwhile by how much a repository's data grows, in bytes.

    Args:
        directory: The data's.
        total: The bytes that are to come, at most: what is there already does not come; 0 if that is not known.
        output: Is told.
        service: The service whose data it is; empty for several.

    """
    before = _size(directory)

    def come() -> int:
        grown = max(0, _size(directory) - before)
        return min(grown, total) if total else grown

    with output.watching("bringing", come, of=total, service=service, pause=_LOOK_PAUSE):
        yield


def _size(directory: Path) -> int:
    """Return the bytes of the files below a directory; those that go meanwhile count as none."""
    total = 0
    for path, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.lstat(f"{path}/{name}").st_size
    return total
