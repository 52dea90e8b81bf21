"""A resource's status by what state/ has of it."""

from functools import partial
from pathlib import Path

import pytest
from doit.dependency import Dependency
from doit.task import Task, dict_to_task

from commands.shared.statedb import StateDb
from model.errors import ConfigError
from model.keys.record import FactRecord
from model.site import DockerStage, Site
from model.stage import Stage
from tasks.doit_task import doit_task
from tasks.explain.recorded_status import FOLLOWS, statuses
from tasks.explain.status import FAILED, NEVER, STALE, UP_TO_DATE
from tasks.run.context import Run
from tasks.run.log import TaskLog
from tasks.run.open import new_run
from tasks.run.state import State
from tests.doubles.steps import MadeUpStep


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run on an empty state."""
    config = DockerStage(cidr="10.0.0.0/24")
    return new_run(
        tmp_path,
        Stage(Site(site="example", stages={"private": config}), "private", config),
        State(tmp_path / "s"),
    )


class Chain:
    """Three resources, each made from the one before; `inputs` may be changed by a test."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.inputs = {"a": "1", "b": "1", "c": "1"}
        self.needs: dict[str, tuple[str, ...]] = {"a": (), "b": ("p:a",), "c": ("p:b",)}
        self.after: dict[str, tuple[str, ...]] = {}
        self.reads: dict[str, str] = {}
        self.refuse: dict[str, Exception] = {}

    def tasks(self) -> dict[str, Task]:
        """Return the tasks as a fresh doit has them."""
        made = {}
        for name in self.inputs:
            inputs = partial(self._inputs, name)
            step = MadeUpStep("p", name, lambda _work: FactRecord(), inputs, needs=self.needs[name])
            step.after = self.after.get(name, ())
            definition = doit_task(self.run, step)
            made[f"p:{name}"] = dict_to_task(
                {k: v for k, v in definition.items() if k != "basename"} | {"name": f"p:{name}"}
            )
        return made

    def _inputs(self, name: str) -> dict[str, str]:
        """Return a resource's input."""
        if name in self.refuse:
            raise self.refuse[name]
        if name in self.reads:
            self.run.state.record(self.reads[name], FactRecord)
        return {"value": self.inputs[name]}

    def make(self, *names: str) -> None:
        """Do what a run does with these, one after another."""
        for name in names:
            task = self.tasks()[f"p:{name}"]
            database = Dependency(StateDb, str(self.run.state.traces))
            self.run.state.write(task.name, FactRecord(id=self.inputs[name]))
            database.get_status(task, {})
            task.save_extra_values()
            database.save_success(task)

    def fail(self, name: str) -> None:
        """Do what a run does with one that fails."""
        database = Dependency(StateDb, str(self.run.state.traces))
        database.backend.running = True
        database.remove_success(self.tasks()[f"p:{name}"])

    def statuses(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Return each resource's status and reasons."""
        known = statuses(self.run, self.tasks(), Dependency(StateDb, str(self.run.state.traces)))
        return {name.removeprefix("p:"): (status.status, status.reasons) for name, status in known.items()}


def test_what_was_never_made_says_so(run: Run) -> None:
    """Before the first run everything was never run, and that is all that is said."""
    assert Chain(run).statuses() == {"a": (NEVER, ()), "b": (NEVER, ()), "c": (NEVER, ())}


def test_after_a_good_run_all_is_up_to_date(run: Run) -> None:
    """What was made from what is asked for now is up to date."""
    chain = Chain(run)
    chain.make("a", "b", "c")

    assert chain.statuses() == {"a": (UP_TO_DATE, ()), "b": (UP_TO_DATE, ()), "c": (UP_TO_DATE, ())}


def test_what_follows_a_stale_one_may_follow(run: Run) -> None:
    """What needs a stale resource, however far, may run or not: its record may come out as it was."""
    chain = Chain(run)
    chain.make("a", "b", "c")
    chain.inputs["b"] = "2"

    known = chain.statuses()

    assert known["a"] == (UP_TO_DATE, ())
    assert known["b"][0] == STALE
    assert "value" in known["b"][1][0]
    assert known["c"] == (FOLLOWS, ("p:b is stale",))


def test_what_only_waits_for_a_stale_one_is_up_to_date(run: Run) -> None:
    """A resource that another is only started after, as with `depends_on`, does not touch that one by being stale."""
    chain = Chain(run)
    chain.after = {"c": ("p:a",)}
    chain.needs["c"] = ()
    chain.make("a", "b", "c")
    chain.inputs["a"] = "2"

    assert {name: status for name, (status, _) in chain.statuses().items()} == {
        "a": STALE,
        "b": FOLLOWS,
        "c": UP_TO_DATE,
    }


def test_what_reads_a_record_of_a_stale_one_may_follow(run: Run) -> None:
    """A record that only an input is read from counts, as the swarm's id does, although no `needs` names it."""
    chain = Chain(run)
    chain.needs["c"] = ()
    chain.after = {"c": ("p:a",)}
    chain.reads = {"c": "p:a"}
    chain.make("a", "b", "c")
    chain.inputs["a"] = "2"

    assert chain.statuses()["c"] == (FOLLOWS, ("p:a is stale",))


def test_a_changed_record_makes_stale(run: Run) -> None:
    """A task whose file_dep changed is run again by doit, so the list says that it will."""
    chain = Chain(run)
    chain.make("a", "b", "c")
    run.state.write("p:a", FactRecord(id="another, and longer"))

    assert chain.statuses()["b"] == (STALE, ("the record p/a changed",))


def test_a_lost_record_makes_stale(run: Run) -> None:
    """A task whose target is gone is run again by doit."""
    chain = Chain(run)
    chain.make("a", "b", "c")
    run.state.record_path("p:c").unlink()

    assert chain.statuses()["c"] == (STALE, ("its record is gone",))


def test_a_failure_says_where_its_log_is_and_what_changed(run: Run) -> None:
    """A failed resource names its log, and what has changed since it was last made well."""
    chain = Chain(run)
    chain.make("a", "b", "c")
    TaskLog(run.state.log_path("p:b"), run.secrets.redact).close()
    chain.inputs["b"] = "2"
    chain.fail("b")

    status, reasons = chain.statuses()["b"]

    assert status == FAILED
    assert reasons[0] == "its last run failed (s/logs/p/b.log)"
    assert "value" in reasons[1]
    assert chain.statuses()["c"] == (FOLLOWS, ("p:b is failed",))


def test_an_input_that_cannot_be_had_is_a_reason(run: Run) -> None:
    """A secret whose environment variable is not set stops a run, not the list."""
    chain = Chain(run)
    chain.make("a", "b", "c")
    chain.refuse = {"b": ConfigError(["secrets.x: the environment variable X is not set"])}

    assert chain.statuses()["b"] == (STALE, ("secrets.x: the environment variable X is not set",))


def test_looking_changes_nothing(run: Run) -> None:
    """A list writes nothing, and does not look at real things."""
    chain = Chain(run)
    chain.make("a", "b")
    before = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    chain.statuses()

    assert {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()} == before
    assert run.observer._current is None
