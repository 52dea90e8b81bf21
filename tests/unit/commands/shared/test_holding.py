"""A command that changes a stage holds it."""

import json
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.shared.holding import holding
from tasks.run.state import State


class FakeRun:
    """A run of which only its state and its connections matter."""

    def __init__(self, root: Path) -> None:
        self.state = State(root)
        self.connections = self
        self.closed = 0

    def close(self) -> None:
        """Count."""
        self.closed += 1


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Return a run."""
    return FakeRun(tmp_path / "private")


def test_the_stage_is_held_within_and_released_after(run: Any) -> None:
    """Another command is refused meanwhile, with the holder's command line, and may begin afterwards."""
    with holding(run):
        assert json.loads((run.state.root / "lock").read_text())["command"].startswith("doit")
        second: Any = FakeRun(run.state.root)
        with pytest.raises(InvalidCommand, match="another run holds this stage"), holding(second):
            pass

    assert run.closed == 1
    with holding(run):
        pass


def test_a_failure_releases_it(run: Any) -> None:
    """Whatever ends the command, the next one can begin."""
    with pytest.raises(ValueError, match="x"), holding(run):
        raise ValueError("x")

    assert (run.closed, run.state.is_held) == (1, False)


def test_an_interrupted_command_holds_it_until_its_process_ends(run: Any) -> None:
    """Its threads may still be at work."""
    with pytest.raises(KeyboardInterrupt), holding(run):
        raise KeyboardInterrupt

    assert (run.closed, run.state.is_held) == (1, True)
    run.state.unlock()
