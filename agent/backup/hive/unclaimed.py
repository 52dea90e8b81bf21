"""What was brought for a restoration that nobody went on with: as large as the service's data, and of no use for long.

A restoration that changed nothing, as where what is there could not be saved, leaves it for the next try. One that has
begun to change something is noted, and keeps it until it ends.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agent.backup.config import HiveConfig
from agent.backup.hive import journal
from agent.backup.hive.restored import NEW, READ_MARK
from agent.backup.hive.task_container import is_plain, volume_directory
from agent.errors import AgentError
from agent.host.durable_files import remove
from agent.host.engine_socket import EngineSocket

KEPT_FOR = 86_400.0
"""Seconds."""


def remove_unclaimed(
    config: HiveConfig, engine: EngineSocket, now: float, state: Path = journal.STATE
) -> list[str]:
    """Remove what was brought over a day ago, and no restoration has begun to use; return what that was, a line each.

    What can't be removed now is left for the next time. No restoration may be at work.

    Args:
        config: The hive's configuration.
        engine: Its engine.
        now: The time, in seconds since 1970.
        state: The directory for what outlives a job.

    """
    removed = []
    spool = config.spool / "restore"
    there = {path.name for path in spool.iterdir()} if spool.is_dir() else set()
    for service in sorted({*config.services, *there}):
        if any(note(service, state).read() is not None for note in (journal.restoring, journal.swapped)):
            continue
        directories = [*_files(config, engine, service), *(spool / service).glob("*")]
        for directory in directories:
            with suppress(OSError):
                if abs(now - _brought_at(directory)) > KEPT_FOR:
                    remove(directory.with_name(READ_MARK))
                    shutil.rmtree(directory)
                    removed.append(f"{service}: {directory} was brought for a restoration that did not go on")
    return removed


def _files(config: HiveConfig, engine: EngineSocket, service: str) -> Iterator[Path]:
    """Yield the directories with files that were brought for a service."""
    scripts = config.services[service].scripts if service in config.services else ()
    for volume in {script.volume for script in scripts if script.volume}:
        with suppress(AgentError):
            if is_plain(engine, volume) and (found := volume_directory(engine, volume)) is not None:
                directory = Path(found).with_name(NEW)
                if directory.is_dir():
                    yield directory


def _brought_at(directory: Path) -> float:
    """Return when something was brought, or when that began if it was killed."""
    paths = (directory, directory.with_name(READ_MARK))
    return max(path.stat().st_mtime for path in paths if path.exists())
