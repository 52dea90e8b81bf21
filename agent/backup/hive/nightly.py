"""The timer's backup, which is noted before it begins: one that a power cut ended begins again at the next boot."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.backup.config import HiveConfig
from agent.backup.hive.journal import STATE, begun
from agent.backup.hive.task_container import container_here, is_healthy, runs_somewhere
from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket

_UNIT = "skep-backup.service"
_START_PATIENCE, _PAUSE = 600.0, 2.0
"""Seconds for which services' tasks are waited for after a boot, and between two looks."""


@contextmanager
def noted_night(state: Path = STATE) -> Iterator[None]:
    """Have the timer's backup begin again if this host goes down, or this process is killed, within.

    Args:
        state: The directory for what outlives a job.

    """
    note = begun(state)
    note.write(int(time.time()))
    try:
        yield
    finally:
        note.clear()


def begin_again(engine: EngineSocket, config: HiveConfig, state: Path = STATE) -> bool:
    """Have the timer's backup begin again if it was noted and has not ended; return whether it was so.

    As this host has just started, the services' tasks are waited for, which dumps need.

    Args:
        engine: This host's engine.
        config: The hive's configuration.
        state: The directory for what outlives a job.

    Raises:
        AgentError: systemd refuses.

    """
    if begun(state).read() is None:
        return False
    ends = time.monotonic() + _START_PATIENCE
    while not all(_runs(engine, name, config.hives) for name in config.services) and time.monotonic() < ends:
        time.sleep(_PAUSE)
    words = ["systemctl", "start", "--no-block", _UNIT]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AgentError(f"{' '.join(words)}: {done.stderr.strip()}")
    return True


def _runs(engine: EngineSocket, service: str, hives: Sequence[str]) -> bool:
    """Return whether a service runs, as far as can be told by now: the swarm may know a task from before the boot."""
    try:
        container = container_here(engine, service, hives)
        if container is None:
            return runs_somewhere(engine, service)
        return is_healthy(engine.inspect(container))
    except AgentError:
        return False
