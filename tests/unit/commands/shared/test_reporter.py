"""doit's reporter: the lines of a run, its failures, its summary."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from doit.control import TaskControl
from doit.dependency import Dependency
from doit.exceptions import TaskFailed, UnmetDependency
from doit.runner import MThreadRunner
from doit.task import Task, dict_to_task

from commands.shared.console import clean, fitted
from commands.shared.reporter import Reporter, shortest
from commands.shared.statedb import StateDb
from model.errors import ProviderError
from model.keys.record import HostRecord
from model.secrets.secret import Secret
from model.site import DockerStage, Site
from model.stage import Stage
from providers.base import Resource
from tasks.run.context import Run
from tasks.run.log import TaskLog
from tasks.run.open import new_run
from tasks.run.state import State
from tests.rig import wait_until


class Terminal(io.StringIO):
    """A terminal that keeps all that was written to it."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run on an empty state, with one secret that it used."""
    config = DockerStage(cidr="10.0.0.0/24")
    made = new_run(
        tmp_path,
        Stage(Site(site="example", stages={"private": config}), "private", config),
        State(tmp_path / "state"),
    )
    made.secrets.hide(Secret("hunter2"))
    return made


def task_of(run: Run, name: str, action: Any = None, **more: Any) -> Task:
    """Return a resource's task as the phases make one; without `action` it does nothing."""
    phase = name.partition(":")[0]
    return dict_to_task(
        {"name": name, "actions": [action or (lambda: None)], "meta": {"host": "hive0", "run": run}, **more}
        if ":" in name
        else {"name": phase, "actions": None, **more}
    )


def finish(run: Run, tasks: list[Task], out: Any, *, keep_going: bool = False) -> int:
    """Run tasks as doit does, in threads; return its exit status."""
    control = TaskControl(tasks)
    control.process(None)
    database = Dependency(StateDb, str(run.state.traces))
    runner = MThreadRunner(database, Reporter(out), keep_going, num_process=2)
    return int(runner.run_all(control.task_dispatcher()))


def test_a_finished_task_is_one_line_with_its_first_reason(run: Run) -> None:
    """A line says what, where, how long and why; groups print nothing."""
    run.progress.reasons["build_images:web"] = ["roles/nginx changed", "env.A changed"]
    group = task_of(run, "build_images", task_dep=["build_images:web"])
    out = io.StringIO()

    status = finish(run, [task_of(run, "build_images:web"), group], out)

    lines = out.getvalue().splitlines()
    assert status == 0
    assert len(lines) == 2
    assert re.fullmatch(r"build_images:web  hive0 +\d\.\d s  roles/nginx changed \(\+1 more\)", lines[0])
    assert lines[1].startswith("1 resource: 0 up to date, 1 done in ")


