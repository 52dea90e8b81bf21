"""Markers of first data that a checkout can't tell: nothing is moved without them, as it would be loaded again."""

from pathlib import Path

import pytest

from commands.operate import move_volume
from model.errors import ServiceError
from model.keys.record import VolumeRecord
from model.swarm.volume_move import VolumeMove
from tasks.operate.moved_markers import moved_markers, unknown_markers
from tasks.operate.moved_volume import MovedVolumes
from tasks.operate.volume_candidates import Candidate, MoveRefusedError
from tasks.run.context import Run
from tests import made as rig
from tests.made import Made

OTHER = '[volumes.other]\nhosts = ["hive0"]\nbackup = false\n\n[images.web]'
MOUNTS = 'volumes = [{ source = "data", target = "/data" }'


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a site that is made, whose service has a secret out of the environment and a second volume."""
    monkeypatch.setenv("PASSWORD", "a-long-secret")
    site = rig.new(tmp_path)
    site.edit("{ generate = 24 }", '{ env = "PASSWORD" }')
    site.edit("[images.web]", OTHER)
    site.edit(MOUNTS, f'{MOUNTS}, {{ source = "other", target = "/other" }}')
    site.make()
    return site


def coming(run: Run) -> Candidate:
    """Return the volume data on its way to hive1."""
    stage = run.stage
    move = VolumeMove("data", "hive0", "hive1", {}, incarnation="old")
    return Candidate("data", stage.host("hive0"), stage.host("hive1"), move)


def test_all_is_known(made: Made) -> None:
    """Also before the volume is on its new hive."""
    made.edit('[volumes.data]\nhosts = ["hive0"]', '[volumes.data]\nhosts = ["hive0", "hive1"]')
    run = made.run()
    assert unknown_markers(run, [coming(run)]) == []


@pytest.mark.parametrize(
    ("lacking", "why"),
    [
        ("a secret", "secrets.password: the environment variable PASSWORD is not set"),
        (
            "a record",
            "this checkout has not read build_volumes:other@hive0 yet: type doit build_volumes:other@hive0",
        ),
    ],
)
def test_something_is_not(made: Made, monkeypatch: pytest.MonkeyPatch, lacking: str, why: str) -> None:
    """It is refused before anything is stopped; a move that has come further has no service start without its mark."""
    run = made.run()
    if lacking == "a secret":
        monkeypatch.delenv("PASSWORD")
    else:
        run.state.forget("build_volumes:other@hive0")
    [said] = unknown_markers(run, [coming(run)])
    assert said.endswith(f"since nobody can tell here that it was loaded: {why}; then type this again")

    stopped: list[str] = []
    monkeypatch.setattr(MovedVolumes, "surveyed", lambda _: [])
    monkeypatch.setattr(MovedVolumes, "stop", lambda _: stopped.append("stopped"))
    with pytest.raises(MoveRefusedError, match="service web: a run would load its first data"):
        move_volume._moved(run, [coming(run)], lambda _: None, lambda *_: None)
    assert stopped == []

    run.state.write("build_volumes:data@hive1", VolumeRecord(incarnation="new"))
    with pytest.raises(ServiceError, match="service web: a run would load its first data"):
        moved_markers(run, [coming(run)])


def test_a_role_that_was_never_run(made: Made) -> None:
    """Nobody needs its marker: a run loads it for the first time."""
    run = made.run()
    run.state.forget("build_volumes:other@hive0")
    del made.swarm.services["web"]["Spec"]["Labels"]["skep.initialized.first"]
    again = made.run()
    assert unknown_markers(again, [coming(again)]) == []
