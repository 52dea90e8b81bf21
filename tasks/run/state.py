"""The state directory of a stage: records, logs, keys and the lock. All writes are whole or not at all.

    state/<stage>/
        lock                      held by the run at work; says who
        <phase>/<name>.json       records: ids and digests of each resource (doit's targets and file_deps)
        traces/<phase>/<name>.json  each one's inputs at its last good run (doit's database)
        logs/<phase>/<name>.log   the full output of each task's last run
        ssh_config known_hosts    for skep and for people: ssh -F state/<stage>/ssh_config <host>
        repository.json           the host whose registry has the images
        fenced/<host>.json        a host that must leave its old swarm first: the node that it was there
        replacing/<host>.json     a host that `doit replace_host` is at: how far, and what is to come back from backups
        place.json                the provider, with region, project and the like, where things were made
        secrets/                  0700: the ssh key, the vault (site CA, passwords)

Everything but `secrets/` is a cache of the real things' labels, and may be deleted.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from model.errors import StateError
from model.keys.record import FactRecord, HostRecord, ImageRecord, Record, SwarmRecord
from model.stage import Host, Stage
from remote.mother.boot_id import boot_id
from remote.mother.files import file_errors, write_whole
from remote.mother.lock import try_lock
from remote.mother.wait import Pace, attempts

R = TypeVar("R", bound=Record)
REPOSITORY = "repository.json"
_FENCED = "fenced"
_LOOKED_AT, _PACE = 0.1, Pace(first=0.02, longest=0.02)
"""Seconds for which the lock may be held by those who only look whether it is (`commands/shared/lock_owner.py`)."""
_READ: ContextVar[set[str] | None] = ContextVar("read", default=None)


@contextmanager
def noting_reads() -> Iterator[set[str]]:
    """Note the tasks whose records this thread reads meanwhile: those that a task's inputs really come from."""
    noted: set[str] = set()
    token = _READ.set(noted)
    try:
        yield noted
    finally:
        _READ.reset(token)


