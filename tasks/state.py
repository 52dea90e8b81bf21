"""The state directory of a stage: records, logs, keys and the lock. All writes are whole or not at all.

    state/<stage>/
        lock                      held by the run at work; says who
        <phase>/<name>.json       records: what came back for each resource (doit's targets and file_deps)
        traces/<phase>/<name>.json  what each was made from the last time it was made (doit's database)
        logs/<phase>/<name>.log   the full output of each task's last run
        ssh_config known_hosts    for skep and for people: ssh -F state/<stage>/ssh_config <host>
        secrets/                  0700: the ssh key, the vault (site CA, passwords)

All of it but `secrets/` is a cache of what the real things carry as labels.
"""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from model.errors import StateError
from model.record import Record

R = TypeVar("R", bound=Record)
_READ: ContextVar[set[str] | None] = ContextVar("read", default=None)


@contextmanager
def noting_reads() -> Iterator[set[str]]:
    """Note whose records are read meanwhile, by this thread: what a task's inputs are really made from."""
    noted: set[str] = set()
    token = _READ.set(noted)
    try:
        yield noted
    finally:
        _READ.reset(token)


class State:
    """A stage's state directory.

    Args:
        root: `state/<stage>` in the site's directory.

    """

    def __init__(self, root: Path) -> None:
        """Name the directory; it is made when something is first written."""
        self.root = root
        self._lock: IO[str] | None = None

    @property
    def traces(self) -> Path:
        """The directory of doit's database."""
        return self.root / "traces"

    @property
    def secrets(self) -> Path:
        """The directory of what must not be read by others; made if it is missing."""
        path = self.root / "secrets"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        return path

    def record_path(self, task: str) -> Path:
        """Return where a task's record is kept."""
        phase, _, name = task.partition(":")
        return self.root / phase / f"{name}.json"

    def log_path(self, task: str) -> Path:
        """Return where the output of a task's last run is kept."""
        phase, _, name = task.partition(":")
        return self.root / "logs" / phase / f"{name or phase}.log"

    def read(self, task: str, kind: type[R]) -> R | None:
        """Return a task's record, or None where there is none that can be used."""
        if (noted := _READ.get()) is not None:
            noted.add(task)
        try:
            return msgspec.json.decode(self.record_path(task).read_bytes(), type=kind)
        except (FileNotFoundError, msgspec.MsgspecError):
            # A record of an older form is as good as none: the task runs, finds the real thing, and writes it anew.
            return None

    def trace_path(self, task: str) -> Path:
        """Return where doit's database keeps what a task was made from (see `commands/statedb.py`)."""
        phase, _, name = task.partition(":")
        return self.traces / phase / f"{name or phase}.json"

    def before_failure(self, task: str) -> dict[str, str] | None:
        """Return what a task was made from before it failed (nothing if it never was made); None if it did not fail."""
        try:
            entry = json.loads(self.trace_path(task).read_bytes())
            if not entry.get("failed"):
                return None
            return dict(entry.get("good", {}).get("_values_:", {}).get("inputs", {}))
        except (OSError, ValueError, AttributeError):
            return None

    def write(self, task: str, record: Record) -> None:
        """Keep a task's record; a file that would stay the same is left alone, time included."""
        write_whole(self.record_path(task), msgspec.json.format(msgspec.json.encode(record)) + b"\n")

    def lock(self, command: str) -> None:
        """Take the stage for this process until it ends, however it ends.

        Args:
            command: What to tell the second one who asks.

        Raises:
            StateError: Another process has it; the message says which, where and since when.

        """
        self.root.mkdir(parents=True, exist_ok=True)
        # Never truncated before it is ours: it holds what the second one is told.
        handle = (self.root / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            holder = _holder(handle.read())
            handle.close()
            raise StateError(f"{self.root.name}: {holder}; wait for it, or end it") from error
        handle.truncate(0)
        about = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "command": command,
        }
        handle.write(json.dumps(about))
        handle.flush()
        self._lock = handle

    def unlock(self) -> None:
        """Give the stage back."""
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None


def _holder(text: str) -> str:
    """Return who holds a lock, in words."""
    try:
        about = json.loads(text)
        return (
            f"another run holds this stage: process {about['pid']} on {about['host']} "
            f"since {about['since']} ({about['command']})"
        )
    except (ValueError, KeyError, TypeError):
        return "another run holds this stage"


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file so that it is either the old or the new one, even after a power cut; equal data writes nothing."""
    try:
        if path.read_bytes() == data:
            return
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
