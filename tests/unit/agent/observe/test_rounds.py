"""Looks at a host, whole: an engine on a real socket, a file with figures, counts that are kept."""

import json
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.cli import main
from agent.observe import disk_figures, rounds
from agent.observe.container_events import SERVICE_LABEL
from agent.observe.engine_reader import EngineReader
from agent.observe.observe_config import ObserveConfig, ObservedService
from agent.observe.rounds import HostObserver
from tests.doubles.container_log import ContainerLog
from tests.doubles.observed_engine import ObservedEngine, observed_engine
from tests.rig import wait_until

CONFIG = ObserveConfig(
    services={"web": ObservedService("web", 1, monitor_error=("ERROR",))},
    managers=1,
    owner={"skep.site": "s"},
)
CONTAINER = {"Id": "c1", "State": "running", "Status": "Up", "Labels": {SERVICE_LABEL: "web"}}


class Looked:
    """A host that is looked at.

    Args:
        engine: Its engine.
        directory: Where its files are.

    """

    def __init__(self, engine: ObservedEngine, directory: Path) -> None:
        self.engine, self.directory = engine, directory
        self.log = ContainerLog(directory / "containers")
        self.log.now = time.time_ns() + 10**9
        engine.answers["/containers/json"] = [CONTAINER]
        self.observer = self.begin()

    def begin(self) -> HostObserver:
        """Return an observer that begins."""
        return HostObserver(
            CONFIG._replace(containers=str(self.directory / "containers")),
            EngineReader(self.engine.path),
            self.directory / "skep.prom",
            self.directory / "state" / "state.json",
            self.directory / "shipping.json",
        )

    def look(self) -> dict[str, float]:
        """Take a look, and return the figures."""
        self.observer.look()
        lines = (self.directory / "skep.prom").read_text().splitlines()
        return {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Looked]:
    """Give a host that is looked at."""
    monkeypatch.setattr(disk_figures, "MOUNTS", tmp_path / "none")
    with observed_engine(tmp_path) as engine:
        host = Looked(engine, tmp_path)
        yield host
        host.observer.close()


def failed(figures: dict[str, float]) -> set[str]:
    """Return the parts that failed."""
    return {name.split('"')[1] for name, value in figures.items() if "observe_failed" in name and value}


def test_a_look(looked: Looked) -> None:
    """Every part is told; what runs elsewhere has 0 here, and what was not seen yet has 0, too."""
    before = time.time()
    figures = looked.look()
    assert failed(figures) == set()
    assert before - 1 < figures.pop("skep_observed_timestamp_seconds") < time.time() + 1
    assert {name: value for name, value in figures.items() if "failed" not in name} == {
        'skep_service_tasks_wanted{service="web"}': 1,
        'skep_service_tasks_running{service="web"}': 1,
        'skep_service_drift{service="web"}': 1,
        'skep_service_task_failures_total{service="web"}': 0,
        'skep_log_errors_total{service="web"}': 0,
        "skep_swarm_managers": 1,
        "skep_swarm_managers_reachable": 0,
    }


def test_an_engine_that_hangs(
    looked: Looked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its parts fail within the look's patience, and the rest is written; the journal has it once, and its end."""
    looked.look()
    monkeypatch.setattr(rounds, "PATIENCE", 0.1)
    looked.engine.hangs.set()
    for _ in range(2):
        began = time.monotonic()
        figures = looked.look()
        assert time.monotonic() - began < 5
        assert failed(figures) == {"engine", "swarm", "volumes"}
        assert "skep_log_errors_total" in str(figures)
        assert "tasks_running" not in str(figures)
    looked.engine.hangs.clear()
    monkeypatch.setattr(rounds, "PATIENCE", 8.0)
    assert failed(looked.look()) == set()
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said] == ["engine", "swarm", "volumes"] * 2
    assert "does not answer" in said[0]
    assert said[3] == "engine: is read again"


def test_a_mistake_in_a_part(looked: Looked, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer of another form fails that part alone."""
    looked.engine.answers["/nodes"] = [{"no": "node"}]
    assert failed(looked.look()) == {"swarm"}
    assert "KeyError" in capsys.readouterr().err


def test_counts_outlive_a_kill(looked: Looked) -> None:
    """Failures and lines of logs are counted on from where they were written last."""
    looked.look()
    looked.log.write(b"ERROR")
    looked.engine.tell(time.time_ns() + 10**9, "die", "c0", "web", exitCode="1")
    failures = 'skep_service_task_failures_total{service="web"}'
    wait_until(lambda: looked.look()[failures] == 1, "the failure")
    looked.observer.close()
    looked.observer = looked.begin()
    looked.log.write(b"ERROR")
    figures = looked.look()
    assert (figures[failures], figures['skep_log_errors_total{service="web"}']) == (1, 2)


def test_begun_while_the_engine_is_down(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken for gone: when the engine is back, no line counts twice."""
    errors = 'skep_log_errors_total{service="web"}'
    looked.look()
    looked.log.write(b"ERROR")
    assert looked.look()[errors] == 1
    looked.observer.close()
    looked.observer = looked.begin()
    monkeypatch.setattr(rounds, "PATIENCE", 0.1)
    looked.engine.hangs.set()
    assert failed(looked.look()) == {"engine", "swarm", "volumes", "logs"}
    looked.engine.hangs.clear()
    monkeypatch.setattr(rounds, "PATIENCE", 8.0)
    looked.log.write(b"ERROR")
    assert looked.look()[errors] == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"failures": 1}', '{"errors": {"containers": {"c1": {}}}}'])
