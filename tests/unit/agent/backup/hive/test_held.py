"""Services that are held while their files are read, on an engine that does not do as it is told."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from agent.backup.hive.held import held, let_go
from agent.backup.hive.journal import Journal
from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket
from tests.rig import wait_until


class Engine(EngineSocket):
    """An engine with one container and one service; what is named in `refused` has its effect, and no answer.

    Args:
        refused: The end of a path.
        stuck: Whether `unpause` has no effect.

    """

    def __init__(self, refused: str = "", *, stuck: bool = False) -> None:
        super().__init__()
        self.refused, self.stuck = refused, stuck
        self.paused, self.replicas = False, 2
        self.tasks: list[Any] = []

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Answer for the container and the service."""
        answer: Any = None
        if path.endswith("/pause"):
            self.paused = True
        elif path.endswith("/unpause"):
            self.paused = self.paused and self.stuck
        elif path.endswith("/update"):
            self.replicas = options["body"]["Mode"]["Replicated"]["Replicas"]
        elif path.startswith("/services/"):
            mode = {"Replicated": {"Replicas": self.replicas}}
            answer = {"ID": "s1", "Version": {"Index": 7}, "Spec": {"Mode": mode}}
        elif path == "/tasks":
            answer = self.tasks
        else:
            assert (method, path) == ("GET", "/containers/c1/json")
            answer = {"State": {"Paused": self.paused}}
        if self.refused and path.endswith(self.refused):
            self.refused = ""
            raise AgentError("the Docker Engine does not answer")
        return answer


@pytest.mark.parametrize(("consistency", "refused"), [("pause", "/pause"), ("stop", "/update")])
def test_an_engine_that_does_not_answer(tmp_path: Path, consistency: str, refused: str) -> None:
    """A service that was held without the engine saying so is let go at once, not by the next job."""
    engine, note = Engine(refused), Journal(tmp_path / "held.json")
    with pytest.raises(AgentError, match="does not answer"), held(engine, "web", "c1", consistency, note):
        pytest.fail("it was not held")
    assert not engine.paused
    assert engine.replicas == 2
    assert note.read() is None


def test_what_stays_paused_stays_noted(tmp_path: Path) -> None:
    """A container that the engine leaves paused is said, and the note is there for the next job."""
    engine, note = Engine(stuck=True), Journal(tmp_path / "held.json")
    with (
        pytest.raises(AgentError, match="stays paused: docker unpause c1"),
        held(engine, "web", "c1", "pause", note),
    ):
        assert engine.paused
    assert note.read() == {"paused": "c1", "by": os.getpid()}
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
        engine.paused, engine.replicas = False, 2
    assert (engine.paused, engine.replicas, note.read()) == (False, 2, None)


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


class FileEngine(Engine):
    """An engine whose container is a file: there while it is paused. Two processes see the same.

    Args:
        file: The file.

    """

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__()

    @property
    def paused(self) -> bool:
        """Whether the container is paused."""
        return self.file.exists()

    @paused.setter
    def paused(self, value: bool) -> None:
        if value:
            self.file.touch()
        else:
            self.file.unlink(missing_ok=True)


def test_a_job_that_is_killed(tmp_path: Path) -> None:
    """With its whole group, by SIGKILL: the container runs on at once, and not when the next job comes."""
    engine, note = FileEngine(tmp_path / "paused"), Journal(tmp_path / "held.json")
    job = os.fork()
    if job == 0:
        os.setsid()
        with held(engine, "web", "c1", "pause", note):
            os.killpg(0, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]) == -signal.SIGKILL
    wait_until(lambda: note.read() is None, "the note to be gone")
    assert not engine.paused
