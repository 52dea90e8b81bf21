"""The timer's backup, which is noted before it begins: one that a power cut ended begins again at the next boot."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.backup.hive.journal import STATE, begun
from agent.errors import AgentError

_UNIT = "skep-backup.service"


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


def begin_again(state: Path = STATE) -> bool:
    """Have the timer's backup begin again if it was noted and has not ended; return whether it was so.

    Args:
        state: The directory for what outlives a job.

    Raises:
        AgentError: systemd refuses.

    """
    if begun(state).read() is None:
        return False
    words = ["systemctl", "start", "--no-block", _UNIT]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AgentError(f"{' '.join(words)}: {done.stderr.strip()}")
    return True
