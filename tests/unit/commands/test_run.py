"""`doit run`: the checks before anything is touched, and the `name=value` words of the command line."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from doit import doit_cmd
from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from doit.exceptions import InvalidDodoFile

from model.keys.record import FactRecord, HostRecord
from model.site_file.load import load, select
from tasks.doit_task import doit_task
from tasks.observe.observer import Observer
from tasks.observe.states import HostState, SwarmState
from tasks.run.context import Run
from tasks.run.open import doit_config, new_run, open_run
from tasks.run.state import State
from tasks.step import Step, Work
from tests.doubles.steps import MadeUpStep

ROOT = Path(__file__).parents[3]
SITE = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
[stages.production]
provider = "prepared"
ip_address_list = ["192.0.2.1", "192.0.2.2"]
root_password = "root"
[secrets]
one = { env = "SKEP_TEST_ONE" }
two = { file = "two.txt" }
root = { env = "SKEP_TEST_ROOT" }
made = { generate = 24 }
other = { env = "SKEP_TEST_OTHER" }
token = { env = "SKEP_TEST_TOKEN" }
[images.web]
from = "debian:12"
secrets = ["token"]
[services.web]
image = "web"
secrets = ["one", "two", "made"]
[services.elsewhere]
image = "nginx:1"
available_on = ["production"]
secrets = ["other"]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return the directory of a site whose secrets come from everywhere."""
    (tmp_path / "site.toml").write_text(SITE)
    return tmp_path


def run_of(site: Path) -> Run:
    """Return a run."""
    return new_run(site, select(load(site / "site.toml"), "private"), State(site / "state" / "private"))


