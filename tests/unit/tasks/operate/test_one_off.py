"""A one-off task: its specification, and that it goes."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from commands.operate.attach import StoppedError
from model.errors import ServiceError
from model.json_types import Json
from model.labels import BACKUP_STOP_LABEL
from remote.swarm import services
from tasks.operate import one_off
from tasks.operate.one_off import one_off_spec, one_off_task
from tests import made as rig

SERVICE: Json = {
    "Name": "web",
    "Labels": {"skep.site": "example"},
    "Mode": {"Replicated": {"Replicas": 5}},
    "UpdateConfig": {"Order": "start-first"},
    "EndpointSpec": {"Ports": [{"TargetPort": 80}]},
    "TaskTemplate": {
        "ContainerSpec": {
            "Image": "page",
            "Command": ["serve"],
            "Args": ["--port", "80"],
            "Env": ["A=b"],
            "Labels": {"traefik.enable": "true"},
            "Hostname": "web-{{.Task.Slot}}",
            "Secrets": [{"SecretID": "s"}],
            "Mounts": [{"Source": "data", "Target": "/data"}],
            "Healthcheck": {"Test": ["CMD", "true"]},
            "TTY": False,
        },
        "RestartPolicy": {"Condition": "any"},
        "Placement": {"Constraints": ["node.labels.skep.volume.data==true"]},
        "Networks": [{"Target": "net", "Aliases": ["web", "www"]}],
        "LogDriver": {"Name": "syslog"},
        "ForceUpdate": 3,
    },
}


def test_it_has_all_but_what_the_service_is_found_by() -> None:
    """Image, environment, secrets, volumes, place and networks stay; ports, further names, labels and checks go."""
    spec = one_off_spec(SERVICE, "web-run-1", ["migrate", "--all"])

    assert spec == {
        "Name": "web-run-1",
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": "dnsrr"},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "page",
                "Command": ["migrate", "--all"],
                "Env": ["A=b"],
                "Secrets": [{"SecretID": "s"}],
                "Mounts": [{"Source": "data", "Target": "/data"}],
                "Healthcheck": {"Test": ["NONE"]},
                "TTY": False,
                "OpenStdin": False,
            },
            "RestartPolicy": {"Condition": "none"},
            "Placement": {"Constraints": ["node.labels.skep.volume.data==true"]},
            "Networks": [{"Target": "net"}],
            "LogDriver": {"Name": "json-file"},
        },
    }


def test_a_console_has_a_terminal() -> None:
    """Then its input is open, too; the service's own specification is as it was."""
    before = repr(SERVICE)
    container = one_off_spec(SERVICE, "web-run-1", ["sh"], ["TERM=vt100"])["TaskTemplate"]["ContainerSpec"]

    assert (container["TTY"], container["OpenStdin"]) == (True, True)
    assert container["Env"] == ["A=b", "TERM=vt100"]
    assert repr(SERVICE) == before


def test_it_has_an_init_where_hosts_have_one() -> None:
    """Signals, Ctrl-C too, would be lost on a command that is the container's process 1 and has no handler."""
    spec = one_off_spec(SERVICE, "web-run-1", ["sleep", "9"], has_init=True)

    assert spec["TaskTemplate"]["ContainerSpec"]["Init"] is True


class Api:
    """An engine that makes a service, and removes it as a test says."""

    def __init__(self) -> None:
        self.api = self
        self.is_stopped = False
        self.refuses: Exception | None = None
        self.there: list[str] = []

    def info(self) -> Json:
        """Return a description."""
        return {}

    def reload_config(self, _path: object) -> None:
        """Do nothing."""

    def create_service(self, _template: object, name: str, *_: object, **__: object) -> Json:
        """Make one; a signal may come before the answer."""
        self.there.append(name)
        if self.is_stopped:
            raise StoppedError(15)
        return {"ID": "made"}

    def remove_service(self, name: str) -> None:
        """Remove it, unless that is refused."""
        if self.refuses:
            raise self.refuses
        self.there.remove(name)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Give the engine."""
    monkeypatch.setattr(services, "find_service", lambda *_: {"Spec": SERVICE})
    monkeypatch.setattr(one_off, "_remove_ended", lambda *_: None)
    monkeypatch.setattr(one_off, "_container", lambda *_: "its container")
    return Api()


_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Left:
    """An engine that lists tasks of earlier commands, each with its state and the seconds since it came into it."""

    def __init__(self, **tasks: tuple[str, float]) -> None:
        self.api = self
        self.there = {
            name: {
                "State": state,
                "Timestamp": datetime.fromtimestamp(time.time() - ago, UTC).strftime(_TIME),
            }
            for name, (state, ago) in tasks.items()
        }

    def services(self, **_: object) -> list[Json]:
        """List their services."""
        return [{"ID": name} for name in self.there]

    def tasks(self, filters: Json) -> list[Json]:
        """List the tasks of one."""
        return [{"Status": self.there[filters["service"]]}]

    def remove_service(self, name: str) -> None:
        """Remove one."""
        del self.there[name]


def test_what_killed_commands_have_left(tmp_path: Path) -> None:
    """What ended ten minutes ago goes with the next command; another process may still read what ended just now."""
    left: Any = Left(
        old=("complete", 601), failed=("failed", 3600), new=("complete", 590), runs=("running", 3600)
    )

    one_off._remove_ended(rig.new(tmp_path).run(), left)

    assert [*left.there] == ["new", "runs"]


def task(directory: Path, api: Api, said: list[str]) -> Any:
    """Return a task of a made site."""
    made = rig.new(directory)
    made.make()
    run = made.run()
    run.connections.manager = lambda **_: (run.stage.hives[0], api)  # type: ignore[method-assign]
    return one_off_task(run, "web", ["migrate"], said.append)


def test_its_service_is_being_saved(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task with the same volumes would write to files that are being read."""
    stopped = {"Mode": {"Replicated": {"Replicas": 0}}, "Labels": {BACKUP_STOP_LABEL: "1"}}
    monkeypatch.setattr(services, "find_service", lambda *_: {"Spec": {**SERVICE, **stopped}})

    with pytest.raises(ServiceError, match="it goes on by itself"), task(tmp_path, api, []):
        pytest.fail("it was started")


def test_it_goes_though_a_signal_came_before_the_answer(tmp_path: Path, api: Api) -> None:
    """Nobody knows its id then; it goes by its name."""
    api.is_stopped = True

    with pytest.raises(StoppedError), task(tmp_path, api, []):
        pytest.fail("it was not made")
    assert api.there == []


@pytest.mark.parametrize(
    ("refuses", "said"),
    [
        (NotFound("gone"), ""),
        (
            APIError("no leader"),
            "web-run-.*: removing the task: .*\n    it is still there: doit prune removes it",
        ),
    ],
)
def test_how_the_command_ended_counts(tmp_path: Path, api: Api, refuses: Exception, said: str) -> None:
    """Also where the task can't be removed, which is said, or is gone by now."""
    lines: list[str] = []
    api.refuses = refuses

    with task(tmp_path, api, lines) as container:
        assert container == "its container"
    assert re.fullmatch(said, "".join(lines))
