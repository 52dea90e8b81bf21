"""What an engine does with the log of a container, driver json-file: lines, pieces, rotations, removal."""

import json
import shutil
from pathlib import Path

TASK = "web.1.x7f"


class EngineLog:
    """A container's log, as an engine of 20.10 and 26.1 was seen to write it.

    Args:
        root: Where containers are.
        name: The container's id.
        task: Its task; empty for none.
        driver: Its logging driver.

    """

    def __init__(self, root: Path, name: str = "c0", task: str = TASK, driver: str = "json-file") -> None:
        self.directory = root / name
        self.path = self.directory / f"{name}-json.log"
        self._tick = 0
        self.directory.mkdir(parents=True)
        describe(self.directory, task, driver)

    def write(self, text: str, stream: str = "stdout") -> None:
        """Write a line, or a piece of one if it has no end."""
        self._tick += 1
        entry = {
            "log": text,
            "stream": stream,
            "time": f"2026-11-30T12:00:00.{self._tick:09d}".rstrip("0") + "Z",
        }
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def rotate(self, most: int = 5) -> None:
        """Rename the files, as at `max-size`; the oldest of `most` is removed."""
        for number in range(most - 1, 1, -1):
            if (older := self.path.with_name(f"{self.path.name}.{number - 1}")).exists():
                older.rename(self.path.with_name(f"{self.path.name}.{number}"))
        self.path.rename(self.path.with_name(f"{self.path.name}.1"))
        self.path.touch()

    def remove(self) -> None:
        """Remove the container."""
        shutil.rmtree(self.directory)


def describe(directory: Path, task: str, driver: str) -> None:
    """Write what an engine keeps of a container beside its log."""
    labels = {"com.docker.swarm.task.name": task} if task else {}
    (directory / "config.v2.json").write_text(json.dumps({"Config": {"Labels": labels}}))
    (directory / "hostconfig.json").write_text(json.dumps({"LogConfig": {"Type": driver}}))
