"""Stopping the collector before its disk is full, and starting it again."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.logs import collector_room
from agent.logs.collector_room import CollectorRoom, is_read_only

MEGABYTE = 1 << 20


class Host:
    """A disk, and a unit that does as systemd is told.

    Args:
        mark: The file by which a process knows what the one before it did.

    """

    def __init__(self, mark: Path) -> None:
        self.mark = mark
        self.free, self.inodes, self.is_read_only = 500, 0, False
        self.state, self.result = "active", "success"
        self.orders: list[str] = []
        self.said: list[str] = []
        self.is_deaf = False

    def room(self) -> CollectorRoom:
        """Return what watches them, as another process begins it."""
        return CollectorRoom("c.service", Path("/var/log"), 256 * MEGABYTE, self.mark, self.said.append)

    def statvfs(self, _path: Path) -> SimpleNamespace:
        """Return how much is free."""
        return SimpleNamespace(
            f_bavail=self.free, f_frsize=MEGABYTE, f_files=self.inodes, f_favail=self.inodes
        )

    def run(self, words: list[str], **_options: Any) -> SimpleNamespace:
        """Do what a systemctl would."""
        assert words[-1] == "c.service"
        if words[1] == "show":
            return SimpleNamespace(stdout=f"ActiveState={self.state}\nResult={self.result}\n")
        if self.is_deaf:
            raise subprocess.TimeoutExpired(words, 1)
        self.orders.append(words[1])
        self.state, self.result = ("active" if words[1] == "start" else "inactive"), "success"
        return SimpleNamespace(stdout="")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Give a host on which the collector runs."""
    made = Host(tmp_path / "mark")
    monkeypatch.setattr(os, "statvfs", made.statvfs)
    monkeypatch.setattr(subprocess, "run", made.run)
    monkeypatch.setattr(collector_room, "is_read_only", lambda _path: made.is_read_only)
    monkeypatch.setattr(collector_room, "_SELDOM", 0.0)
    return made


@pytest.mark.parametrize("is_one_process", [True, False])
def test_the_collector_is_stopped_and_started_once_each(host: Host, *, is_one_process: bool) -> None:
    """It starts with a quarter more than it stops at, lest it go on and off; another process knows what was done."""
    room, full = host.room(), []
    for free in (500, 255, 0, 300, 320, 255 + 1, 500):
        host.free = free
        room = room if is_one_process else host.room()
        room.look()
        full.append(room.is_full)

    assert full == [False, True, True, True, False, False, False]
    assert host.orders == ["stop", "start"]
    assert host.said == [
        "/var/log: 255 MB are free: the collector takes no lines until there are more",
        "/var/log: 320 MB are free: the collector takes lines again",
    ]


def test_a_disk_without_inodes(host: Host) -> None:
    """The collector could not begin a file anew; a file system that makes them as it goes has no number of them."""
    room, full = host.room(), []
    for inodes in (0, 5000, 999, 1000, 1249, 1250):
        host.inodes = inodes
        room.look()
        full.append(room.is_full)

    assert full == [False, False, True, True, True, False]
    assert host.orders == ["stop", "start"]
    assert host.said[0] == "/var/log: 999 inodes are free: the collector takes no lines until there are more"


def test_a_disk_that_became_read_only(host: Host) -> None:
    """As by a fault. The collector is started when it can be written to again."""
    room = host.room()
    host.is_read_only = True
    room.look()
    assert (room.is_full, host.orders) == (True, ["stop"])
    assert host.said == [
        "/var/log: the file system is read-only: the collector takes no lines until it can be written to"
    ]
    host.is_read_only = False
    room.look()
    assert (room.is_full, host.orders) == (False, ["stop", "start"])


def test_read_only_for_this_process_alone(tmp_path: Path) -> None:
    """The shipper's unit shows it all file systems read-only: what counts is the file system's own state."""
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    line = f"36 35 {os.major(device)}:{os.minor(device)} / /var/log ro,noatime master:1 - ext4 /dev/vda1"
    other = "30 35 0:999 / /proc rw - proc proc ro"
    mounts.write_text(f"{other}\n{line} rw,errors=remount-ro\n")
    assert not is_read_only(tmp_path, mounts)
    mounts.write_text(f"{other}\n{line} ro,errors=remount-ro\n")
    assert is_read_only(tmp_path, mounts)
    mounts.write_text(f"{other}\n")
    assert not is_read_only(tmp_path, mounts)


def test_a_collector_that_somebody_started_is_stopped_again(host: Host) -> None:
    """As a boot and the set-up step may do, which know nothing of the disk."""
    host.free, room = 100, host.room()
    room.look()
    host.state = "active"
    room.look()

    assert host.orders == ["stop", "stop"]


def test_a_collector_that_did_not_start_for_want_of_room_is_started(host: Host) -> None:
    """After a boot with a full disk; one that a person has stopped stays so."""
    host.state, host.result = "inactive", "success"
    host.room().look()
    assert host.orders == []

    host.result = "exec-condition"
    host.room().look()
    assert host.orders == ["start"]


def test_a_start_that_failed_is_tried_again(host: Host) -> None:
    """The mark goes when it has been started."""
    host.free, room = 100, host.room()
    room.look()
    host.free, host.is_deaf = 500, True
    with pytest.raises(subprocess.TimeoutExpired):
        room.look()
    assert host.mark.exists()

    host.is_deaf = False
    host.room().look()

    assert host.orders == ["stop", "start"]
    assert not host.mark.exists()


def test_a_disk_without_room_for_the_mark_stops_it_as_well(host: Host) -> None:
    """The same process starts it again."""
    host.mark = host.mark / "nowhere" / "mark"
    host.free, room = 100, host.room()
    room.look()
    host.free = 500
    room.look()

    assert host.orders == ["stop", "start"]
