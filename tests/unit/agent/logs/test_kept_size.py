"""The size of the logs that are kept: what goes before its time, and what stays."""

import os
import random
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

    def say(self, name: str, blocks: int, minute: int) -> None:
        """Write so many blocks more to a service's file, each with the minute."""
        path = self.directories[0] / f"{name}.log"
        with path.open("ab") as file:
            file.write(f"{minute:0{KILO}}".encode() * blocks)
        os.utime(path, (minute, minute))

    def minutes(self, name: str) -> list[int]:
        """Return the minutes whose blocks of a service are kept, in order."""
        files = sorted(self.directories[0].glob(f"{name}.log-*"))
        text = b"".join(path.read_bytes() for path in [*files, self.directories[0] / f"{name}.log"])
        return [int(text[start : start + KILO]) for start in range(0, len(text), KILO)]

    def total(self) -> int:
        """Return the blocks that are kept."""
        return sum(each.size for each in kept_files(self.directories)) // KILO

    def trim(self, blocks: int, share: int = 1000) -> set[str]:
        """Keep so many blocks, and so many in a file that is written to; return the names of files that have any."""

        def rotate(*, is_all: bool) -> None:
            """Do as logrotate does."""
            self.rotations += 1
            for file in kept_files(self.directories):
                if not file.is_rotated and file.length > (0 if is_all else KILO * share):
                    file.path.rename(f"{file.path}-20261130-{self.rotations:04}")
                    file.path.touch()

        trim(self.directories, KILO * blocks, KILO * share, rotate, self.said.append)
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


def test_small_files_that_take_too_much_together(kept: Kept) -> None:
    """All are begun anew, and the one whose last line is the oldest goes."""
    kept.write("db.log-20261129-1.gz", 1, 50)
    for name, written in (("a", 300), ("b", 200), ("c", 100)):
        kept.write(f"{name}.log", 3, written)

    assert kept.trim(10, 3) == {"a.log", "b.log", "c.log", "db.log-20261129-1.gz"}
    kept.write("a.log", 4, 400)
    assert kept.trim(10, 4) == {"a.log-20261130-0001", "b.log-20261130-0001", "c.log-20261130-0001"}
    kept.write("a.log", 3, 500)
    assert kept.trim(10, 4) == {"a.log", "a.log-20261130-0001", "b.log-20261130-0001"}


def test_a_large_file_is_begun_anew(kept: Kept) -> None:
    """Alone, and long before all take too much."""
    kept.write("chatty.log", 6)
    kept.write("web.log", 5)

    assert kept.trim(100, 5) == {"chatty.log-20261130-0001", "web.log"}


@pytest.mark.parametrize("seed", range(5))
def test_what_goes_is_the_oldest_and_little(kept: Kept, seed: int) -> None:
    """Whatever services say in a minute, once there is too much a look leaves most of it, and no gap in a service's."""
    dice, most, share, said_most = random.Random(seed), 100, 5, 4  # noqa: S311 - a history, not a secret
    names = ("chatty", "web", "db", "cron")
    for minute in range(1, 80):
        kept.say("chatty", dice.randint(1, said_most), minute)
        for name in names[1:]:
            if dice.random() < 0.1:
                kept.say(name, dice.randint(1, said_most), minute)
        before = {
            name: kept.minutes(name) for name in names if (kept.directories[0] / f"{name}.log").exists()
        }
        removals = len(kept.said)
        kept.trim(most, share)

        assert kept.total() <= most
        if len(kept.said) > removals:
            assert kept.total() > most - share - said_most
        for name, minutes in before.items():
            left = kept.minutes(name)
            assert left == minutes[len(minutes) - len(left) :]
    assert kept.said


def test_the_unit_is_started_where_there_is_too_much(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all, or of one that is written to. It is looked for once a minute."""
    orders: list[list[str]] = []

    def run(words: list[str], **_options: Any) -> None:
        orders.append(words)

    monkeypatch.setattr(subprocess, "run", run)
    path, size = kept.write("web.log", 3), KeptSize(kept.directories, 2 * KILO, 2 * KILO, "trim.service")
    size.look()
    size.look()
    assert orders == [["systemctl", "start", "--no-block", "trim.service"]]

    monkeypatch.setattr(kept_size, "_PAUSE", 0.0)
    path.unlink()
    fitting = KeptSize(kept.directories, 2 * KILO, 2 * KILO, "trim.service")
    fitting.look()
    kept.write("web.log", 2)
    fitting.look()
    assert len(orders) == 1
    kept.write("web.log", 3)
    fitting.look()
    assert len(orders) == 2

    KeptSize(kept.directories, 9 * KILO, 3 * KILO, "trim.service").look()
    assert len(orders) == 2
    KeptSize(kept.directories, 9 * KILO, 2 * KILO, "trim.service").look()
    assert len(orders) == 3


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
    assert KeptFile(Path(name), 0, 0, 0.0).is_rotated == is_rotated
