"""Log files as the engine writes them.

Held against Engine 26.1's of drivers `local` and `json-file` (agent/container_logs/log_records.py names their sources).
"""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

CONTAINER = "c1"


def local_record(text: bytes, at: int, stream: str = "stdout", part: str = "") -> bytes:
    """Return a record of driver `local`; `part` is `more` or `last` of a line that was cut."""
    fields = _field(1, stream.encode()) + b"\x10" + _varint(at) + _field(3, text)
    if part:
        fields += b"\x20\x01" + _field(5, (b"\x08\x01" if part == "last" else b"") + _field(2, b"id"))
    length = len(fields).to_bytes(4)
    return length + fields + length


def json_record(text: bytes, at: int, stream: str = "stdout", part: str = "") -> bytes:
    """Return a record of driver `json-file`."""
    seconds, rest = divmod(at, 10**9)
    moment = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}".rstrip("0").rstrip(".")
    end = "" if part == "more" else "\n"
    return json.dumps({"log": text.decode() + end, "stream": stream, "time": f"{moment}Z"}).encode() + b"\n"


def _field(number: int, content: bytes) -> bytes:
    """Return a field of protobuf's with bytes."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return a number of protobuf's."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


class ContainerLog:
    """A container's log files, below a directory of containers.

    Args:
        root: The directory of containers.
        driver: `local` or `json-file`.
        container: The container's id.

    """

    def __init__(self, root: Path, driver: str = "local", container: str = CONTAINER) -> None:
        directory = root / container
        name = "local-logs/container.log" if driver == "local" else f"{container}-json.log"
        self.path = directory / name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self._record = local_record if driver == "local" else json_record
        self.now = 10**18

    def write(self, *lines: bytes, stream: str = "stdout", part: str = "") -> None:
        """Write lines, each a millisecond after the one before."""
        with self.path.open("ab") as file:
            for line in lines:
                self.now += 10**6
                file.write(self._record(line, self.now, stream, part))

    def rotate(self, *, is_packed: bool = True) -> None:
        """Rotate as the engine does: the newest is plain at first, then packed."""
        for number in range(8, 0, -1):
            for end in ("", ".gz"):
                path = self.path.with_name(f"{self.path.name}.{number}{end}")
                if path.exists():
                    path.rename(self.path.with_name(f"{self.path.name}.{number + 1}{end}"))
        first = self.path.rename(self.path.with_name(f"{self.path.name}.1"))
        if is_packed:
            first.with_name(f"{first.name}.gz").write_bytes(gzip.compress(first.read_bytes()))
            first.unlink()
        self.path.touch()

    def forget_rotated(self) -> None:
        """Remove the rotated files."""
        for path in self.path.parent.glob(f"{self.path.name}.*"):
            path.unlink()
