"""What `doit list` shows."""

import json
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from doit.dependency import Dependency
from doit.task import Task, dict_to_task

from commands.list import FAILED, FOLLOWS, NEVER, STALE, UP_TO_DATE, ListView, Status, statuses, summary
from commands.shared.lock_owner import holder
from commands.shared.statedb import StateDb
from model.errors import ConfigError
from model.keys.record import FactRecord
from model.site import DockerStage, Site
from model.stage import Stage
from tasks.doit_task import doit_task
from tasks.run.context import Run
from tasks.run.log import TaskLog
from tasks.run.open import new_run
from tasks.run.state import State
from tests.doubles.steps import MadeUpStep

ROOT = Path(__file__).resolve().parents[3]
SITE = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.232.99.0/24"
number_of_hosts = 2
"""


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
        self.refuse: dict[str, Exception] = {}

    def tasks(self) -> dict[str, Task]:
        """Return the tasks as a fresh doit has them."""
        needs = {"a": (), "b": ("p:a",), "c": ("p:b",)}
        made = {}
        for name in self.inputs:
            inputs = partial(self._inputs, name)
            step = MadeUpStep("p", name, lambda _work: FactRecord(), inputs, needs=needs[name])
            definition = doit_task(self.run, step)
            made[f"p:{name}"] = dict_to_task(
                {k: v for k, v in definition.items() if k != "basename"} | {"name": f"p:{name}"}
            )
        return made

    def _inputs(self, name: str) -> dict[str, str]:
        """Return a resource's input."""
        if name in self.refuse:
            raise self.refuse[name]
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

    def look(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Return what `doit list` finds."""
        found = statuses(self.run, self.tasks(), Dependency(StateDb, str(self.run.state.traces)))
        return {name.removeprefix("p:"): (status.status, status.reasons) for name, status in found.items()}


def test_what_was_never_made_says_so(run: Run) -> None:
    """Before the first run everything was never run, and that is all that is said."""
    assert Chain(run).look() == {"a": (NEVER, ()), "b": (NEVER, ()), "c": (NEVER, ())}


def test_after_a_good_run_all_is_up_to_date(run: Run) -> None:
    """What was made from what is asked for now is up to date."""
    chain = Chain(run)
    chain.make("a", "b", "c")

    assert chain.look() == {"a": (UP_TO_DATE, ()), "b": (UP_TO_DATE, ()), "c": (UP_TO_DATE, ())}


def test_what_follows_a_stale_one_may_follow(run: Run) -> None:
    """What needs a stale resource, however far, may run or not: its record may come out as it was."""
    chain = Chain(run)
    chain.make("a", "b", "c")
    chain.inputs["b"] = "2"

    found = chain.look()

    assert found["a"] == (UP_TO_DATE, ())
    assert found["b"][0] == STALE
    assert "value" in found["b"][1][0]
    assert found["c"] == (FOLLOWS, ("p:b is stale",))


def test_a_changed_record_makes_stale(run: Run) -> None:
    """A task whose file_dep changed is run again by doit, so the list says that it will."""
    chain = Chain(run)
    chain.make("a", "b", "c")
    run.state.write("p:a", FactRecord(id="another, and longer"))

    assert chain.look()["b"] == (STALE, ("the record p/a changed",))


def test_a_lost_record_makes_stale(run: Run) -> None:
    """A task whose target is gone is run again by doit."""
    chain = Chain(run)
    chain.make("a", "b", "c")
    run.state.record_path("p:c").unlink()

    assert chain.look()["c"] == (STALE, ("its record is gone",))


def test_a_failure_says_where_its_log_is_and_what_changed(run: Run) -> None:
    """A failed resource names its log, and what has changed since it was last made well."""
    chain = Chain(run)
    chain.make("a", "b", "c")
    TaskLog(run.state.log_path("p:b"), run.secrets.redact).close()
    chain.inputs["b"] = "2"
    chain.fail("b")

    status, reasons = chain.look()["b"]

    assert status == FAILED
    assert reasons[0] == "its last run failed (s/logs/p/b.log)"
    assert "value" in reasons[1]
    assert chain.look()["c"] == (FOLLOWS, ("p:b is failed",))


def test_an_input_that_cannot_be_had_is_a_reason(run: Run) -> None:
    """A secret whose environment variable is not set stops a run, not the list."""
    chain = Chain(run)
    chain.make("a", "b", "c")
    chain.refuse = {"b": ConfigError(["secrets.x: the environment variable X is not set"])}

    assert chain.look()["b"] == (STALE, ("secrets.x: the environment variable X is not set",))


def test_looking_changes_nothing(run: Run) -> None:
    """A list writes nothing, and does not look at real things."""
    chain = Chain(run)
    chain.make("a", "b")
    before = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    chain.look()

    assert {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()} == before
    assert run.observer._current is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], "nothing to make"),
        ([UP_TO_DATE] * 12, "up to date (12)"),
        ([NEVER] * 3, "never run (3)"),
        ([STALE, STALE, FAILED], "2 of 3 stale, 1 failed"),
        ([UP_TO_DATE, FAILED, FOLLOWS, NEVER], "1 of 4 failed, 1 never run, 1 may follow"),
    ],
)
def test_a_phase_says_how_many_of_how_many(found: list[str], expected: str) -> None:
    """A phase's status counts those that are not up to date."""
    assert summary([Status(f"p:{n}", "", "", status) for n, status in enumerate(found)]) == expected


def view(run: Run) -> ListView:
    """Return a view of two phases."""
    changed = ("roles/nginx changed", "env.A changed")
    return ListView(
        run,
        {
            "build_images": [Status("build_images:web", "hive3", "image web", STALE, changed)],
            "build_networks": [Status("build_networks:dns", "", "overlay network dns", UP_TO_DATE)],
        },
    )


def test_the_list_begins_with_stage_and_provider(run: Run) -> None:
    """The stage and the provider come first, then the phases in order."""
    assert view(run).lines((), {"build_images": "build"}, every=False) == [
        "example, stage private (docker)",
        "build_images    1 of 1 stale    build",
        "build_networks  up to date (1)",
    ]


def test_all_shows_each_resource_with_its_first_reason(run: Run) -> None:
    """`--all` says of each resource why it is not up to date, else what it is."""
    lines = view(run).lines((), {}, every=True)

    assert "    web  stale       roles/nginx changed (+1 more)" in lines
    assert "    dns  up to date  overlay network dns" in lines


def test_a_named_resource_is_shown_with_all_reasons(run: Run) -> None:
    """Naming a resource shows it alone, with every reason."""
    assert view(run).lines(["build_images:web"], {}, every=False)[1:] == [
        "build_images  1 of 1 stale",
        "    web  stale       roles/nginx changed",
        "                     env.A changed",
    ]


def test_a_run_at_work_is_named_and_a_killed_one_is_not(run: Run) -> None:
    """Who holds the stage is said; what a killed run left counts for nothing, be its number another process's now."""
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()", "doit"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    # A process has no command line for a moment while it starts.
    child.stdout.readline()
    about: dict[str, Any] = {
        "pid": child.pid,
        "host": socket.gethostname(),
        "since": "now",
        "command": "doit",
    }
    run.state.root.mkdir(parents=True)
    lock = run.state.root / "lock"
    lock.write_text(json.dumps(about), encoding="utf-8")
    alive = view(run).lines((), {}, every=False)[1]
    child.communicate(b"\n")
    dead = holder(run.state)
    lock.write_text(json.dumps(about | {"pid": 1}), encoding="utf-8")

    assert alive == f"a run is at work: process {child.pid} on {socket.gethostname()} since now (doit)"
    assert dead is None
    assert holder(run.state) is None


def test_a_list_imports_no_sdk(tmp_path: Path) -> None:
    """`doit list` is fast since it imports no SDK, nor what draws on terminals."""
    (tmp_path / "site.toml").write_text(SITE, encoding="utf-8")
    code = f"""
import os, sys
os.chdir({str(tmp_path)!r})
sys.path.insert(0, {str(ROOT)!r})
import doit
doit.get_initial_workdir = os.getcwd
from doit.cmd_base import DodoTaskLoader
from commands.list import List
command = List(
    task_loader=DodoTaskLoader(),
    config={{"BACKEND": {{"skep": "commands.shared.statedb:StateDb"}}}},
    opt_vals={{"dodoFile": {str(ROOT / "dodo.py")!r}}},
)
doit.get_initial_workdir = lambda: {str(tmp_path)!r}
status = command.parse_execute(["--json"])
heavy = {{"docker", "boto3", "botocore", "google", "vagrant", "rich", "jsonschema", "requests", "cryptography"}}
print(heavy & sys.modules.keys(), file=sys.stderr)
sys.exit(status)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stderr.strip()) == (0, "set()")
    shown = json.loads(done.stdout)
    assert [phase["name"] for phase in shown["phases"]][:2] == ["build_infra", "setup_hosts"]
    assert len(shown["phases"]) == 7
    assert {one["status"] for phase in shown["phases"] for one in phase["resources"]} == {NEVER}
    assert not (tmp_path / "state").exists()
