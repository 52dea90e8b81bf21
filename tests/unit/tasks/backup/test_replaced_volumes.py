"""What comes back to a host that is made anew, and in which order."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.swarm.volume_move import VolumeMove
from remote.swarm import volume_moves
from tasks.backup import replaced_volumes
from tasks.backup.replaced_volumes import begin_to_come_back, tasks_before
from tests import made as rig
from tests.made import Made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Give a site whose volumes are on hive0, one of which is to come back."""
    site = rig.new(tmp_path)
    site.edit("[networks.back]\n", '[volumes.logs]\nhosts = ["hive0"]\n[backup]\n[networks.back]\n')
    site.edit(
        'volumes = [{ source = "data", target = "/data" }]\n',
        'volumes = [{ source = "data", target = "/data" }, { source = "logs", target = "/logs" }]\n',
    )
    site.make()
    return site


@pytest.fixture
def did(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what the swarm is asked for."""
    done: list[str] = []
    monkeypatch.setattr(
        volume_moves, "begin_move", lambda _client, _stage, move: done.append(f"begin {move}")
    )
    monkeypatch.setattr(
        volume_moves,
        "stop_service",
        lambda _client, name, move: done.append(f"stop {name} for {move.volume}"),
    )
    monkeypatch.setattr(replaced_volumes, "users_of", lambda _run, _name, **_: {"web": {"replicas": 2}})
    return done


def begun(made: Made, known: dict[str, VolumeMove], monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin what is to come back, where the swarm knows of this already."""
    run = made.run()
    connections: Any = run.connections
    connections.manager = lambda: (run.stage.host("hive1"), SimpleNamespace())
    monkeypatch.setattr(replaced_volumes, "moves", lambda _run: known)
    backups = {"data": {"web": "aa000001"}, "logs": {"web": "aa000001"}}
    begin_to_come_back(run, run.stage.host("hive0"), backups, lambda _line: None)


def test_the_swarm_knows_before_anything_stops(
    made: Made, did: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each volume has a journal without a source, with the generation; what a killed try wrote stays as it is."""
    data, logs = (
        VolumeMove(name, "", "hive0", {"web": {"replicas": 2}}, backups={"web": "aa000001"})
        for name in ("data", "logs")
    )
    begun(made, {}, monkeypatch)
    assert did == [f"begin {data}", "stop web for data", f"begin {logs}", "stop web for logs"]
    assert "to give it up" not in data.refusal()

    did.clear()
    begun(made, {"data": data}, monkeypatch)
    assert did == ["stop web for data", f"begin {logs}", "stop web for logs"]


def test_the_host_is_set_up_before_its_data_comes(made: Made) -> None:
    """All but its node's labels, which let services start there, and the volumes that come back themselves."""
    run = made.run()
    tasks = tasks_before(run, run.stage.host("hive0"), {"data": {"web": "aa000001"}})

    known = made.tasks(run)
    assert [name for name in tasks if name not in known] == []
    assert "setup_hosts:hive0.backup_hive" in tasks
    assert "setup_hosts:hive0.swarm" in tasks
    assert "build_volumes:logs@hive0" in tasks
    assert "build_volumes:data@hive0" not in tasks
    assert "setup_hosts:hive0.node_labels" not in tasks
