"""The room of volumes, and of the registry.

Free room is asked for at each look: one call to the kernel. That of a volume is told only where a file system is
mounted for it, which node-exporter does not look at; other volumes are on the host's own disks.

Bytes are counted by du, whose walk through a big tree takes time: one tree at a time, at the lowest priority, each
every ten minutes at most; and no walk begins before a thousand times the processor time of the last one has passed, so
that all of them take a thousandth of one processor. A quota would be cheaper, but file systems have it switched off; df
knows only the disk.

File servers are never walked, and asked for their free room by a process of its own, which may hang without us.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent.errors import AgentError
from agent.observe.background_command import BackgroundCommand
from agent.observe.engine_reader import EngineReader
from agent.observe.exposition import Exposition
from agent.observe.observe_config import ObserveConfig

MOUNTS = Path("/proc/self/mounts")
PAUSE = 600.0
"""Seconds between two walks of a tree, at least."""
_SHARE = 1000
"""Times a walk's processor time that pass before the next walk."""
_LONGEST = 3600.0
"""Seconds that a walk may take; the bytes of a tree that takes longer are not known."""
_DU = ("/usr/bin/nice", "-n", "19", "/usr/bin/ionice", "-c", "3", "/usr/bin/du", "-skx")
_DF = ("/usr/bin/df", "-B1", "--output=size,avail")
_IN_MEMORY = {"tmpfs", "ramfs"}
_REMOTE = ("nfs", "cifs", "fuse", "ceph", "9p", "smb")


class Room(NamedTuple):
    """The room of a file system.

    Args:
        whole: Its bytes.
        free: Those that are free for others than root.

    """

    whole: int
    free: int


class DiskFigures:
    """The room of this host's volumes and of its registry, look by look.

    Args:
        engine: The engine.
        mounts: The kernel's table of what is mounted.

    """

    def __init__(self, engine: EngineReader, mounts: Path = MOUNTS) -> None:
        self._engine, self._mounts = engine, mounts
        self._counted: dict[str, tuple[int | None, float]] = {}
        """Tree to the bytes that its last walk counted, and when its next one is due."""
        self._walking: tuple[str, BackgroundCommand] | None = None
        self._rests_until = 0.0
        self._asked: dict[str, BackgroundCommand] = {}
        self._far: dict[str, Room] = {}

    def volumes(self, config: ObserveConfig, figures: Exposition, now: float) -> None:
        """Add the figures of the stage's volumes on this host.

        Args:
            config: The site.
            figures: Where they are added.
            now: Seconds of a clock that is never set.

        Raises:
            AgentError: The engine does not answer, or a file server; the other volumes are told even then.

        """
        filters = {"label": [f"{key}={value}" for key, value in config.owner.items()]}
        found = self._engine.read("/volumes", filters=filters).get("Volumes") or ()
        volumes = {str(each["Name"]): each for each in found if each.get("Mountpoint")}
        mounted = {
            path: (device, kind) for device, path, kind in _mounted(self._mounts.read_text(errors="replace"))
        }
        silent = []
        for name, volume in sorted(volumes.items()):
            path = str(volume["Mountpoint"])
            device, kind = mounted.get(path, ("", ""))
            is_remote = kind.startswith(_REMOTE)
            if not is_remote and _is_elsewhere(volume):
                continue  # of a file server, and not mounted: nothing uses it here
            try:
                room = self._far_room(path) if is_remote else _room(path)
            except AgentError:
                silent.append(name)
                continue
            if room is not None and device and kind not in _IN_MEMORY:
                labels = {"volume": name, "device": device, "kind": _kind(device, is_remote=is_remote)}
                figures.add("skep_volume_filesystem_bytes", room.whole, **labels)
                figures.add("skep_volume_filesystem_free_bytes", room.free, **labels)
            counted = None if is_remote else self._bytes(path, now)
            if counted is not None:
                figures.add("skep_volume_bytes", counted, volume=name)
        kept = {str(volume["Mountpoint"]) for volume in volumes.values()} | {config.registry}
        self._counted = {path: known for path, known in self._counted.items() if path in kept}
        if silent:
            raise AgentError(f"volumes {', '.join(silent)}: their file server does not answer")

    def registry(self, config: ObserveConfig, figures: Exposition, now: float) -> None:
        """Add the figures of the registry's images, on the host that has them.

        Args:
            config: The site.
            figures: Where they are added.
            now: Seconds of a clock that is never set.

        Raises:
            OSError: Its directory can't be read.

        """
        if config.registry:
            figures.add("skep_registry_free_bytes", _room(config.registry).free)
            counted = self._bytes(config.registry, now)
            if counted is not None:
                figures.add("skep_registry_bytes", counted)

    def _bytes(self, path: str, now: float) -> int | None:
        """Return the bytes that a tree had at its last walk, and walk it if that is due."""
        self._end_walk(now)
        counted, due = self._counted.get(path, (None, 0.0))
        if self._walking is None and now >= max(due, self._rests_until):
            self._walking = path, BackgroundCommand([*_DU, path], now)
        return counted

    def _end_walk(self, now: float) -> None:
        """Take in what a walk counted that has ended."""
        if self._walking is None:
            return
        path, command = self._walking
        if command.has_ended():
            # du's status is 1 also where a file went away as it was counted: its sum is good.
            first = command.output.split()[:1]
            counted = int(first[0]) * 1024 if first and first[0].isdigit() else None
            self._counted[path] = counted, now + PAUSE
            self._rests_until = now + _SHARE * command.seconds
            self._walking = None
        elif now - command.began > _LONGEST:
            command.kill()

    def _far_room(self, path: str) -> Room | None:
        """Return the room of a file server, as the last process said that asked it.

        Raises:
            AgentError: The one before that has not come back.

        """
        asked = self._asked.get(path)
        if asked is not None and not asked.has_ended():
            raise AgentError(f"{path}: does not answer")
        if asked is not None:
            last = asked.output.split()[-2:]
            if len(last) == len(Room._fields) and all(each.isdigit() for each in last):
                self._far[path] = Room(*map(int, last))
        self._asked[path] = BackgroundCommand([*_DF, path], 0.0)
        return self._far.get(path)


def _room(path: str) -> Room:
    """Return the room of the file system of a path."""
    found = os.statvfs(path)
    return Room(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


def _kind(device: str, *, is_remote: bool) -> str:
    """Return what a file system is on: a server that other hosts may use as well, or a disk of this host.

    A disk's device may be no path, as with ZFS; and what is neither NFS nor alike may be of a disk, as with FUSE.
    """
    is_path = device.startswith("/") and not device.startswith("//")
    return "server" if is_remote and not is_path else "disk"


def _mounted(table: str) -> Iterator[tuple[str, str, str]]:
    """Yield what is mounted, where, and the kind of its file system."""
    for line in table.splitlines():
        words = line.split(" ")
        if len(words) > 2:  # noqa: PLR2004 - what, where, kind
            yield words[0], words[1], words[2]


def _is_elsewhere(volume: Mapping[str, Any]) -> bool:
    """Return whether a volume is on a file server."""
    return str((volume.get("Options") or {}).get("type", "")).startswith(_REMOTE)
