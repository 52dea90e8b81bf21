"""The room of volumes and of the registry."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.errors import AgentError
from agent.observe import disk_figures
from agent.observe.background_command import BackgroundCommand
from agent.observe.disk_figures import DiskFigures, Room
from agent.observe.engine_reader import EngineReader
from agent.observe.exposition import Exposition
from agent.observe.observe_config import ObserveConfig
from tests.doubles.observed_engine import ObservedEngine, observed_engine
from tests.rig import wait_until


class Commands:
    """Takes the place of commands: each ends when the test says so."""

    def __init__(self) -> None:
        self.begun: list[Any] = []

    def __call__(self, words: Sequence[str], began: float) -> Any:
        """Begin a command."""

        class Command:
            """One that was begun."""

            output, seconds, is_killed, ends = "", 0.0, False, False
            path = words[-1]

            def has_ended(self) -> bool:
                """Return whether it has."""
                return self.ends

            def kill(self) -> None:
                """End it."""
                self.is_killed = self.ends = True

        command = Command()
        command.began = began  # type: ignore[attr-defined]
        self.begun.append(command)
        return command

    def end(self, output: str, seconds: float = 0.0) -> None:
        """Have the last one end."""
        last = self.begun[-1]
        last.output, last.seconds, last.ends = output, seconds, True


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Return what stands for commands."""
    made = Commands()
    monkeypatch.setattr(disk_figures, "BackgroundCommand", made)
    return made


class Looks:
    """A host with volumes `a` and `b`, at which is looked.

    Args:
        engine: Its engine.
        directory: Where the volumes are.

    """

    def __init__(self, engine: ObservedEngine, directory: Path) -> None:
        self.mounts = directory / "mounts"
        self.mounts.write_text("")
        self.paths = {name: directory / name for name in ("a", "b")}
        for path in self.paths.values():
            path.mkdir()
        self.volumes: list[dict[str, Any]] = [
            {"Name": name, "Mountpoint": str(path), "Options": None} for name, path in self.paths.items()
        ]
        engine.answers["/volumes"] = {"Volumes": self.volumes}
        self._engine = engine
        self._disks = DiskFigures(EngineReader(engine.path), self.mounts)

    def figures(self, now: float) -> list[str]:
        """Return the figures of a look."""
        figures = Exposition()
        self._disks.volumes(ObserveConfig(owner={"skep.site": "s"}), figures, now)
        return [line for line in figures.text().splitlines() if not line.startswith("#")]

    def look(self, now: float) -> tuple[dict[str, int], set[str]]:
        """Return the bytes of volumes that are told, and those whose free room is."""
        lines = [line.rsplit(" ", 1) for line in self.figures(now)]
        names = [(metric.partition("{")[0], metric.split('"')[1], value) for metric, value in lines]
        return (
            {name: int(value) for metric, name, value in names if metric == "skep_volume_bytes"},
            {name for metric, name, _ in names if metric == "skep_volume_filesystem_free_bytes"},
        )


@pytest.fixture
def looks(tmp_path: Path) -> Any:
    """Give a host with two volumes."""
    with observed_engine(tmp_path) as engine:
        yield Looks(engine, tmp_path)


def test_trees_are_walked_one_at_a_time(looks: Looks, commands: Commands) -> None:
    """Free room is told at once, bytes as soon as they are counted, in KiB of du's."""
    assert looks.look(0) == ({}, set())
    assert looks.look(15)[0] == {}
    assert [each.path for each in commands.begun] == [str(looks.paths["a"])]
    commands.end("8 a\n")
    assert looks.look(30)[0] == {"a": 8192}
    assert [each.path for each in commands.begun] == [str(looks.paths[name]) for name in ("a", "b")]
    commands.end("")
    looks.look(45)
    assert len(commands.begun) == 2, "each is walked every ten minutes"
    looks.look(630)
    assert [each.path for each in commands.begun[2:]] == [str(looks.paths["a"])]


def test_a_big_tree(looks: Looks, commands: Commands) -> None:
    """After a walk of 3 s of processor time none begins for 3000 s."""
    looks.look(0)
    commands.end("8 a\n", seconds=3.0)
    looks.look(15)
    looks.look(3000)
    assert len(commands.begun) == 1
    looks.look(3020)
    assert len(commands.begun) == 2


def test_a_walk_without_an_end(looks: Looks, commands: Commands) -> None:
    """It is ended after an hour; the volume has no bytes then, and others have their turn."""
    looks.look(0)
    looks.look(3601)
    assert commands.begun[0].is_killed
    assert looks.look(3615)[0] == {}
    assert [each.path for each in commands.begun[1:]] == [str(looks.paths["b"])]


