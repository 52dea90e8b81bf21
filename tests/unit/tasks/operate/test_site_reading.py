"""Reading a stage: hosts that hang, that refuse, and managers that can't tell."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError
from model.json_types import Json
from model.site_file.load import load, select
from model.stage import Host
from remote.mother import questions
from tasks.operate.host_reading import HostReading
from tasks.operate.site_reading import EngineReading, SwarmReading, read_site

HOSTS = [
    Host(f"hive{n}", f"p-hive{n}.example", f"10.0.0.{n}", is_hive=True, is_repository=False) for n in range(3)
]
TWO_STAGES = """\
site = "example"

[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
number_of_hosts = 1
separate_repository = false

[stages.production]
provider = "docker"
cidr = "10.0.1.0/24"
number_of_hosts = 3
separate_repository = false

[volumes.data]
hosts = ["hive0"]

[volumes.archive]
hosts = ["hive2"]

[images.web]
from = "debian:12"

[services.web]
image = "web"
endpoint_mode = "dnsrr"
volumes = [{ source = "data", target = "/data" }]

[services.keeper]
image = "web"
endpoint_mode = "dnsrr"
available_on = ["production"]
volumes = [{ source = "archive", target = "/archive" }]
"""
OVER = threading.Event()
"""The end of the test: until then a host hangs."""


def hangs() -> None:
    """Wait for the end of the test."""
    OVER.wait(20)


def refuses() -> None:
    """Answer with an error."""
    raise HostError("hive1: ssh: no answer")


class Connections:
    """Connections to hosts, some of which don't answer.

    Args:
        **odd: Host to what happens where it is asked; `engine_` before it is about its engine alone, `info_` about
            its engine's description.

    """

    def __init__(self, **odd: Callable[[], None]) -> None:
        self.odd = odd
        self.asked: list[str] = []
        self.described: list[str] = []
        self.swarm: dict[str, Json] = {}

    def to(self, host: Host) -> Any:
        """Return the connection to a host."""
        return SimpleNamespace(script=lambda _text, **_options: self._host(host))

    def _host(self, host: Host) -> str:
        self.odd.get(host.short, lambda: None)()
        return "cpus 2\n"

    def _info(self, host: Host) -> Json:
        self.described.append(host.short)
        self.odd.get(f"info_{host.short}", lambda: None)()
        return {"Swarm": self.swarm.get(host.short, {"ControlAvailable": True})}

    def reader(self, host: Host) -> Any:
        """Return the reader of a host's engine."""
        self.odd.get(f"engine_{host.short}", self.odd.get(host.short, lambda: None))()

        def services(**_options: object) -> list[Json]:
            self.asked.append(host.short)
            return []

        return SimpleNamespace(
            info=lambda: self._info(host),
            containers=lambda **_options: [],
            volumes=lambda: {"Volumes": None},
            services=services,
            tasks=list,
            nodes=list,
            networks=list,
            close=lambda: None,
        )


@pytest.fixture(autouse=True)
def over() -> Iterator[None]:
    """End what hangs with the test."""
    OVER.clear()
    yield
    OVER.set()


def run(connections: Connections) -> Any:
    """Return a run with these connections."""
    state = SimpleNamespace(fences=dict)
    return SimpleNamespace(connections=connections, stage=SimpleNamespace(volumes={}, labels={}), state=state)


def test_volumes_of_another_stage(tmp_path: Path) -> None:
    """A volume that only another stage's services mount is not looked for: its hosts may be that stage's alone."""
    path = tmp_path / "site.toml"
    path.write_text(TWO_STAGES)
    stage = select(load(path), "private")
    scripts: list[str] = []

    class Recorded(Connections):
        def to(self, host: Host) -> Any:
            def script(text: str, **_options: object) -> str:
                scripts.append(text)
                return self._host(host)

            return SimpleNamespace(script=script)

    in_stage = SimpleNamespace(connections=Recorded(), stage=stage, state=SimpleNamespace(fences=dict))
    reading = read_site(in_stage, stage.hosts, 5)  # type: ignore[arg-type]

    assert isinstance(reading.hosts["hive0"], HostReading), reading.hosts
    [script] = scripts
    assert "data" in script
    assert "archive" not in script


def test_a_host_that_hangs() -> None:
    """It is said after its time, and the others are read; the next manager tells of the swarm."""
    reading = read_site(run(Connections(hive0=hangs)), HOSTS, 0.2)

    assert reading.hosts["hive0"] == "hive0 does not answer within 0 s"
    assert reading.engines["hive0"] == "hive0: its Docker Engine does not answer within 0 s"
    assert [isinstance(reading.hosts[f"hive{n}"], HostReading) for n in (1, 2)] == [True, True]
    assert isinstance(reading.swarm, SwarmReading)
    assert reading.swarm.manager == "hive1"


def test_a_host_that_refuses() -> None:
    """Its own words are kept; an engine that is down is apart from its host."""
    reading = read_site(run(Connections(hive1=refuses, engine_hive2=refuses)), HOSTS, 5)

    assert reading.hosts["hive1"] == reading.engines["hive1"] == "hive1: ssh: no answer"
    assert isinstance(reading.hosts["hive2"], HostReading)
    assert not isinstance(reading.engines["hive2"], EngineReading)


def test_a_manager_without_a_leader() -> None:
    """It is not asked: it would refuse each question after a while. Without any other, each one's reason is said."""
    connections = Connections()
    connections.swarm = {"hive0": {"ControlAvailable": True, "Error": "no leader"}}
    assert isinstance(read_site(run(connections), HOSTS, 5).swarm, SwarmReading)
    assert connections.asked == ["hive1"]

    connections.swarm |= {
        "hive1": {"ControlAvailable": False},
        "hive2": {"Error": "locked", "ControlAvailable": True},
    }
    assert read_site(run(connections), HOSTS, 5).swarm == (
        "no manager of the swarm answers: hive0: no leader; hive1: is no manager of a swarm; hive2: locked"
    )


def test_a_manager_that_waits_for_its_leader() -> None:
    """Its containers are known although it does not describe itself; it is asked about the swarm all the same."""
    waits = {f"info_{host.short}": hangs for host in HOSTS}
    reading = read_site(run(Connections(**waits)), HOSTS, 0.3)

    engine = reading.engines["hive0"]
    assert isinstance(engine, EngineReading)
    assert (engine.info, engine.containers, engine.volumes) == (None, [], frozenset())
    assert isinstance(reading.swarm, SwarmReading)


def test_what_hangs_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that came before the election of a leader hangs; one that comes after it is answered."""
    monkeypatch.setattr(questions, "AGAIN", 0.05)
    connections = Connections(info_hive0=lambda: hangs() if connections.described == ["hive0"] else None)
    reading = read_site(run(connections), HOSTS[:1], 5)

    engine = reading.engines["hive0"]
    assert isinstance(engine, EngineReading)
    assert engine.info == {"Swarm": {"ControlAvailable": True}}


def test_the_first_answer() -> None:
    """Who refuses is not asked again, and the next one is; if all refuse, or all hang, that is said."""
    asked: list[int] = []

    def refused(number: int) -> None:
        asked.append(number)
        raise HostError(f"refused {number}")

    questions.first_answer([partial(refused, 0), partial(asked.append, 5)], time.monotonic() + 5)
    with pytest.raises(HostError, match="refused 2"):
        questions.first_answer([partial(refused, 1), partial(refused, 2)], time.monotonic() + 5)
    assert asked == [0, 5, 1, 2]
    with pytest.raises(TimeoutError):
        questions.first_answer([hangs], time.monotonic() + 0.1)