def test_the_first_run_says_what_costs_money(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it made, also where it failed then; a later run says nothing of it."""
    every = [Resource(name, costs={"GiB of disk": 20}) for name in ("hive0", "hive1")]
    monkeypatch.setattr(run.provider, "resources", lambda: every)

    def fail() -> None:
        raise ProviderError("no room")

    out = io.StringIO()
    finish(run, [task_of(run, "build_infra:hive0", fail)], out)
    assert "costs money while it exists: 20 GiB of disk\n" in out.getvalue()

    record = HostRecord(name="hive0.example", id="1", address="10.0.0.10", ssh_host="10.0.0.10")
    run.state.write("build_infra:hive0", record)
    out = io.StringIO()
    finish(run, [task_of(run, "build_infra:hive0")], out)
    assert "costs money" not in out.getvalue()


def test_nothing_to_do_is_one_line(run: Run) -> None:
    """Tasks that are up to date print nothing but their number."""
    out = io.StringIO()

    finish(run, [task_of(run, f"p:{n}", uptodate=[True]) for n in "abc"], out)

    assert out.getvalue().startswith("all 3 resources are up to date (")
    assert out.getvalue().count("\n") == 1


def test_pinned_services_are_counted_apart(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was to do because a service is pinned, the summary says so in the same line."""
    monkeypatch.setattr("tasks.services.pinned_revisions.after", lambda _run: {"web": 3})
    monkeypatch.setattr("tasks.services.endpoints.lines", lambda _run: [])
    run.observer.enabled = True
    out = io.StringIO()

    finish(run, [task_of(run, f"deploy_services:{n}", uptodate=[True]) for n in "abc"], out)

    assert out.getvalue().startswith(
        "all 3 resources are up to date, 1 of them pinned to an earlier revision ("
    )


def test_a_persons_mistake_is_printed_without_a_traceback(run: Run) -> None:
    """A failure is its message, then the end of the log without the lines of the message, then the log's path."""

    def fail() -> TaskFailed:
        log = TaskLog(run.state.log_path("build_images:web"), run.secrets.redact)
        for n in range(30):
            log.write(f"step {n}")
        log.write("hive3: setup.sh: exit status 1")
        log.close()
        return TaskFailed("hive3: setup.sh: exit status 1\n    step 29")

    out = io.StringIO()

    status = finish(
        run,
        [task_of(run, "build_images:web", fail), task_of(run, "p:next", task_dep=["build_images:web"])],
        out,
    )

    text = out.getvalue()
    assert status == 1
    assert "FAILED  build_images:web on hive0 after 0." in text
    assert "Traceback" not in text
    assert text.count("hive3: setup.sh: exit status 1") == 1
    assert text.count("step 29") == 1
    assert [line.split()[-1] for line in text.splitlines() if " step " in line] == [
        str(n) for n in [29, *range(14, 29)]
    ]
    assert "  the end of its log, state/logs/build_images/web.log:" in text
    assert text.splitlines()[-1] == (
        "failed: build_images:web; 0 done, 0 up to date, 1 not reached; run doit again to go on from there"
    )


def test_a_bug_is_printed_with_its_traceback_and_without_secrets(run: Run) -> None:
    """An error that skep did not raise on purpose keeps its traceback, and shows no secret."""

    def fail() -> None:
        raise ValueError("no hunter2")

    out = io.StringIO()

    status = finish(run, [task_of(run, "p:one", fail)], out)

    assert status == 2
    assert "Traceback" in out.getvalue()
    assert "ValueError: no [redacted]" in out.getvalue()
    assert "hunter2" not in out.getvalue()


def test_what_waited_for_a_failed_task_is_no_failure(run: Run) -> None:
    """With --continue, tasks that could not be reached are counted and not printed."""
    tasks = [
        task_of(run, "p:bad", lambda: TaskFailed("it broke")),
        task_of(run, "p:after", task_dep=["p:bad"]),
        task_of(run, "p:other"),
    ]
    out = io.StringIO()

    finish(run, tasks, out, keep_going=True)

    assert UnmetDependency.__name__ not in out.getvalue()
    assert "p:after" not in out.getvalue()
    assert out.getvalue().splitlines()[-1].startswith("failed: p:bad; 1 done, 0 up to date, 1 not reached")


def test_the_log_of_an_earlier_run_is_not_shown(run: Run) -> None:
    """A task that failed before it was run has no log of its own to show."""
    log = TaskLog(run.state.log_path("p:one"), run.secrets.redact)
    log.write("of yesterday")
    log.close()
    out = io.StringIO()

    finish(run, [task_of(run, "p:one", file_dep=[str(run.directory / "missing")])], out)

    assert "FAILED  p:one" in out.getvalue()
    assert "of yesterday" not in out.getvalue()


def test_ci_is_told_of_what_takes_long(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, a task of which nothing was heard for a minute says so, once a minute."""
    out = io.StringIO()
    reporter = Reporter(out)
    task = task_of(run, "p:slow")
    reporter.initialize({"p:slow": task}, ["p:slow"])
    log = run.progress.logs["p:slow"] = TaskLog(run.state.log_path("p:slow"), run.secrets.redact)
    log.write("unpacking \x1b[31mred")
    clock = [1000.0]
    monkeypatch.setattr("commands.shared.reporter.time.monotonic", lambda: clock[0])
    reporter.execute_task(task)
    for clock[0] in (1059.0, 1060.0, 1061.0, 1119.0, 1121.0):
        reporter._heartbeat()
    log.close()
    reporter._screen.close()

    assert out.getvalue().splitlines() == [
        "still running: p:slow on hive0, 60 s: unpacking red",
        "still running: p:slow on hive0, 121 s: unpacking red",
    ]


def test_the_live_area_fits_the_terminal(run: Run) -> None:
    """However many tasks run and however long their lines, the area keeps to the width and height that it is given."""
    reporter = Reporter(io.StringIO())
    tasks = {f"p:task{n}": task_of(run, f"p:task{n}") for n in range(9)}
    reporter.initialize(tasks, list(tasks))
    for task in tasks.values():
        log = run.progress.logs[task.name] = TaskLog(run.state.log_path(task.name), run.secrets.redact)
        log.write("x" * 300)
        log.close()
        reporter.execute_task(task)

    area = reporter._area(60, 6)
    reporter._screen.close()

    assert len(area) == 6
    assert max(len(line) for line in area) <= 60
    assert area[0].startswith("0 of 9, 9 at work, ")
    assert area[1].startswith("hive0  p:task0")
    assert area[1].endswith("x…")
    assert area[-1] == "+5 more"


def test_a_terminal_is_left_as_it_was(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a run ends, Ctrl-C too, the live area is taken away and the cursor shown."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    out = Terminal()

    def interrupted() -> None:
        wait_until(lambda: "p:one" in out.getvalue(), "the live area")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(run, [task_of(run, "p:one", interrupted)], out)

    text = out.getvalue()
    assert "p:one" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "stopped: 0 done, 0 up to date, 1 not reached" in text.splitlines()[-1]


def test_nothing_is_drawn_where_nobody_looks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI, and on a dumb terminal, no escape sequence is written, terminal or not."""
    for name, value in (("CI", "true"), ("TERM", "dumb")):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("CI", raising=False)
        monkeypatch.setenv(name, value)
        out = Terminal()
        finish(run, [task_of(run, f"p:{name}")], out)

        assert "\x1b" not in out.getvalue()


def test_answers_that_fail_do_not_fail_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the services answer is said after a good run that is about services; an error there is only said."""

    def broken(_run: Run) -> list[str]:
        raise OSError("no manager")

    monkeypatch.setattr("tasks.services.endpoints.lines", broken)
    out = io.StringIO()

    status = finish(run, [task_of(run, "deploy_services:web")], out)

    assert status == 0
    assert out.getvalue().splitlines()[-1] == "(can't list the services' endpoints: no manager)"


def test_what_a_program_draws_is_shown_as_a_terminal_shows_it() -> None:
    """Colours, titles and other orders to the terminal are dropped; of a progress bar its last state stays."""
    assert clean("10 %\r20 %\r\n") == "20 %"
    assert clean("\x1b[1;31mred\x1b[0m \x1b]0;title\x07x\x00\ty") == "red x y"


def test_a_path_is_shown_the_shorter_way(tmp_path: Path) -> None:
    """A path is relative to where doit was started, unless that is longer."""
    assert shortest(tmp_path / "state" / "x.log", tmp_path) == "state/x.log"
    assert shortest(Path("/x.log"), tmp_path) == "/x.log"
    assert fitted("abcdef", 4) == "abc…"
    assert fitted("abc", 0) == ""
