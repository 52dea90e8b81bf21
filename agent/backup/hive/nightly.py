"""The timer's backup, which is noted before it begins.

One that ended as its host went down begins again at the next boot. One that was killed on a host that stays up does
not: it is noted as failed, and the next one comes when it is due.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from agent.backup.config import HiveConfig
from agent.backup.hive.journal import STATE, begun
from agent.backup.hive.task_container import container_here, is_healthy, runs_somewhere
from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket

_UNIT, _SHUTDOWN = "skep-backup.service", "shutdown.target"
_START_PATIENCE, _PAUSE = 600.0, 2.0
"""Seconds for which services' tasks are waited for after a boot, and between two looks."""


@contextmanager
def noted_night(state: Path = STATE) -> Iterator[None]:
    """Have the timer's backup begin again if this host goes down within.

    Args:
        state: The directory for what outlives a job.

    """
    note = begun(state)
    note.write(int(time.time()))
    try:
        yield
    finally:
        note.clear()


def killed_night(state: Path = STATE) -> int | None:
    """Return when the timer's backup began that was killed while this host stays up; None if none was.

    Its note is to be cleared, or the next boot has it begin again. To be called only where its process is gone.

    Args:
        state: The directory for what outlives a job.

    """
    began = begun(state).read()
    return None if began is None or _is_going_down() else int(began)


def begin_again(
    engine: EngineSocket,
    config: HiveConfig,
    alone: Callable[[], AbstractContextManager[None]],
    state: Path = STATE,
) -> bool:
    """Have the timer's backup begin again if it was noted and has not ended; return whether it was so.

    As this host has just started, the services' tasks are waited for, which dumps need. The timer may begin its backup
    by itself meanwhile: that one ends first.

    Args:
        engine: This host's engine.
        config: The hive's configuration.
        alone: Holds the lock of the hive's jobs.
        state: The directory for what outlives a job.

    Raises:
        AgentError: systemd refuses, or another job does not end.

    """
    note = begun(state)
    if note.read() is None:
        return False
    ends = time.monotonic() + _START_PATIENCE
    while not all(_runs(engine, name, config.hives) for name in config.services) and time.monotonic() < ends:
        time.sleep(_PAUSE)
    with alone():
        if note.read() is None:
            return False
        words = ["systemctl", "start", "--no-block", _UNIT]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AgentError(f"{' '.join(words)}: {done.stderr.strip()}")
    return True


def _is_going_down() -> bool:
    """Return whether this host is about to go down, or systemd does not say.

    The job of `shutdown.target` waits for each unit that is stopped for that; `is-system-running` does not say so of
    a host that has not started wholly.
    """
    words = ["systemctl", "list-jobs", "--no-legend", "--plain", _SHUTDOWN]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != 0 or _SHUTDOWN in done.stdout


def _runs(engine: EngineSocket, service: str, hives: Sequence[str]) -> bool:
    """Return whether a service runs, as far as can be told by now: the swarm may know a task from before the boot."""
    try:
        container = container_here(engine, service, hives)
        if container is None:
            return runs_somewhere(engine, service)
        return is_healthy(engine.inspect(container))
    except AgentError:
        return False
