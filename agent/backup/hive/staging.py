"""What a generation is to have, put together in a directory: volumes' files, dumps, what is said of it."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.backup.config import HiveConfig, ServiceData
from agent.backup.hive.task_container import volume_directory
from agent.errors import AgentError
from agent.host.durable_files import write_json
from agent.host.engine_socket import EngineSocket

GENERATION_FILE, SERVICES_FILE = "generation.json", "services.json"
"""In a generation: what it says of itself; the revisions of all services. The second is equal from night to night."""


@contextmanager
def staged(
    engine: EngineSocket,
    config: HiveConfig,
    service: ServiceData,
    files: Mapping[str, Any],
    staging: Path,
) -> Iterator[Path]:
    """Have a directory in which each part of a service's data has its name; bound there, not copied.

    Args:
        engine: The engine.
        config: The hive's configuration.
        service: The service, whose dumps are in the spool.
        files: Name to content of what is written as JSON beside them.
        staging: The directory.

    Raises:
        AgentError: A volume is not here, or can't be bound.

    """
    unbind(staging)
    staging.mkdir(parents=True, mode=0o700)
    try:
        for script in service.scripts:
            entry = staging / script.entry
            if script.volume:
                source = volume_directory(engine, script.volume)
                if source is None:
                    raise AgentError(f"script {script.name}: volume {script.volume} is not on {config.host}")
                entry.mkdir()
            else:
                source = str(config.spool / service.name / script.entry)
                entry.touch()
            _bind(source, entry)
        for name, content in files.items():
            write_json(staging / name, content)
        yield staging
    finally:
        unbind(staging)


def clear_dumps(directory: Path) -> None:
    """Remove a service's dumps; directories beside them are of generations that are brought back, and stay."""
    if directory.is_dir():
        for path in directory.iterdir():
            if not path.is_dir():
                path.unlink(missing_ok=True)


def _bind(source: str, target: Path) -> None:
    """Have a directory or file at another place as well, read-only."""
    for words in (["--bind", source, str(target)], ["-o", "remount,bind,ro", str(target)]):
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AgentError(f"{source} can't be read for the backup: {done.stderr.strip()}")


def unbind(staging: Path) -> None:
    """Take a staging directory down, also one that a killed job left. Never goes into what is bound there."""
    if not staging.exists():
        return
    for entry in staging.iterdir():
        # One that is bound is left alone by rmdir and unlink alike: it is busy.
        subprocess.run(["umount", str(entry)], capture_output=True, check=False)
        if entry.is_dir():
            entry.rmdir()
        else:
            entry.unlink()
    staging.rmdir()