def homes(directory: Path) -> dict[str, str]:
    """Return each stage's host whose registry has its images, as far as a site's state/ knows it."""
    found = {path.name: State(path).home for path in (directory / "state").glob("*") if path.is_dir()}
    return {stage: home for stage, home in found.items() if home}


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
        """The directory for files that nobody else may read; made if it is missing."""
        path = self.root / "secrets"
        with file_errors(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
        return path

    def record_path(self, task: str) -> Path:
        """Return the path of a task's record."""
        phase, _, name = task.partition(":")
        return self.root / phase / f"{name}.json"

    def log_path(self, task: str) -> Path:
        """Return the path of the log of a task's last run."""
        phase, _, name = task.partition(":")
        return self.root / "logs" / phase / f"{name or phase}.log"

    def read(self, task: str, kind: type[R]) -> R | None:
        """Return a task's record, or None where there is none that can be used.

        One that can't be decoded is removed where this process holds the stage: doit then sees that its task's target
        is gone, so that the task runs, finds the real thing, and writes it anew.

        Raises:
            StateError: It is there and can't be read.

        """
        if (noted := _READ.get()) is not None:
            noted.add(task)
        path = self.record_path(task)
        try:
            with file_errors(path, except_=(FileNotFoundError, NotADirectoryError)):
                return msgspec.json.decode(path.read_bytes(), type=kind)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except msgspec.MsgspecError:
            self._remove_broken(path)
            return None

    def record(self, task: str, kind: type[R]) -> R:
        """Return the record of a task that this one needs.

        Raises:
            KeyError: It has none, since it has not been run.

        """
        record = self.read(task, kind)
        if record is None:
            raise KeyError(task)
        return record

    def host_record(self, host: Host) -> HostRecord | None:
        """Return the record of a host, or None before it is made."""
        return self.read(f"build_infra:{host.short}", HostRecord)

    def swarm_id(self, stage: Stage) -> str:
        """Return the id of the stage's swarm, as its first hive's record has it.

        Raises:
            KeyError: There is no swarm yet.

        """
        return self.record(f"setup_hosts:{stage.hives[0].short}.swarm", SwarmRecord).cluster

    def remove_broken(self) -> None:
        """Remove each record that is no JSON, before doit looks at the first one; only for who holds the stage.

        doit judges a task before those that read its record. They would find the broken record a run too late.
        """
        for path in self.root.glob("*/*.json"):
            if path.parent.name not in {"traces", "secrets", "logs"}:
                with file_errors(path):
                    try:
                        msgspec.json.decode(path.read_bytes(), type=dict)
                    except msgspec.MsgspecError:
                        self._remove_broken(path)

    def _remove_broken(self, path: Path) -> None:
        """Remove a record that can't be decoded, unless this process only looks (`doit list`)."""
        if self._lock is not None:
            with file_errors(path):
                path.unlink(missing_ok=True)

    def trace_path(self, task: str) -> Path:
        """Return the path of a task's trace: its inputs at its last good run (see `commands/shared/statedb.py`)."""
        phase, _, name = task.partition(":")
        return self.traces / phase / f"{name or phase}.json"

    def before_failure(self, task: str) -> dict[str, str] | None:
        """Return a failed task's inputs at its last good run (empty if there was none); None if it did not fail."""
        try:
            entry = json.loads(self.trace_path(task).read_bytes())
            if not entry.get("failed"):
                return None
            return dict(entry.get("good", {}).get("_values_:", {}).get("inputs", {}))
        except (OSError, ValueError, AttributeError):
            return None

    def last_inputs(self, task: str) -> dict[str, str]:
        """Return a task's inputs at its last good run; none if there was none."""
        try:
            entry = json.loads(self.trace_path(task).read_bytes())
            return dict(entry.get("good", {}).get("_values_:", {}).get("inputs", {}))
        except (OSError, ValueError, AttributeError):
            return {}

    def write(self, task: str, record: Record) -> None:
        """Keep a task's record; a file that would stay the same is left alone, time included."""
        write_whole(self.record_path(task), msgspec.json.format(msgspec.json.encode(record)) + b"\n")

    def forget(self, task: str) -> None:
        """Remove the record, trace and log of a task that no longer exists."""
        for path in (self.record_path(task), self.trace_path(task), self.log_path(task)):
            with file_errors(path):
                path.unlink(missing_ok=True)

    def tasks_of_host(self, short: str) -> list[str]:
        """Return the tasks of a host that there is a record of: the host's own, its set-up steps, its volumes."""
        found = [("build_infra", f"{short}.json"), ("setup_hosts", f"{short}.*.json")]
        found.append(("build_volumes", f"*@{short}.json"))
        return [
            f"{phase}:{path.stem}"
            for phase, pattern in found
            for path in sorted((self.root / phase).glob(pattern))
        ]

    def members(self) -> list[str]:
        """Return the hosts that became members of the swarm, also those that the stage no longer has."""
        return sorted(
            path.name.removesuffix(".swarm.json") for path in (self.root / "setup_hosts").glob("*.swarm.json")
        )

    def fences(self) -> dict[str, str]:
        """Return the hosts that are fenced (`doit recover_swarm`), each with the node that it must be no more."""
        found = {}
        for path in sorted((self.root / _FENCED).glob("*.json")):
            record = self.read(f"{_FENCED}:{path.stem}", FactRecord)
            if record is not None:
                found[path.stem] = record.id
        return found

    def fence(self, short: str, node: str) -> None:
        """Keep that a host is fenced, on the disk: it leaves the swarm that it was in before anything runs there."""
        self.write(f"{_FENCED}:{short}", FactRecord(id=node))

    def lift_fence(self, short: str) -> None:
        """Forget that a host is fenced: it has left that swarm."""
        self.forget(f"{_FENCED}:{short}")

    @property
    def home(self) -> str:
        """The host whose registry has the stage's images, by its short name; empty if that is not known here.

        A stage that an older skep made is known by the copies of its vault: that of the host whose registry the
        images' records name, else the one that a run looked after last.
        """
        path = self.root / REPOSITORY
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(path.read_bytes(), type=FactRecord).id
        copies = {
            path.name.removesuffix(".vault.json") for path in self.root.glob("setup_hosts/*.vault.json")
        }
        named = [short for short in self._registries() if short in copies]
        counts = {short: named.count(short) for short in copies}
        # A record that comes out as before keeps its time; a trace is written by every run of its task.
        return max(sorted(copies), key=lambda short: (counts[short], self._last_time(short)), default="")

    def _registries(self) -> Iterator[str]:
        """Yield the host, by its short name, of the registry that each image's record names."""
        names = {}
        for path in self.root.glob("build_infra/*.json"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                names[msgspec.json.decode(path.read_bytes(), type=HostRecord).name] = path.stem
        for path in self.root.glob("build_images/*.json"):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                reference = msgspec.json.decode(path.read_bytes(), type=ImageRecord).reference
                yield names.get(reference.partition("/")[0].rpartition(":")[0], "")

    def _last_time(self, short: str) -> int:
        """Return when a run last made the copy of the vault on a host, in nanoseconds."""
        task = f"setup_hosts:{short}.vault"
        times = [0]
        for path in (self.trace_path(task), self.record_path(task)):
            with contextlib.suppress(OSError):
                times.append(path.stat().st_mtime_ns)
        return max(times)

    def keep_home(self, short: str) -> None:
        """Keep which host has the registry with the stage's images."""
        write_whole(
            self.root / REPOSITORY, msgspec.json.format(msgspec.json.encode(FactRecord(id=short))) + b"\n"
        )

    def lock(self, command: str) -> None:
        """Take the stage for this process until it ends, however it ends.

        Args:
            command: What to tell the second one who asks.

        Raises:
            StateError: Another process has it (the message says which, where and since when), or the state directory
                can't be written.

        """
        about = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "boot": boot_id(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "command": command,
        }
        path = self.root / "lock"
        handle = next(filter(None, (try_lock(path) for _ in attempts(_LOOKED_AT, _PACE))), None)
        if handle is None:
            with file_errors(path):
                holder = _holder(path.read_text(encoding="utf-8"))
            raise StateError(f"{self.root.name}: {holder}; wait for it, or end it")
        with file_errors(path):
            try:
                handle.truncate(0)
                handle.write(json.dumps(about))
                handle.flush()
            except OSError:
                _let_go(handle)
                raise
        self._lock = handle

    @property
    def is_held(self) -> bool:
        """Whether this process holds the stage, and so may write its state."""
        return self._lock is not None

    def unlock(self) -> None:
        """Give the stage back."""
        handle, self._lock = self._lock, None
        if handle is not None:
            with contextlib.suppress(OSError):
                handle.truncate(0)
            _let_go(handle)


def _let_go(handle: IO[str]) -> None:
    """Release a lock by closing its file."""
    with contextlib.suppress(OSError):
        handle.close()


def _holder(text: str) -> str:
    """Describe the holder of a lock."""
    try:
        about = json.loads(text)
        return (
            f"another run holds this stage: process {about['pid']} on {about['host']} "
            f"since {about['since']} ({about['command']})"
        )
    except (ValueError, KeyError, TypeError):
        return "another run holds this stage"
