"""The owner of a stage's lock, read without taking the lock."""

import json
import os
import socket
from pathlib import Path

from tasks.run.state import State


def holder(state: State) -> str | None:
    """Return the process that holds a stage, as a text; None if no process does.

    The lock is not tried, since a run that starts at that moment would be refused. The file of a killed run is
    recognised by its process, which has ended or is another program by now.
    """
    try:
        about = json.loads((state.root / "lock").read_text(encoding="utf-8"))
        process, host = int(about["pid"]), str(about["host"])
        if host == socket.gethostname() and not _runs(process):
            return None
        return f"process {process} on {host} since {about['since']} ({about['command']})"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _runs(process: int) -> bool:
    """Return whether a process of this machine is a doit."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is somebody else's
    try:
        return b"doit" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return True  # no /proc here, as on macOS