def test_a_state_that_is_not_whole(looked: Looked, content: str) -> None:
    """It counts as none, and so does one of another form."""
    path = looked.directory / "state" / "state.json"
    looked.look()
    path.write_text(content)
    looked.observer.close()
    looked.observer = looked.begin()
    assert looked.look()['skep_log_errors_total{service="web"}'] == 0


def test_an_idle_host_writes_no_state(looked: Looked) -> None:
    """The disk is written only where a count changed."""
    looked.look()
    path = looked.directory / "state" / "state.json"
    path.unlink()
    looked.look()
    assert not path.exists()


def test_a_directory_that_is_not_there(looked: Looked, capsys: pytest.CaptureFixture[str]) -> None:
    """The journal says so, and the next look tries again."""
    looked.look()
    (looked.directory / "skep.prom").unlink()
    looked.observer._textfile = looked.directory / "none" / "skep.prom"
    looked.observer.look()
    assert (
        capsys.readouterr().err
        == f"file: {looked.directory}/none/.skep.prom.new: No such file or directory\n"
    )


def test_waiting_takes_in_what_happens(looked: Looked) -> None:
    """The engine's events are read between looks, so that it need not keep them; and the wait ends in time."""
    looked.look()
    assert looked.engine.followed.wait(120)
    looked.engine.tell(time.time_ns() + 10**9, "die", "c0", "web", exitCode="1")
    looked.engine.end_events()
    looked.observer.wait(time.monotonic() + 0.3)
    assert looked.look()['skep_service_task_failures_total{service="web"}'] == 1


def test_an_engine_that_does_not_answer_after_a_start(
    looked: Looked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that has begun since the engine told last is followed on: its lines count once."""
    errors = 'skep_log_errors_total{service="web"}'
    _has_begun_with_an_error(looked)
    with monkeypatch.context() as while_it_hangs:
        while_it_hangs.setattr(rounds, "PATIENCE", 0.1)
        looked.engine.hangs.set()
        assert "engine" in failed(looked.look())
        looked.engine.hangs.clear()
    looked.engine.answers["/containers/json"] = [CONTAINER, {**CONTAINER, "Id": "c2"}]
    assert looked.look()[errors] == 1


def test_a_host_with_a_thousand_logs(looked: Looked) -> None:
    """What happens is taken in also where the connection to the engine is a file of a high number."""
    with ExitStack() as logs:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        logs.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1024):
            logs.enter_context(Path("/dev/null").open("rb"))
        looked.look()
        assert looked.engine.followed.wait(10)
        looked.engine.tell(time.time_ns() + 10**9, "die", "c0", "web", exitCode="1")
        looked.observer.wait(time.monotonic() + 0.3)
        assert looked.observer._failures.counts == {"web": 1}


def test_a_container_that_came_and_went_between_two_looks(looked: Looked) -> None:
    """Its failure counts by the engine's events, and so do its lines: its log is open from its start on."""
    errors, failures = (
        'skep_log_errors_total{service="web"}',
        'skep_service_task_failures_total{service="web"}',
    )
    log = _has_begun_with_an_error(looked)
    shutil.rmtree(log.path.parents[1])
    looked.engine.tell(time.time_ns() + 2 * 10**9, "die", "c2", "web", exitCode="1")
    wait_until(lambda: looked.look()[failures] == 1, "the failure")
    assert looked.look()[errors] == 1


def _has_begun_with_an_error(looked: Looked) -> ContainerLog:
    """Have container c2 of service web begin after a look, its log be opened, and an error be written to it."""
    looked.look()
    assert looked.engine.followed.wait(10)
    log = ContainerLog(looked.directory / "containers", container="c2")
    log.now = time.time_ns() + 10**9
    looked.engine.tell(time.time_ns() + 10**9, "start", "c2", "web")
    wait_until(lambda: _is_open(looked, log.path), "the log to be opened")
    log.write(b"ERROR")
    return log


def _is_open(looked: Looked, path: Path) -> bool:
    """Return whether this process has a file open, after it has taken in what happened."""
    looked.observer.wait(time.monotonic() + 0.05)
    return any(each.exists() and each.samefile(path) for each in Path("/proc/self/fd").iterdir())


def test_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a configuration it ends and says so; it takes no words; another wing is none."""
    monkeypatch.setattr(rounds, "CONFIG", tmp_path / "none.json")
    assert main(["observe"]) == 1
    assert "run doit setup_hosts" in capsys.readouterr().err
    assert main(["observe", "again"]) == 2
    assert main(["paint"]) == 2
    assert main([]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("usage: agent {backup,")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", json.dumps({"services": {"web": {}}}), '{"services": {}, "x": 1}']
)
def test_a_configuration_of_another_form(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said with its path."""
    path = tmp_path / "observe.json"
    path.write_text(content)
    monkeypatch.setattr(rounds, "CONFIG", path)
    assert main(["observe"]) == 1
    assert f"{path} can't be read" in capsys.readouterr().err