def test_a_volume_that_is_gone(looks: Looks, commands: Commands) -> None:
    """Nothing is told of it any more, and the walk through it does not keep others from theirs."""
    looks.look(0)
    del looks.volumes[0]
    commands.end("8 a\n")
    assert looks.look(15) == ({}, set())
    assert [each.path for each in commands.begun[1:]] == [str(looks.paths["b"])]


def test_a_file_server(looks: Looks, commands: Commands) -> None:
    """It is asked by a process, and never walked; one that does not answer fails, and the others are told."""
    looks.mounts.write_text(f"server:/x {looks.paths['a']} nfs4 rw 0 0\n")
    looks.look(0)
    assert [each.path for each in commands.begun] == [str(looks.paths[name]) for name in ("a", "b")]
    with pytest.raises(AgentError, match=r"^volumes a: their file server does not answer$"):
        looks.look(15)
    commands.begun[0].output, commands.begun[0].ends = "1B-blocks Avail\n99999 12345\n", True
    assert looks.look(30)[1] == {"a"}


def test_a_file_server_that_nothing_uses(looks: Looks, commands: Commands) -> None:
    """It is not mounted, and what is in its place is no volume."""
    looks.volumes[0]["Options"] = {"type": "nfs", "device": ":/x"}
    assert looks.look(0)[1] == set()
    assert [each.path for each in commands.begun] == [str(looks.paths["b"])]


def test_the_file_system_of_a_volume(looks: Looks, commands: Commands) -> None:
    """It is told where one is mounted for it, with its device; node-exporter tells of the host's own disks."""
    del commands
    looks.mounts.write_text(
        f"/dev/vdb {looks.paths['a']} ext4 rw 0 0\ntmpfs {looks.paths['b']} tmpfs rw 0 0\n"
    )
    room = os.statvfs(looks.paths["a"])
    figures = looks.figures(0)
    assert [line.rpartition(" ")[0] for line in figures if "filesystem" in line] == [
        'skep_volume_filesystem_bytes{volume="a",device="/dev/vdb",kind="disk"}',
        'skep_volume_filesystem_free_bytes{volume="a",device="/dev/vdb",kind="disk"}',
    ]
    assert f" {room.f_blocks * room.f_frsize}" in figures[0]


@pytest.mark.parametrize(
    ("device", "type_", "kind"),
    [
        ("tank/data", "zfs", "disk"),
        ("/dev/vdb", "xfs", "disk"),
        ("/dev/sdb1", "fuseblk", "disk"),
        ("192.0.2.9:/data", "nfs4", "server"),
        ("//files/data", "cifs", "server"),
        ("files:/data", "fuse.glusterfs", "server"),
        ("192.0.2.9:6789:/", "ceph", "server"),
    ],
)
def test_what_a_file_system_is_on(
    looks: Looks, commands: Commands, monkeypatch: pytest.MonkeyPatch, device: str, type_: str, kind: str
) -> None:
    """A server that all hosts use, or a disk of this one, whatever its device is called."""
    del commands
    monkeypatch.setattr(DiskFigures, "_far_room", lambda _self, _path: Room(100, 50))
    looks.mounts.write_text(f"{device} {looks.paths['a']} {type_} rw 0 0\n")
    labels = f'{{volume="a",device="{device}",kind="{kind}"}}'
    assert f"skep_volume_filesystem_bytes{labels}" in {line.rpartition(" ")[0] for line in looks.figures(0)}


def test_the_registry(tmp_path: Path, commands: Commands) -> None:
    """Its host tells its room; others nothing."""
    disks = DiskFigures(EngineReader(str(tmp_path / "none")), tmp_path)
    figures = Exposition()
    disks.registry(ObserveConfig(), figures, 0)
    assert figures.text() == ""
    disks.registry(ObserveConfig(registry=str(tmp_path)), figures, 0)
    commands.end("4 x")
    disks.registry(ObserveConfig(registry=str(tmp_path)), figures, 15)
    assert "skep_registry_bytes 4096\n" in figures.text()
    found = os.statvfs(tmp_path)
    assert f"skep_registry_free_bytes {found.f_bavail * found.f_frsize}"[:30] in figures.text()


def test_a_command_beside_the_observer(tmp_path: Path) -> None:
    """Its output is there when it has ended, with the processor time that it took; killed, it ends."""
    command = BackgroundCommand(["/bin/sh", "-c", "echo out; echo error >&2"], 0.0)
    wait_until(command.has_ended, "the command")
    assert command.output == "out\n"
    assert 0 <= command.seconds < 5
    command.kill()
    endless = BackgroundCommand(["/bin/sleep", "1000"], 0.0)
    assert not endless.has_ended()
    endless.kill()
    wait_until(endless.has_ended, "its end")
    with pytest.raises(OSError, match="No such file"):
        BackgroundCommand([str(tmp_path / "none")], 0.0)
