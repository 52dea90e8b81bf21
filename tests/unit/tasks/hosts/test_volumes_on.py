"""The stage's volumes on a host, and whether one has data: by its engine, else by its directories."""

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError
from model.json_types import Json
from model.stage import Host
from tasks.hosts import volumes_on
from tasks.hosts.volume_data import has_data
from tests import rig


class Engine:
    """A host's engine, which knows volumes; or one that does not run."""

    def __init__(self, volumes: list[Json] | None) -> None:
        self.volumes_there = volumes

    def volumes(self, *, filters: object = None) -> Json:
        """List its volumes."""
        del filters
        if self.volumes_there is None:
            raise HostError("hive0: its Docker Engine does not answer")
        return {"Volumes": self.volumes_there or None}

    def close(self) -> None:
        """Do nothing."""


def connection(run: Callable[[str], str]) -> Any:
    """Return a connection to a host whose scripts are run by a function."""
    return SimpleNamespace(
        name="hive0", docker_socket="", open=lambda: None, script=lambda text, **_: run(text)
    )


def locally(directory: Path) -> Callable[[str], str]:
    """Return a function that runs a script where /var/lib/docker is a directory, and there is no docker command."""

    def run(text: str) -> str:
        assert "docker " not in text
        script = text.replace("/var/lib/docker", str(directory))
        done = subprocess.run(["sh", "-eu"], input=script, capture_output=True, text=True, check=True)
        return done.stdout

    return run


def test_the_engine_knows_which_are_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """They carry the stage's labels."""
    labels = {"skep.site": rig.site_name("volumes"), "skep.stage": "private"}
    engine = Engine(
        [
            {"Name": "more", "Labels": labels},
            {"Name": "data", "Labels": labels},
            {"Name": "theirs", "Labels": None},
        ]
    )
    monkeypatch.setattr(volumes_on, "Reader", lambda *_, **__: engine)
    stage = rig.docker_stage("volumes", 1, cidr="10.9.8.0/24")

    assert volumes_on.stage_volumes(stage, connection(lambda _: "other\n")) == ["data", "more"]
    engine.volumes_there = []
    assert volumes_on.stage_volumes(stage, connection(lambda _: "other\n")) == []


def test_an_engine_that_hangs_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then every named volume counts, as where it does not run."""
    monkeypatch.setattr(volumes_on, "ASK_TIMEOUT", 0.05)
    (tmp_path / "volumes/data/_data").mkdir(parents=True)
    stage = rig.docker_stage("volumes", 1, cidr="10.9.8.0/24")
    asked = connection(locally(tmp_path))
    asked.docker_socket = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(asked.docker_socket))
        silent.listen()

        assert volumes_on.stage_volumes(stage, asked) == ["data"]


def test_without_an_engine_every_named_volume_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those without a name, whose names are digests, don't."""
    monkeypatch.setattr(volumes_on, "Reader", lambda *_, **__: Engine(None))
    stage = rig.docker_stage("volumes", 1, cidr="10.9.8.0/24")
    assert volumes_on.stage_volumes(stage, connection(locally(tmp_path))) == []
    for name in ("data/_data", "f" * 64 + "/_data", "backingFsBlockDev"):
        (tmp_path / "volumes" / name).mkdir(parents=True)

    assert volumes_on.stage_volumes(stage, connection(locally(tmp_path))) == ["data"]


def test_whether_a_volume_has_data(tmp_path: Path) -> None:
    """It is looked for where the engine has it; of a volume that the engine does not know it can't be told."""
    where = tmp_path / "it's" / "_data"
    where.mkdir(parents=True)
    # The engine's filter takes parts of names.
    volumes = [{"Name": "data2", "Mountpoint": "/nonexistent"}, {"Name": "data", "Mountpoint": str(where)}]
    engine = Engine(volumes)
    connections: Any = SimpleNamespace(reader=lambda _: engine, to=lambda _: connection(locally(tmp_path)))
    host = Host("hive0", "hive0.example", "10.9.8.10", is_hive=True, is_repository=True)

    assert not has_data(connections, "data", host)
    (where / ".hidden").touch()
    assert has_data(connections, "data", host)
    assert has_data(connections, "gone", host)
