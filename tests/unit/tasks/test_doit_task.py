"""When a task is stale: exactly when an input changed or the real thing is not as recorded."""

from pathlib import Path
from typing import Any

import pytest
from doit.dependency import Dependency
from doit.exceptions import TaskFailed
from doit.task import Task, dict_to_task

from commands.shared.statedb import StateDb
from model.errors import HostError
from model.keys.record import FactRecord
from model.site import DockerStage, Site
from model.stage import Stage
from tasks.doit_task import doit_task
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tasks.step import Step, Work
from tests.doubles.steps import MadeUpStep


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run on an empty state."""
    config = DockerStage(cidr="10.0.0.0/24")
    site = Site(site="example", stages={"private": config})
    return new_run(tmp_path, Stage(site, "private", config), State(tmp_path / "state" / "private"))


class Thing:
    """A resource with inputs that a test changes, counting how often it is made."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.inputs: dict[str, str] = {"a": "1"}
        self.drift: str | None = None
        self.made = 0
        self.error: Exception | None = None

    def step(self) -> Step:
        """Return its step."""
        return MadeUpStep(
            "build_things", "one", self.ensure, lambda: dict(self.inputs), lambda _key: self.drift
        )

    def ensure(self, work: Work) -> FactRecord:
        """Make it."""
        if self.error:
            raise self.error
        self.made += 1
        work.log("made")
        return FactRecord(id=work.key)

    def doit(self) -> Any:
        """Do what a fresh `doit` process does with its task; return what the action returned, or None if skipped."""
        task: Task = dict_to_task(
            {k: v for k, v in doit_task(self.run, self.step()).items() if k != "basename"}
            | {"name": "build_things:one"}
        )
        database = Dependency(StateDb, str(self.run.state.traces))
        database.backend.running = True
        if database.get_status(task, {}).status == "up-to-date":
            return None
        failure = task.execute(_Quiet())
        if failure is None:
            task.save_extra_values()
            database.save_success(task)
        else:
            database.remove_success(task)
        return failure


class _Quiet:
    """doit's output stream that shows nothing."""

    def effective_verbosity(self, _verbosity: object) -> int:
        """Show nothing."""
        return 0

    def _get_out_err(self, _verbosity: object) -> tuple[None, None]:
        return None, None


def test_a_second_run_does_nothing(run: Run) -> None:
    """Nothing changed: nothing is done."""
    thing = Thing(run)

    thing.doit()
    thing.doit()

    assert thing.made == 1


def test_a_changed_input_is_made_and_named(run: Run) -> None:
    """An input that changed makes the task run, and the reason names it old against new."""
    thing = Thing(run)
    thing.doit()
    thing.inputs["a"] = "2"

    thing.doit()

    assert thing.made == 2
    assert run.progress.reasons["build_things:one"] == ["a: 1 → 2"]
    assert "because: a: 1 → 2" in run.state.log_path("build_things:one").read_text()


def test_drift_counts_only_when_looked_at(run: Run) -> None:
    """The live look makes a task run; without one (`doit list`) it is not asked."""
    thing = Thing(run)
    thing.doit()
    thing.drift = "it is gone"

    thing.doit()
    assert thing.made == 1
    run.observer.enabled = True
    thing.doit()

    assert thing.made == 2
    assert run.progress.reasons["build_things:one"] == ["it is gone"]


def test_a_deleted_record_is_written_again(run: Run) -> None:
    """The record is the task's target: without it the task runs, and finds the real thing."""
    thing = Thing(run)
    thing.doit()
    run.state.record_path("build_things:one").unlink()

    thing.doit()

    assert run.state.read("build_things:one", FactRecord) is not None


def test_a_persons_mistake_fails_without_a_traceback(run: Run) -> None:
    """A SkepError is a failure with its message, and the next run tries again."""
    thing = Thing(run)
    thing.error = HostError("hive0: ssh: no answer")

    failure = thing.doit()

    assert isinstance(failure, TaskFailed)
    assert "Traceback" not in failure.get_msg()
    assert run.progress.failed == {"build_things:one"}
    assert "hive0: ssh: no answer" in run.state.log_path("build_things:one").read_text()
    thing.error = None
    thing.doit()
    assert thing.made == 1


def test_our_own_fault_keeps_its_traceback(run: Run) -> None:
    """Any other exception is a bug, and shows where it came from."""
    thing = Thing(run)
    thing.error = ZeroDivisionError("bug")

    assert "Traceback" in thing.doit().get_msg()


def test_what_is_missing_is_waited_for(run: Run) -> None:
    """Inputs that can't be had yet make the task stale, not the run fail."""
    step = MadeUpStep(
        "build_things", "two", Thing(run).ensure, lambda: {"id": run.state.record("x:y", FactRecord).id}
    )

    reasons, inputs = doit_task(run, step)["meta"]["check"].reasons({})

    assert reasons == ["x:y is not there yet"]
    assert inputs == {}
