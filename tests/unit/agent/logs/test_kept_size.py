"""The size of the logs that are kept: what goes before its time, and what stays."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.logs import kept_size
from agent.logs.kept_size import KeptFile, KeptSize, kept_files, trim

KILO = 4096
"""Bytes of a file of one block."""


class Kept:
    """The directories of logs.

    Args:
        root: Where they are made.

    """

    def __init__(self, root: Path) -> None:
        self.directories = [root / "services", root / "hosts"]
        for directory in self.directories:
            directory.mkdir()
        self.said: list[str] = []
        self.rotations = 0

    def write(self, name: str, blocks: int, written: float = 0.0) -> Path:
        """Write a file, in `services/` unless its name says otherwise."""
        path = self.directories[0].parent / (name if "/" in name else f"services/{name}")
        path.write_bytes(b"x" * KILO * blocks)
        os.utime(path, (written, written))
        return path

    def rotate(self) -> None:
        """Do as logrotate does."""
        self.rotations += 1
        for path in [each for directory in self.directories for each in directory.glob("*.log")]:
            path.rename(path.with_name(f"{path.name}-20261130-{self.rotations}"))
            path.touch()

    def trim(self, blocks: int) -> set[str]:
        """Keep so many blocks; return the names of the files that have any."""
        trim(self.directories, KILO * blocks, self.rotate, self.said.append)
        return {each.path.name for each in kept_files(self.directories) if each.size}


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """Give directories without a file."""
    return Kept(tmp_path)


def test_the_oldest_go_first(kept: Kept) -> None:
    """Whichever service or host they are of, compressed or not, and no more of them than must."""
    kept.write("web.log-20261128-1.gz", 4, 100)
    kept.write("hosts/hive0.log-20261127-1", 4, 50)
    kept.write("web.log-20261129-1", 4, 200)
    kept.write("web.log", 2, 300)

    assert kept.trim(10) == {"web.log-20261128-1.gz", "web.log-20261129-1", "web.log"}
    [line] = kept.said
    assert line.startswith(f"{kept.directories[1]}/hive0.log-20261127-1: removed before its time")
    assert line.endswith("its last line is of 1970-01-01 00:00 UTC")
    assert kept.trim(10) == {"web.log-20261128-1.gz", "web.log-20261129-1", "web.log"}
    assert len(kept.said) == 1
    assert kept.rotations == 0


def test_what_is_written_to_stays(kept: Kept) -> None:
    """Also a file of a service whose name looks as if it were rotated."""
    kept.write("web.log", 3, 1)
    kept.write("a.log-20261128-1.log", 2, 1)
    kept.write("web.log-20261129-1", 8, 9)

    assert kept.trim(10) == {"web.log", "a.log-20261128-1.log"}


def test_a_service_that_says_more_in_a_day_than_there_may_be(kept: Kept) -> None:
    """Its file is begun anew, and what was before goes when it is the oldest."""
    kept.write("db.log-20261129-1.gz", 1, 50)
    kept.write("chatty.log", 9, 100)

    assert kept.trim(10) == {"chatty.log", "db.log-20261129-1.gz"}
    kept.write("chatty.log", 10, 100)
    assert kept.trim(10) == {"chatty.log-20261130-1"}
    kept.write("chatty.log", 6, 200)
    assert kept.trim(10) == {"chatty.log-20261130-2"}


def test_the_unit_is_started_where_there_is_too_much(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for once a minute."""
    orders: list[list[str]] = []

    def run(words: list[str], **_options: Any) -> None:
        orders.append(words)

    monkeypatch.setattr(subprocess, "run", run)
    path, size = kept.write("web.log", 3), KeptSize(kept.directories, 2 * KILO, "trim.service")
    size.look()
    size.look()
    assert orders == [["systemctl", "start", "--no-block", "trim.service"]]

    monkeypatch.setattr(kept_size, "_PAUSE", 0.0)
    path.unlink()
    fitting = KeptSize(kept.directories, 2 * KILO, "trim.service")
    fitting.look()
    kept.write("web.log", 2)
    fitting.look()
    assert len(orders) == 1
    kept.write("web.log", 3)
    fitting.look()
    assert len(orders) == 2


@pytest.mark.parametrize(
    ("name", "is_rotated"),
    [
        ("web.log", False),
        ("web.log-20261130-1796040000", True),
        ("web.log-20261130-1796040000.gz", True),
        ("web.log-20261130-1796040000.log", False),
        ("web.log-20261130-1796040000.gz.part", False),
    ],
)
def test_names(name: str, *, is_rotated: bool) -> None:
    """As logrotate gives them."""
    assert KeptFile(Path(name), 0, 0.0).is_rotated == is_rotated
