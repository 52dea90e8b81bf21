"""When a task is stale: exactly when an input changed or the real thing is not as recorded."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from doit.dependency import Dependency
from doit.exceptions import TaskFailed
from doit.task import Task, dict_to_task

from commands.shared.statedb import StateDb
from model.errors import ConfigError, HostError
from model.keys.record import FactRecord
from model.secrets.secret import Secret
from model.site import DockerStage, SecretSource, Site
from model.stage import Stage
from tasks.doit_task import doit_task
from tasks.run.context import Run
from tasks.run.coordination import AT_A_TIME
from tasks.run.log import TaskLog
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


def test_a_secret_too_short_to_be_hidden_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log without each `abc` would be no log, and would give it away."""
    source = SecretSource(env="SHORT")
    config = DockerStage(cidr="10.0.0.0/24", number_of_hosts=1)
    site = Site(site="short.test", stages={"private": config}, secrets={"short": source})
    run = new_run(tmp_path, Stage(site, "private", config), State(tmp_path / "state"))
    monkeypatch.setenv("SHORT", "abc")

    with pytest.raises(ConfigError, match=r"secrets\.short: is shorter than 4 characters"):
        run.secrets.read("short")
    monkeypatch.setenv("SHORT", "abcd")
    assert run.secrets.read("short").reveal() == "abcd"
    assert run.secrets.redact("it is abcd.") == "it is [redacted]."


def test_secrets_do_not_reach_logs(run: Run) -> None:
    """A line that holds a secret of this run is written without it."""
    run.secrets.hide(Secret("hunter2"))
    log = TaskLog(run.state.log_path("build_things:one"), run.secrets.redact)
    log.write("the password is hunter2")
    log.close()

    assert "hunter2" not in log.path.read_text()
    assert "[redacted]" in log.path.read_text()


def test_two_runs_on_one_stage(run: Run) -> None:
    """The second is refused with the first one's process and command; after the first ended it may."""
    run.state.lock("doit build_images")
    second = State(run.state.root)

    with pytest.raises(
        Exception, match=r"another run holds this stage: process \d+ on .* \(doit build_images\)"
    ):
        second.lock("doit")
    run.state.unlock()
    second.lock("doit")
    second.unlock()


def test_who_only_waits_lets_others_work(run: Run) -> None:
    """As many as may be at work keep nobody from it while they all wait for something; then they need a place."""
    order: list[str] = []
    waits, done = Barrier(AT_A_TIME + 1), Event()

    def waiter() -> None:
        with run.coordination.at_work():
            with run.coordination.idle():
                waits.wait(30)
                done.wait(30)
            order.append("waiter")

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for _ in range(AT_A_TIME):
            pool.submit(waiter)
        waits.wait(30)
        with run.coordination.at_work():
            order.append("other")
        done.set()

    assert order == ["other", *["waiter"] * AT_A_TIME]
    with run.coordination.idle():  # outside of any task, as `doit rollback` waits
        pass
    with ExitStack() as full:
        for _ in range(AT_A_TIME):
            full.enter_context(run.coordination.at_work())
