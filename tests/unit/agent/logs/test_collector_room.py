"""Stopping the collector before its disk is full, and starting it again."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.logs.collector_room import CollectorRoom

MEGABYTE = 1 << 20


class Disk:
    """A disk, and the orders that systemd gets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 0
        self.orders: list[str] = []
        monkeypatch.setattr(
            os, "statvfs", lambda _path: SimpleNamespace(f_bavail=self.free, f_frsize=MEGABYTE)
        )
        monkeypatch.setattr(CollectorRoom, "_order", lambda _room, word: self.orders.append(word))


def test_the_collector_is_stopped_and_started_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts with a quarter more than it stops at, lest it go on and off; another process knows what was done."""
    disk, said = Disk(monkeypatch), list[str]()
    for free in (500, 255, 0, 300, 320, 255 + 1, 500):
        disk.free = free
        CollectorRoom("c.service", Path("/var/log"), 256 * MEGABYTE, tmp_path / "mark", said.append).look()

    assert disk.orders == ["stop", "start"]
    assert said == [
        "/var/log: 255 MB are free: the collector takes no lines until there are more",
        "/var/log: 320 MB are free: the collector takes lines again",
    ]
