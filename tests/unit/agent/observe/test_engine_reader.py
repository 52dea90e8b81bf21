"""Questions to an engine on a real socket."""

import time
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.observe.engine_reader import EngineReader, EngineRefusedError
from tests.doubles.observed_engine import observed_engine


def test_an_answer(tmp_path: Path) -> None:
    """The query reaches the engine as it was, and its answer comes back whole."""
    with observed_engine(tmp_path) as engine:
        engine.answers["/containers/json"] = [{"Id": "ü" * 100_000}]
        found = EngineReader(engine.path).read("/containers/json", all=True, filters={"label": ["a=b c&d"]})
        assert found == [{"Id": "ü" * 100_000}]
        assert engine.asked == [("/containers/json", {"all": "true", "filters": '{"label": ["a=b c&d"]}'})]


def test_a_refusal(tmp_path: Path) -> None:
    """The engine's sentence is the error's."""
    with observed_engine(tmp_path) as engine:
        engine.answers["/nodes"] = "This node is not a swarm manager."
        with pytest.raises(EngineRefusedError, match="not a swarm manager"):
            EngineReader(engine.path).read("/nodes")


def test_an_engine_that_hangs(tmp_path: Path) -> None:
    """It is given up in time, and all questions of a look together have no more than the look's patience."""
    with observed_engine(tmp_path) as engine:
        engine.hangs.set()
        reader = EngineReader(engine.path, timeout=10)
        reader.be_patient_for(0.2)
        began = time.monotonic()
        for _ in range(5):
            with pytest.raises(AgentError, match="does not answer"):
                reader.read("/nodes")
        assert time.monotonic() - began < 5


def test_no_engine(tmp_path: Path) -> None:
    """The message names the socket."""
    with pytest.raises(AgentError, match=r"does not answer at .*/none.sock: No such file"):
        EngineReader(str(tmp_path / "none.sock")).read("/nodes")
