"""doit's database as one JSON file per task, written as each task ends.

doit's own backends write when the whole run ends, so a killed run forgets all of it. They also delete a
task's entry when it fails; here the last good entry is kept beside the failure, since `doit why` compares with it.

An entry that can't be written must not end a run in which other tasks are at work: while `running`, the first such
error is kept in `problem`, which the run reports at its end. The next run then runs that task again.
"""

import json
import time
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidCommand

from model.errors import StateError
from remote.mother.files import write_whole

VALUES = "_values_:"
_IGNORE = "ignore:"
_LAST = "deps:"  # the key that doit's Dependency.save_success sets last


class StateDb:
    """A doit backend: `get`, `set`, `in_`, `remove`, `remove_all`, `dump` over a directory.

    Args:
        name: The directory.
        codec: Not used; entries are JSON.
        module_name: Not used.

    """

    desc = "one JSON file per task, written as it ends"

    def __init__(self, name: str, codec: object = None, module_name: str | None = None) -> None:  # noqa: ARG002
        """Name the directory; entries are read when they are asked for."""
        self.name = name
        self._directory = Path(name)
        self._entries: dict[str, dict[str, Any]] = {}
        self.running = False
        """Whether tasks are running: doit then removes failed tasks, else those that a person wants forgotten."""
        self.problem: StateError | None = None
        """The first entry that could not be written."""

    def get(self, task_id: str, dependency: str) -> Any:
        """Return a value of a task's last run, or None; a task whose last run failed has none."""
        entry = self.entry(task_id)
        return None if "failed" in entry else entry.get("good", {}).get(dependency)

    def set(self, task_id: str, dependency: str, value: Any) -> None:
        """Keep a value; the last one that doit sets for a task that ended well writes the file."""
        entry = self.entry(task_id)
        if "failed" in entry or (dependency == VALUES and "good" in entry):
            # The first value of a new good run: nothing of an older one may be mixed in.
            entry.clear()
        entry.setdefault("good", {})[dependency] = value
        if dependency == _LAST:
            entry["made"] = time.time()
        if dependency in {_LAST, _IGNORE}:
            self._write(task_id)

    def in_(self, task_id: str) -> bool:
        """Return whether a task's last run ended well."""
        entry = self.entry(task_id)
        return "good" in entry and "failed" not in entry

    def remove(self, task_id: str) -> None:
        """Note that a task's last run failed, or forget the task (`doit forget`).

        A failed task keeps its last good entry.

        Raises:
            InvalidCommand: The entry can't be removed.

        """
        if not self.running:
            self._entries.pop(task_id, None)
            path = self._path(task_id)
            try:
                path.unlink(missing_ok=True)
            except NotADirectoryError:
                return
            except OSError as error:
                raise InvalidCommand(f"{path}: {error.strerror}") from error
            return
        entry = self.entry(task_id)
        if entry.get("failed"):
            return
        entry["failed"] = True
        self._write(task_id)

    def remove_all(self) -> None:
        """Forget everything."""
        self._entries = {}
        for path in self._directory.glob("*/*.json"):
            path.unlink()

    def dump(self) -> None:
        """Do nothing: all is written already."""

    def entry(self, task_id: str) -> dict[str, Any]:
        """Return a task's entry: `good`, doit's values of the last good run; `made`, its time; `failed`."""
        if task_id not in self._entries:
            try:
                loaded = json.loads(self._path(task_id).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                # Treated as missing, so its task runs. If it can't be written either, `_write` reports that.
                loaded = {}
            self._entries[task_id] = loaded if isinstance(loaded, dict) else {}
        return self._entries[task_id]

    def read_again(self) -> None:
        """Have each entry read from its file again, since another process may have written it."""
        self._entries.clear()

    def _path(self, task_id: str) -> Path:
        """Return a task's file."""
        phase, _, name = task_id.partition(":")
        return self._directory / phase / f"{name or phase}.json"

    def _write(self, task_id: str) -> None:
        """Write a task's file.

        Raises:
            InvalidCommand: It can't be written, and no run is at work.

        """
        try:
            # Not synced to the disk, which would delay the next tasks: a trace that a power cut loses only makes its
            # task run once more.
            write_whole(self._path(task_id), json.dumps(self._entries[task_id]).encode(), lasting=False)
        except StateError as error:
            if not self.running:
                raise InvalidCommand(str(error)) from error
            self.problem = self.problem or error