def doit(site: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run doit there."""
    command = [str(Path(sys.executable).with_name("doit")), "-f", str(ROOT / "dodo.py"), *words]
    return subprocess.run(command, cwd=site, capture_output=True, text=True, check=False, timeout=50)


def test_a_missing_secret_stops_a_run_before_anything_is_touched(site: Path) -> None:
    """The lines are all that is printed, the status is 3, and not even state/ was made."""
    ended = doit(site, "run", "deploy_services")

    assert (ended.returncode, ended.stdout) == (3, "")
    lines = ended.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines[:1]] == ["ERROR"]
    assert [line.removeprefix("ERROR: ").partition(":")[0] for line in lines if "secrets." in line] == [
        "secrets.one",
        "secrets.two",
        "secrets.token",
    ]
    assert "Traceback" not in ended.stderr
    assert not (site / "state").exists()


@pytest.mark.slow
def test_a_state_that_can_not_be_used_is_one_line(site: Path) -> None:
    """A file in the place of state/ ends each command with its path, without a traceback."""
    (site / "state").write_text("mine")

    for words in (
        ("run", "build_infra"),
        ("destroy", "confirm=example"),
        ("forget", "build_infra"),
        ("list",),
    ):
        ended = doit(site, *words)
        assert "Traceback" not in ended.stderr, ended.stderr
        if words[0] == "run":
            assert (ended.returncode, f"{site}/state is not a directory" in ended.stderr) == (3, True), (
                ended.stderr
            )


@pytest.mark.parametrize(
    ("word", "known"), [("stag", False), ("stage", True), ("Stage", False), ("upgrade", True), ("to", True)]
)
def test_an_unknown_word_is_refused(
    site: Path, monkeypatch: pytest.MonkeyPatch, word: str, *, known: bool
) -> None:
    """`stag=production` works on no other stage than the one meant: it is refused, with the words that there are."""
    monkeypatch.setattr(doit_cmd, "_CMDLINE_VARS", {word: "private"})
    monkeypatch.setattr("doit.get_initial_workdir", lambda: str(site))
    if known:
        assert open_run().stage.name == "private"
        return

    with pytest.raises(
        InvalidDodoFile,
        match=f"^{word}=… is not known .*: stage=, confirm=, key=, volumes=, upgrade=, to=, .*leave=, replace=$",
    ):
        open_run()


def test_what_can_not_be_replaced_is_refused(site: Path) -> None:
    """A slip in a name ends the run before anything is touched, with the names that there are."""
    ended = doit(site, "run", "build_infra", "stage=private", "replace=hive0,frnt")

    assert ended.returncode == 3, ended.stderr
    assert (
        "replace=frnt: stage private has no host, network or volume of that name; it has: hive0,"
        in ended.stderr
    )
    assert not (site / "state").exists()


class Nothing:
    """A live look that has seen nothing."""

    swarm = SwarmState(error="there is no swarm yet")
    things: Mapping[str, object] = {}

    def is_down(self, _host: object) -> bool:
        """Know of no host that it does not run."""
        return False

    def host(self, _host: object) -> HostState:
        """Return the look at a host."""
        return HostState(error="it is not made yet")

    def close(self) -> None:
        """End."""


@pytest.fixture
def doit_here(site: Path) -> Iterator[Callable[..., int]]:
    """Run doit in this process on some steps, each time with a fresh run."""
    before = signal.getsignal(signal.SIGTERM)

    def start(*steps: Step, words: tuple[str, ...] = ("run",)) -> int:
        run = run_of(site)
        nothing: Any = Nothing()
        run.observer = Observer(lambda: nothing)

        def task_p() -> Iterator[dict[str, object]]:
            for step in steps:
                yield doit_task(run, step)

        names = {"RUN": run, "DOIT_CONFIG": doit_config(run.state), "task_p": task_p}
        return int(
            DoitMain(ModuleTaskLoader(names)).run(list(words)) or 0
        )  # None, where a command says nothing

    yield start
    signal.signal(signal.SIGTERM, before)


def step(name: str, made: list[str], do: Callable[[], object] = lambda: None) -> Step:
    """Return a step that notes that it was done."""

    def ensure(work: Work) -> FactRecord:
        made.append(work.task)
        do()
        return FactRecord(id=name)

    return MadeUpStep("p", name, ensure, dict)


@pytest.mark.parametrize("text", ["{", "\0\0"])
def test_a_broken_record_is_made_anew_by_one_run(
    site: Path, doit_here: Callable[..., int], text: str
) -> None:
    """The record's own task runs, nothing else does, and the next run has nothing to do."""
    made: list[str] = []
    steps = step("a", made), step("b", made)
    assert doit_here(*steps) == 0
    path = site / "state" / "private" / "p" / "a.json"
    whole = path.read_text()
    path.write_text(text)
    made.clear()

    assert doit_here(*steps) == doit_here(*steps) == 0

    assert made == ["p:a"]
    assert path.read_text() == whole


def test_traces_that_can_not_be_written_end_the_run_with_a_message(
    site: Path, doit_here: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The other tasks are done all the same, the status is not 0, and there is no traceback."""
    made: list[str] = []
    traces = site / "state" / "private" / "traces"
    first = step("a", made, lambda: traces.write_text("in the way"))
    second = step("b", made)
    second.after = ("p:a",)

    assert doit_here(first, second) == 2

    captured = capsys.readouterr()
    assert made == ["p:a", "p:b"]
    assert f"{traces} is not a directory" in captured.err
    assert "Traceback" not in captured.out + captured.err


def test_timings_are_printed_where_they_are_asked_for(
    doit_here: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """`--timings` is the last that is printed; a run with nothing to do says so, one without the word nothing."""
    made: list[str] = []
    first, second = step("a", made), step("b", made)
    second.after = ("p:a",)
    assert doit_here(first, second, words=("run", "--timings")) == 0
    shown = capsys.readouterr().out.splitlines()
    assert doit_here(first, second, words=("run", "--timings")) == 0
    again = capsys.readouterr().out.splitlines()
    assert doit_here(first, second) == 0

    [head] = [number for number, line in enumerate(shown) if "waited for this chain" in line]
    assert shown[head] == "the end of the run waited for this chain, 2 of the 2 tasks that ran:"
    named = [line.split()[-1] for line in shown[head + 3 : -2]]
    # On a busy machine a line tells what lies between two tasks.
    assert [word for word in named if word.startswith("p:")] == ["p:a", "p:b"]
    assert shown[-1].startswith("its tasks took ")
    assert again[-1].startswith("no task ran: ")
    assert "timings" not in (text := capsys.readouterr().out)
    assert "chain" not in text


def test_a_forgotten_task_runs_again(site: Path, doit_here: Callable[..., int]) -> None:
    """`doit forget` leaves no trace of a failure, and the next run does all again."""
    made: list[str] = []
    assert doit_here(step("a", made)) == 0

    assert doit_here(step("a", made), words=("forget", "p")) == 0

    assert not list((site / "state" / "private" / "traces").rglob("*.json"))
    assert doit_here(step("a", made)) == 0
    assert made == ["p:a", "p:a"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("run", "stage=production", "build_infra"), 3),
        (("plan", "stage=production"), 1),
        (("why", "--live", "stage=production", "build_infra:hive0"), 3),
        (("destroy", "stage=production", "confirm=example"), 3),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_ssh_files_that_can_not_be_written_are_a_line(site: Path, words: Sequence[str], status: int) -> None:
    """The live state that needs them is not begun a second time to be ended, and the stage is given back."""
    text = (site / "site.toml").read_text()
    (site / "site.toml").write_text(text[: text.index("[secrets]")].replace('root_password = "root"\n', ""))
    root = site / "state" / "production"
    State(root).write(
        "build_infra:hive0",
        HostRecord(
            id="1", name="hive0.example", address="192.0.2.1", ssh_host="192.0.2.1", ssh_port=22, user="skep",
            host_keys=("ssh-ed25519 AAAA",),
        ),
    )  # fmt: skip
    (root / "ssh_config").mkdir()

    ended = doit(site, *words)

    assert (ended.returncode, "Traceback" in ended.stderr) == (status, False), ended.stderr
    assert f"{root}/ssh_config: Is a directory; " in ended.stderr
    assert not (root / "lock").exists() or (root / "lock").read_text() == ""
