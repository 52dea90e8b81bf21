"""The containers of services on this host, by the engine's own files: they can be read while the engine is down."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agent.errors import reason_of
from agent.logs.lines import CentralLine
from agent.logs.log_reader import LogReader, ReadPlace
from agent.logs.troubles import Troubles

_TASK = "com.docker.swarm.task.name"
_READ = "json-file"
"""The only driver whose files can be read."""


class Containers:
    """Reads the logs of all containers of services.

    Args:
        root: Where the engine has its containers.
        host: The host's short name.
        places: Container to how far its log was read.
        troubles: Takes logs that can't be read, by their containers.

    """

    def __init__(self, root: Path, host: str, places: dict[str, ReadPlace], troubles: Troubles) -> None:
        self._root, self._host, self._places, self._troubles = root, host, places, troubles
        self._known: set[str] = set()
        self._unopened: set[str] = set()
        """Containers whose log can't be opened."""
        self.logs: dict[str, LogReader] = {}

    def look(self) -> None:
        """Find new containers, and forget those that are gone and read."""
        there = {path.name for path in self._root.iterdir()} if self._root.is_dir() else set()
        for name in there - self._known:
            if (found := self._described(name)) is None:
                continue
            self._known.add(name)
            file, task = found
            if task:
                try:
                    self.logs[name] = LogReader(file, self._host, task, self._places.get(name))
                except OSError as error:
                    self._troubles.begin(name, unreadable(task, error))
                    self._known.discard(name)
                    self._unopened.add(name)
        for name in self._unopened - there:
            self._troubles.end(name)
        self._unopened &= there - self.logs.keys()
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
            self._places.pop(name, None)
            self._known.discard(name)

    def places(self) -> dict[str, ReadPlace]:
        """Return how far each log was read."""
        return dict(self._found_places())

    def _found_places(self) -> Iterator[tuple[str, ReadPlace]]:
        """Yield containers, and how far their logs were read."""
        for name, log in self.logs.items():
            with suppress(OSError):  # a disk that can't be read leaves the last place that there was
                if (place := log.place) is not None:
                    self._places[name] = place
            if name in self._places:
                yield name, self._places[name]

    def _described(self, name: str) -> tuple[Path, str] | None:
        """Return a container's file and its task, which is empty where there is nothing to read.

        None if the engine is still making it.
        """
        try:
            config = json.loads((self._root / name / "config.v2.json").read_text())
            driver = json.loads((self._root / name / "hostconfig.json").read_text())["LogConfig"]["Type"]
        except (OSError, ValueError, KeyError):
            return None
        task = (config.get("Config", {}).get("Labels") or {}).get(_TASK, "")
        if driver != _READ or not task:
            return self._root, ""
        # The engine fills it in when the container is started.
        return (Path(path), task) if (path := config.get("LogPath")) else None


def unreadable(task: str, error: OSError) -> str:
    """Return the sentence for a log that can't be read."""
    return f"{task}: its log can't be read ({reason_of(error)}); it is tried again"
