"""Services that are held while their files are read, on an engine that does not do as it is told."""

from pathlib import Path
from typing import Any

import pytest

from agent.backup.hive.held import held, let_go
from agent.backup.hive.journal import Journal
from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket


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
            answer = []
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
    assert note.read() == {"paused": "c1"}
    engine.stuck = False
    assert let_go(engine, note) == ["container c1 runs on"]
    assert note.read() is None
