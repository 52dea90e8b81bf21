"""What hives are to keep restored: each service's newest generation, put in their own repositories, with a note."""

import tempfile
from datetime import datetime
from pathlib import Path

from agent.backup.config import RepositoryConfig
from agent.backup.hive.journal import STATE, Journal
from agent.backup.notes import BEFORE_RESTORE, STANDBY, note_tags
from agent.backup.repository.brought import note_brought
from agent.backup.repository.generations import Generation, Listing, newest_of
from agent.backup.repository.repositories import of_hive
from agent.backup.restic import Restic
from agent.backup.restic_errors import patiently
from agent.errors import AgentError, reason_of
from agent.host.durable_files import write_json

NOTE = STATE / "standby.json"


def stand_by(config: RepositoryConfig, found: Listing, now: datetime, note: Path = NOTE) -> int:
    """Have each hive know, and have, the generation that it is to keep restored; return to how many one was given.

    Args:
        config: The repository host's configuration.
        found: All generations.
        now: The time.
        note: Where it is written down what each hive was told last.

    Raises:
        AgentError: Repositories refuse; the other hives were told.

    """
    journal, count = Journal(note), 0
    told: dict[str, str] = journal.read() or {}
    failed = []
    for service, hives in config.standby.items():
        newest = _newest(found, service, now)
        for hive in hives if newest is not None else ():
            key = f"{service}@{hive}"
            if newest is None or told.get(key) == newest.id:
                continue
            try:
                _give(config, hive, newest)
            except (AgentError, OSError) as error:
                failed.append(f"{service} on {hive}: {reason_of(error)}")
                continue
            told[key] = newest.id
            journal.write(told)
            count += 1
    if failed:
        raise AgentError("; ".join(failed))
    return count


def _give(config: RepositoryConfig, hive: str, generation: Generation) -> None:
    """Have a hive have a generation, then know that it is to keep it restored."""
    target = of_hive(config, hive)
    if hive not in generation.places:
        note_brought(config, hive, {generation.id: generation.arrived})
        of_hive(config, generation.home).copy_to(target, [generation.places[generation.home]])
    _tell(target, hive, generation)


def _tell(target: Restic, hive: str, generation: Generation) -> None:
    """Note in a hive's repository which generation it is to keep restored."""
    facts = {"service": generation.service, "time": generation.arrived.isoformat(timespec="seconds")}
    tags = note_tags(STANDBY, generation.id, facts)
    with tempfile.TemporaryDirectory(prefix="skep-standby-") as directory:
        content = Path(directory) / "note.json"
        write_json(content, facts)
        # restic reads it as the repositories' owner.
        content.chmod(0o644)
        Path(directory).chmod(0o755)
        patiently(lambda: target.backup(Path(directory), hive, tags, lambda _line: None))


def _newest(found: Listing, service: str, now: datetime) -> Generation | None:
    """Return a service's newest generation that no test found fault with, and that no restoration made."""
    good = [
        each
        for each in found.generations
        if each.service == service and each.is_good and each.kind != BEFORE_RESTORE
    ]
    return newest_of(good, now)
