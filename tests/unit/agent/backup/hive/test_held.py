"""Services that are held while their files are read, on an engine that does not do as it is told."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from agent.backup.hive import held as module
from agent.backup.hive.held import held, let_go
from agent.backup.hive.journal import Journal, released
from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket
from model.labels import BACKUP_STOP_LABEL
from tests.rig import wait_until


def task(container: str, *, state: str = "running", node: str = "here") -> Any:
    """Return a task of the service as the swarm tells of it."""
    return {"NodeID": node, "Status": {"State": state, "ContainerStatus": {"ContainerID": container}}}


class Engine(EngineSocket):
    """An engine with one service; what is named in `refused` has its effect, and no answer.

    Args:
        refused: The end of a path.
        stuck: Whether `unpause` has no effect.
        busy: How often `pause` has none, which is said by status 500.

    """

    def __init__(self, refused: str = "", *, stuck: bool = False, busy: int = 0) -> None:
        super().__init__()
        self.refused, self.stuck, self.busy = refused, stuck, busy
        self.asleep: set[str] = set()
        self.tasks, self.replicas = [task("c1"), task("c9", node="elsewhere")], 2
        self.labels: dict[str, str] | None = {"skep.spec": "digest"}

    @property
    def paused(self) -> bool:
        """Whether the container is paused."""
        return "c1" in self.asleep

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Answer for the container and the service."""
        answer: Any = None
        if path.endswith("/pause") and self.busy:
            self.busy -= 1
            if 500 not in options.get("allowed", ()):
                raise AgentError("the Docker Engine refuses: unable to freeze")
        elif path.startswith("/containers/"):
            answer = self.container(method, *path.split("/")[2:])
        elif path.endswith("/update"):
            spec = options["body"]
            self.replicas, self.labels = spec["Mode"]["Replicated"]["Replicas"], spec.get("Labels")
        elif path.startswith("/services/"):
            mode = {"Replicated": {"Replicas": self.replicas}}
            answer = {
                "ID": "s1",
                "Version": {"Index": 7},
                "Spec": {"Mode": mode, "Labels": self.labels and {**self.labels}},
            }
        elif path == "/tasks":
            answer = self.tasks if self.replicas else []
        else:
            assert (method, path) == ("GET", "/info")
            answer = {"Swarm": {"NodeID": "here"}}
        if self.refused and path.endswith(self.refused):
            self.refused = ""
            raise AgentError("the Docker Engine does not answer")
        return answer

    def container(self, method: str, name: str, verb: str) -> Any:
        """Pause a container, wake it, or tell of it."""
        if verb == "pause":
            self.asleep.add(name)
        elif verb == "unpause":
            self.asleep -= set() if self.stuck else {name}
        else:
            assert (method, verb) == ("GET", "json")
        return {"State": {"Paused": name in self.asleep}}


@pytest.mark.parametrize(("consistency", "refused"), [("pause", "/pause"), ("stop", "/update")])
def test_an_engine_that_does_not_answer(tmp_path: Path, consistency: str, refused: str) -> None:
    """A service that was held without the engine saying so is let go at once, not by the next job."""
    engine, note = Engine(refused), Journal(tmp_path / "held.json")
    with pytest.raises(AgentError, match="does not answer"), held(engine, "web", "c1", consistency, note):
        pytest.fail("it was not held")
    assert not engine.paused
    assert engine.replicas == 2
    assert note.read() is None


def test_a_busy_host_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that the kernel did not freeze at once is paused by a later try; if by none, it is said why."""
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    engine, note = Engine(busy=3), Journal(tmp_path / "held.json")
    with held(engine, "web", "c1", "pause", note):
        assert engine.paused
    assert not engine.paused

    monkeypatch.setattr(module, "_FREEZE_PATIENCE", 0.01)
    engine.busy = 1_000_000
    with pytest.raises(AgentError, match="unable to freeze"), held(engine, "web", "c1", "pause", note):
        pytest.fail("it was not held")
    assert note.read() is None


@pytest.mark.parametrize("consistency", ["pause", "stop"])
def test_when_it_was_let_go_is_noted(tmp_path: Path, consistency: str) -> None:
    """Who looks for what runs gives it the time that it takes to start; of another service it is kept as well."""
    note = Journal(tmp_path / "held.json")
    released(note).write({"other": time.time() - 10, "old": 1.0})
    before = time.time()
    with held(Engine(), "web", "c1", consistency, note):
        assert "web" not in released(note).read()
    noted = released(note).read()
    assert {*noted} == {"other", "web"}
    assert noted["web"] >= before


def test_what_stays_paused_stays_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that the engine leaves paused is said, and the note is there for the next job."""
    monkeypatch.setattr(module, "_ENGINE_PATIENCE", 0.0)
    engine, note = Engine(stuck=True), Journal(tmp_path / "held.json")
    with (
        pytest.raises(AgentError, match="stays paused: docker unpause c1"),
        held(engine, "web", "c1", "pause", note),
    ):
        assert engine.paused
    assert note.read() == {"paused": ["c1"], "service": "web", "by": os.getpid()}
    engine.stuck = False
    assert let_go(engine, note) == ["container c1 runs on"]
    assert note.read() is None


@pytest.mark.parametrize("consistency", ["pause", "stop"])
def test_a_service_that_is_started_meanwhile(tmp_path: Path, consistency: str) -> None:
    """Its files may not fit together: it is said, and nothing stays held."""
    engine, note = Engine(), Journal(tmp_path / "held.json")
    with (
        pytest.raises(AgentError, match="web was started, deployed or moved while its files were read"),
        held(engine, "web", "c1", consistency, note),
    ):
        engine.asleep, engine.replicas = set(), 2
    assert (engine.asleep, engine.replicas, note.read()) == (set(), 2, None)


