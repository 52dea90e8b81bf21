"""A command that changes a stage holds it."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.shared.holding import holding, interrupted, wait_for_lock
from model.errors import StateError
from tasks.run.progress import Progress
from tasks.run.state import State


class SeenLock:
    """The lock that other machines see; it says what became of it."""

    problem = ""
    interrupts = False

    def __init__(self) -> None:
        self.log: list[str] = []

    def begin(self, command: str) -> None:
        """Begin to take it."""
        self.log.append(f"begin {command.partition(' ')[0]}")

    def wait(self) -> None:
        """Wait for it; another machine may have it."""
        self.log.append("wait")
        if self.problem:
            raise StateError(self.problem)

    def release(self, grace: float) -> None:
        """Let it go."""
        self.log.append(f"release {grace:g}")


class SeenHistory:
    """The stage's history, in a list."""

    has_changes = False

    def __init__(self) -> None:
        self.log: list[str] = []

    def open(self, command: str) -> None:
        """Keep the command."""
        self.log.append(f"open {command.partition(' ')[0]}")

    def begin(self, *, is_certain: bool) -> None:
        """Begin to change something."""
        self.log.append("begin" if is_certain else "may begin")

    def end(self, outcome: str) -> bool:
        """End."""
        self.log.append(outcome)
        return True


class FakeRun:
    """A run of which only its state, its connections, its lock and its history matter."""

    def __init__(self, root: Path) -> None:
        self.state = State(root)
        self.connections = self
        self.stage_lock, self.history, self.progress = SeenLock(), SeenHistory(), Progress()
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


def test_both_locks_are_taken_and_the_history_written(run: Any) -> None:
    """A command that changes things waits for the lock that other machines see, and ends with a line of history."""
    with holding(run):
        assert run.stage_lock.log == ["begin doit", "wait"]

    assert run.stage_lock.log[2:] == ["release 0"]
    assert run.history.log == ["open doit", "begin", "done"]


def test_a_run_waits_by_itself(run: Any) -> None:
    """It observes the stage meanwhile, and may turn out to change nothing."""
    with holding(run, is_run=True):
        assert (run.stage_lock.log, run.history.log) == (["begin doit"], ["open doit"])
        wait_for_lock(run)
        assert run.stage_lock.interrupts
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_another_machines_run_turns_it_away(run: Any) -> None:
    """The message is the lock's, nothing is done, and this checkout's own lock is free again."""
    run.stage_lock.problem = "private: another run holds this stage"
    with pytest.raises(InvalidCommand, match="another run holds this stage"), holding(run):
        pytest.fail("it went on")

    assert not run.state.is_held


def test_who_lost_the_lock_says_so(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupted run ends as after Ctrl-C, one that lost the lock with the reason and another status."""

    def lose() -> None:
        run.stage_lock.problem = "private: taken away"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), holding(run):
        lose()
    assert run.history.log[-1] == "lost the lock"
    assert interrupted(run, "run it again") == 1
    assert capsys.readouterr().err == "\nstopped: private: taken away\n"

    run.stage_lock.problem = ""
    assert interrupted(run, "run it again") == 130
    assert capsys.readouterr().err == "\ninterrupted: run it again\n"
    run.state.unlock()
