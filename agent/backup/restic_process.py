"""A process of restic's: what it says, and the end of one that gets nowhere.

restic tries what fails for a quarter of an hour, and waits for a server that is frozen for longer. Meanwhile a service
may be paused for its backup.
"""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from agent.errors import AgentError, reason_of

LONGEST_PAUSE = 20.0
"""Seconds: restic's pauses between tries of the same grow; it has tried for most of a minute when one is longer."""
STILL = 120.0
"""Seconds after which a process that neither reads, writes nor computes is ended."""
_LOOK = 5.0
_MOVED_BYTES, _MOVED_TICKS = 500_000, 100
"""What is more than a process writes and computes that only says that it is there."""
_ENDS = 10.0
_RETRY = re.compile(r"returned error, retrying after (?P<pause>[\w.µ]+): (?P<why>.*)")
_HASH = re.compile(r"\b([0-9a-f]{10})[0-9a-f]{54}\b")
_LOST = re.compile(r"\bpack ([0-9a-f]{10})[0-9a-f]{54}: does not exist")
"""What `check` says of a file that is listed and not there, before it tries for a quarter of an hour to read it."""
_PASSWORD = re.compile(r"(://[^/@:\s]*:)(?!\d+(?:/|$))[^\s\"']*@")
"""As in skep's `model/backup_address.py`, which the agent can't import."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


class RepositoryUnreachableError(AgentError):
    """A repository that does not answer, or does not take what it gets."""


@dataclass(frozen=True)
class Ended:
    """A process that ended.

    Args:
        status: Its exit status.
        output: What it printed, if nobody else took it.
        errors: What it said on standard error.

    """

    status: int
    output: str
    errors: str


@dataclass
class _Progress:
    """How far all of this program's restics are together.

    Args:
        at: When one began or moved last, by `time.monotonic`; 0 before the first.

    """

    at: float = 0.0


_progress = _Progress()


def moved_at() -> float:
    """Return when a restic of this program began or moved last, by `time.monotonic`; 0 before the first.

    One that waits for a disk that went away can't be ended, and keeps whoever waits for it: then this stands still.
    """
    return _progress.at


def run(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    who: Mapping[str, Any],
    directory: Path | None = None,
    output: IO[bytes] | None = None,
    hear: Callable[[str], None] | None = None,
    started: Callable[[int], None] | None = None,
) -> Ended:
    """Run restic to its end.

    Args:
        command: The command.
        env: Its variables.
        who: Whom it runs as, in the words of `subprocess`.
        directory: Where it runs.
        output: Takes its standard output.
        hear: Takes the lines of it.
        started: Is told the process's number.

    Raises:
        RepositoryUnreachableError: It got nowhere, and was ended.
        AgentError: It can't be started; or it found a file missing, and was ended.

    """
    try:
        process = subprocess.Popen(
            command,
            env=env,
            cwd=directory,
            stdout=output or subprocess.PIPE,
            stderr=subprocess.PIPE,
            **who,
        )
    except OSError as error:
        raise AgentError(f"restic can't be started: {reason_of(error)} (doit setup_hosts)") from error
    _progress.at = time.monotonic()
    said: list[str] = []
    with process:
        watch = _Watch(process)
        watch.start()
        if started is not None:
            started(process.pid)
        for line in process.stdout or ():
            (hear or said.append)(line.decode(errors="replace"))
        status = process.wait()
        watch.join()
    if watch.lost:
        raise AgentError(f"restic: pack {watch.lost} is missing")
    if watch.gave_up:
        raise RepositoryUnreachableError(
            f"the repository does not answer, or does not take this: {without_passwords(watch.gave_up)}"
        )
    return Ended(status, "".join(said), without_passwords("".join(watch.errors)))


def without_passwords(text: str) -> str:
    """Return a text as it may be shown: without the passwords of addresses, which not every restic leaves out."""
    return _PASSWORD.sub(r"\1***@", text)


class _Watch:
    """Hears what a process says on standard error, and ends it where it gets nowhere.

    Args:
        process: The process.

    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.errors: list[str] = []
        self.gave_up = self.lost = ""
        self._process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._looker = threading.Thread(target=self._look, daemon=True)
        self._over = threading.Event()

    def start(self) -> None:
        """Begin."""
        self._reader.start()
        self._looker.start()

    def join(self) -> None:
        """Wait until all is heard of a process that ended."""
        self._over.set()
        self._reader.join()
        self._looker.join()

    def _read(self) -> None:
        for line in self._process.stderr or ():
            text = line.decode(errors="replace")
            self.errors.append(text)
            if (lost := _LOST.search(text)) is not None:
                self.lost = lost[1]
                self._end(text)
            found = _RETRY.search(text)
            if found is not None and _seconds(found["pause"]) > LONGEST_PAUSE:
                self._end(_HASH.sub(r"\1", found["why"].strip()))

    def _look(self) -> None:
        since, before = time.monotonic(), _moved(self._process.pid)
        while not self._over.wait(_LOOK):
            now = _moved(self._process.pid)
            if now[0] - before[0] > _MOVED_BYTES or now[1] - before[1] > _MOVED_TICKS:
                _progress.at = since = time.monotonic()
                before = now
            elif time.monotonic() - since > STILL:
                self._end(f"nothing has moved for {STILL:.0f} s")
                return

    def _end(self, why: str) -> None:
        """End the process; if it does not take its lock away in time, without that."""
        if self.gave_up or self._process.poll() is not None:
            return
        self.gave_up = why
        self._process.terminate()
        try:
            self._process.wait(_ENDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _seconds(text: str) -> float:
    """Return a time as Go prints it, as in `1m2.5s`, in seconds."""
    parts = re.findall(r"([\d.]+)(h|ms|m|s|µs|ns)", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _moved(process: int) -> tuple[int, int]:
    """Return the bytes that a process has read and written, and the processor's ticks that it has taken.

    Nothing of one that is gone.
    """
    try:
        counts = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    seconds = (int(fields[11]) + int(fields[12])) * 100 // os.sysconf("SC_CLK_TCK")
    return int(counts["rchar"]) + int(counts["wchar"]), seconds