def test_all_containers_of_the_hive_are_paused(tmp_path: Path) -> None:
    """They have one volume; also one that only starts, and none that ended. One that comes meanwhile is seen."""
    engine, note = Engine(), Journal(tmp_path / "held.json")
    engine.tasks += [task("c2", state="starting"), task("c3", state="failed"), task("", state="starting")]
    with held(engine, "web", "c1", "pause", note):
        assert engine.asleep == {"c1", "c2"}
    assert not engine.asleep
    with pytest.raises(AgentError, match="web was started"), held(engine, "web", "c1", "pause", note):
        engine.tasks.append(task("c4", state="starting"))
    assert not engine.asleep


def test_nobody_started_it(tmp_path: Path) -> None:
    """One that does not run is not to be held; a task that comes meanwhile is seen, unless nobody asked for more."""
    engine = Engine()
    for consistency in ("none", "pause"):
        with held(engine, "web", None, consistency, Journal(tmp_path / "held.json")):
            engine.tasks = []
    with pytest.raises(AgentError, match="web was started"), held(engine, "web", None, "pause"):
        engine.tasks = [{"Status": {"State": "running"}}]
    with held(engine, "web", None, "none"):
        assert engine.tasks


@pytest.mark.parametrize(("consistency", "refused"), [("pause", "/unpause"), ("stop", "/services/web")])
def test_an_engine_that_is_upgraded_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, consistency: str, refused: str
) -> None:
    """It does not answer for a while when all is well otherwise: the service is let go all the same."""
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    engine, note = Engine(), Journal(tmp_path / "held.json")
    with held(engine, "web", "c1", consistency, note):
        monkeypatch.setattr(module, "_must_hold", lambda *_: setattr(engine, "refused", refused))
    assert (engine.asleep, engine.replicas, note.read()) == (set(), 2, None)


def test_a_job_lets_go_nothing_of_the_next(tmp_path: Path) -> None:
    """What a later job holds has another note, and is its own."""
    note = Journal(tmp_path / "held.json")
    note.write({"by": 1, "stopped": "web", "replicas": 3})
    engine = Engine()
    engine.replicas = 0
    assert let_go(engine, note, {"by": 2, "stopped": "web", "replicas": 3}) == []
    assert engine.replicas == 0


def test_deployed_while_it_was_stopped(tmp_path: Path) -> None:
    """The number of tasks that somebody gave it meanwhile stays, and is not what it was before."""
    engine, note = Engine(), Journal(tmp_path / "held.json")
    with pytest.raises(AgentError, match="deployed"), held(engine, "web", "c1", "stop", note):
        engine.replicas = 5
    assert (engine.replicas, note.read()) == (5, None)


@pytest.mark.parametrize("labels", [{"skep.spec": "digest"}, None])
def test_others_see_that_a_backup_has_stopped_it(tmp_path: Path, labels: dict[str, str] | None) -> None:
    """By a label with the number of tasks that it has again after it; what somebody deployed meanwhile has none."""
    engine, note = Engine(), Journal(tmp_path / "held.json")
    engine.labels = labels
    with held(engine, "web", "c1", "stop", note):
        assert engine.replicas == 0
        assert engine.labels == {**(labels or {}), BACKUP_STOP_LABEL: "2"}
    assert (engine.replicas, engine.labels or {}) == (2, labels or {})
    with pytest.raises(AgentError, match="deployed"), held(engine, "web", "c1", "stop", note):
        engine.replicas = 5
    assert (engine.replicas, engine.labels or {}) == (5, labels or {})


@pytest.mark.parametrize("label", ["skep.moving", "skep.taken-out.back"])
def test_what_a_run_has_stopped_meanwhile_is_not_started(tmp_path: Path, label: str) -> None:
    """A volume of it is moved: its tasks would write to a copy that is left behind. Whoever stopped it starts it."""
    engine, note = Engine(), Journal(tmp_path / "held.json")
    with held(engine, "web", "c1", "stop", note):
        engine.labels = {**(engine.labels or {}), label: "data hive1"}
    assert (engine.replicas, engine.labels) == (0, {"skep.spec": "digest", label: "data hive1"})
    assert note.read() is None


class FileEngine(Engine):
    """An engine whose paused containers are files, so that two processes see the same.

    Args:
        directory: Where.

    """

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory

    def container(self, method: str, name: str, verb: str) -> Any:
        """Pause a container, wake it, or tell of it."""
        self.asleep = {path.name for path in self.directory.iterdir()}
        answer = super().container(method, name, verb)
        for each in ("c1", "c2"):
            if each in self.asleep:
                (self.directory / each).touch()
            else:
                (self.directory / each).unlink(missing_ok=True)
        return answer


def test_a_job_that_is_killed(tmp_path: Path) -> None:
    """With its whole group, by SIGKILL: the container runs on at once, and not when the next job comes."""
    (asleep := tmp_path / "asleep").mkdir()
    engine, note = FileEngine(asleep), Journal(tmp_path / "held.json")
    engine.tasks.append(task("c2"))
    job = os.fork()
    if job == 0:
        os.setsid()
        with held(engine, "web", "c1", "pause", note):
            os.killpg(0, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]) == -signal.SIGKILL
    wait_until(lambda: note.read() is None, "the note to be gone")
    assert not list(asleep.iterdir())
