"""The containers of services on this host, by the engine's own files: they can be read while the engine is down."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.container_logs.followed_log import FollowedLog
from agent.container_logs.log_files import BEGINNING, LogPlace
from agent.errors import reason_of
from agent.logs.container_lines import ContainerLines
from agent.logs.lines import CentralLine
from agent.logs.noted_places import noted_place
from agent.logs.troubles import Troubles

_TASK = "com.docker.swarm.task.name"
_READ = frozenset({"json-file", "local"})
"""The drivers whose files are read. What the engine keeps of others' is there for `docker logs` alone."""


class Containers:
    """Reads the logs of all containers of services.

    Args:
        root: Where the engine has its containers.
        host: The host's short name.
        noted: Container to how far its log was read, as it was noted.
        troubles: Takes logs that can't be read, by their containers.

    """

    def __init__(self, root: Path, host: str, noted: dict[str, Any], troubles: Troubles) -> None:
        self._root, self._host, self._noted, self._troubles = root, host, noted, troubles
        self._known: set[str] = set()
        self._unopened: set[str] = set()
        """Containers of which something can't be opened, and that is said."""
        self.logs: dict[str, ContainerLines] = {}

    def look(self) -> None:
        """Find new containers, and open what is not read yet, lest it be removed meanwhile."""
        there = {path.name for path in self._root.iterdir()} if self._root.is_dir() else set()
        for name in there - self._known:
            if (task := self._task(name)) is None:
                continue
            self._known.add(name)
            if task:
                self._begin(name, task)
        for name, lines in self.logs.items():
            try:
                lines.hold()
            except OSError as error:
                self._cant_be_opened(name, lines.task, error)
            else:
                self._is_opened(name)
        for name in self._unopened - there - self.logs.keys():
            self._is_opened(name)
        self._known &= there | self.logs.keys()

    def read(self) -> Iterator[list[CentralLine]]:
        """Yield the next lines of each log that has some; one that can't be read now holds up no other one."""
        for name, log in list(self.logs.items()):
            try:
                lines = log.read()
            except OSError as error:
                self._troubles.begin(name, unreadable(log.task, error))
                continue
            self._troubles.end(name)
            if lines:
                yield lines

    def forget_removed(self) -> None:
        """Let go of the logs of containers that are removed, and read to their end."""
        for name in [name for name, log in self.logs.items() if log.is_over]:
            self.logs.pop(name).close()
            self._troubles.end(name)
            self._known.discard(name)

    def places(self) -> dict[str, LogPlace]:
        """Return how far each log was read."""
        return {name: log.place for name, log in self.logs.items()}

    def _begin(self, name: str, task: str) -> None:
        """Go on with a container's log where it was left."""
        try:
            place = noted_place(self._root / name, self._noted.get(name, BEGINNING))
        except OSError as error:
            self._cant_be_opened(name, task, error)
            self._known.discard(name)
            return
        self.logs[name] = ContainerLines(FollowedLog(self._root / name, place), self._host, task)

    def _cant_be_opened(self, name: str, task: str, error: OSError) -> None:
        """Have it said that something of a container's log can't be opened."""
        self._troubles.begin(name, unreadable(task, error))
        self._unopened.add(name)

    def _is_opened(self, name: str) -> None:
        """Have all of a container's log open; whether it can be read is for `read` to say."""
        if name in self._unopened:
            self._unopened.discard(name)
            self._troubles.end(name)

    def _task(self, name: str) -> str | None:
        """Return a container's task, empty where there is nothing to read; None if the engine is still making it."""
        try:
            config = json.loads((self._root / name / "config.v2.json").read_text())
            driver = json.loads((self._root / name / "hostconfig.json").read_text())["LogConfig"]["Type"]
        except (OSError, ValueError, KeyError):
            return None
        task = (config.get("Config", {}).get("Labels") or {}).get(_TASK, "")
        return task if driver in _READ else ""


def unreadable(task: str, error: OSError) -> str:
    """Return the sentence for a log that can't be read."""
    return f"{task}: its log can't be read ({reason_of(error)}); it is tried again"
