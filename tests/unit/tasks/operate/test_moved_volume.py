"""What keeps a volume from being moved is found before anything stops."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ServiceError
from model.swarm.volume_move import VolumeMove
from remote.swarm import volume_moves
from tasks.operate import moved_volume
from tasks.operate.moved_volume import MovedVolumes
from tasks.operate.volume_candidates import Candidate, MoveRefusedError
from tests import made as rig

LOOK = "entries {0}\nsockets 0\nsize 10\nused 20\nfree {1}\nall_inodes 100\nfree_inodes 50\n"
BOUND = 'driver_opts = { type = "none", o = "bind", device = "/srv/data" }'


class Hosts:
    """Two hives: their volumes, directories, and files in them."""

    def __init__(self) -> None:
        self.volumes: dict[str, dict[str, Any]] = {}
        self.directories: set[str] = set()
        self.free = 10**10
        self.entries = {"hive0": 3, "hive1": 0}

    def reader(self, host: Any) -> Any:
        """Return the engine of one."""
        found = [self.volumes[host.short]] if host.short in self.volumes else []
        return SimpleNamespace(
            volumes=lambda **_: {"Volumes": found},
            info=lambda: {"DockerRootDir": "/var/lib/docker"},
            close=lambda: None,
        )

    def to(self, host: Any) -> Any:
        """Return the connection to one."""

        def script(text: str, **_: Any) -> str:
            if "echo there" in text:
                return "there\n" if any(path in text for path in self.directories) else ""
            return LOOK.format(self.entries[host.short], self.free)

        return SimpleNamespace(script=script)


@pytest.fixture
def made(tmp_path: Path) -> rig.Made:
    """Give a site that is wholly made, whose volume is to be on hive1."""
    site = rig.new(tmp_path)
    site.make()
    site.edit('hosts = ["hive0"]', 'hosts = ["hive1"]')
    return site


def surveyed(made: rig.Made, hosts: Hosts) -> Any:
    """Look at a move from hive0 to hive1 before it begins."""
    run = made.run()
    connections: Any = run.connections
    connections.reader, connections.to = hosts.reader, hosts.to
    source, target = (run.stage.host(short) for short in ("hive0", "hive1"))
    labels = {**run.stage.labels}
    hosts.volumes.setdefault("hive0", {"Name": "data", "Mountpoint": "/v/data", "Labels": labels})
    move = VolumeMove("data", "hive0", "hive1", {})
    return MovedVolumes(run, [Candidate("data", source, target, move)], lambda _line: None).surveyed()


def test_a_volume_that_fits(made: rig.Made) -> None:
    """Where the target has none yet, its engine's disk is looked at."""
    [found] = surveyed(made, Hosts())

    assert (found.read_from, found.write_to, found.is_there) == ("/v/data", "/var/lib/docker/volumes", False)
    assert found.contents.entries == 3


def test_what_is_in_the_way_on_the_target(made: rig.Made) -> None:
    """Too small a disk, files, somebody else's volume of that name: each is refused before anything stops."""
    hosts = Hosts()
    hosts.free = 1000
    with pytest.raises(
        MoveRefusedError, match=r"hive1: volume data needs 67 MB on the disk of .* and 0 MB are free"
    ):
        surveyed(made, hosts)

    hosts = Hosts()
    hosts.volumes["hive1"] = {"Name": "data", "Mountpoint": "/v/data", "Labels": {}}
    with pytest.raises(MoveRefusedError, match="hive1: there is a volume data that is not this stage's"):
        surveyed(made, hosts)

    hosts.volumes["hive1"]["Labels"] = made.run().stage.labels
    hosts.entries["hive1"] = 1
    with pytest.raises(MoveRefusedError, match="hive1: /v/data, where volume data is to be, is not empty"):
        surveyed(made, hosts)


def test_the_directory_of_a_bound_volume_has_to_be_there(made: rig.Made) -> None:
    """Its engine would not make it, and the services would have stopped in vain."""
    made.edit('hosts = ["hive1"]', f'hosts = ["hive1"]\n{BOUND}')
    hosts = Hosts()
    with pytest.raises(
        MoveRefusedError, match="hive1: there is no directory /srv/data, to which volume data is bound"
    ):
        surveyed(made, hosts)

    hosts.directories.add("/srv/data")
    assert [found.write_to for found in surveyed(made, hosts)] == ["/srv/data"]


@pytest.mark.parametrize("are_stopped", [True, False])
def test_an_old_copy_that_is_written_to_after_it_was_copied(
    made: rig.Made, monkeypatch: pytest.MonkeyPatch, *, are_stopped: bool
) -> None:
    """While another volume was copied, or after a kill: no service starts without it, and the copy is made anew.

    Unless one runs with the new copy already, and has written to that.
    """
    run = made.run()
    source, target = (run.stage.host(short) for short in ("hive0", "hive1"))
    moves = {
        name: VolumeMove(name, "hive0", "hive1", {"web": {}}, is_copied=True) for name in ("data", "logs")
    }
    users, done = {"data": "web.1.x"}, list[str]()
    connections: Any = run.connections
    connections.manager = lambda: (source, None)

    def using(_run: object, name: str, host: Any) -> Any:
        return [{"Names": [f"/{users[name]}"]}] if host == source and name in users else []

    monkeypatch.setattr(moved_volume, "using", using)
    monkeypatch.setattr(volume_moves, "forget_copied", lambda _client, name: done.append(f"forget {name}"))
    monkeypatch.setattr(volume_moves, "are_stopped", lambda *_: are_stopped)
    monkeypatch.setattr(volume_moves, "set_node_label", lambda *_, **__: done.append("label"))
    candidates = [Candidate(name, source, target, move, has_begun=True) for name, move in moves.items()]

    with pytest.raises(ServiceError, match=r"volume data: container web.1.x on hive0 uses it meanwhile"):
        MovedVolumes(run, candidates, lambda _line: None).start()
    assert done == (["forget data"] if are_stopped else [])
