"""What stands in the way of the first host, and what is said where the stage's key can't be read."""

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError, ProviderError, StateError
from model.keys.record import FactRecord
from model.site_file.load import load, select
from providers.base import Resource
from providers.fake.provider import FakeProvider
from remote.mother.files import write_whole
from tasks import build_infra
from tasks.observe.states import HostState, SwarmState
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tasks.step import CHANGE, Finding, Work
from tests.made import SITE, new


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run of a site that was never made."""
    (tmp_path / "site.toml").write_text(SITE)
    for role in ("base", "web", "first"):
        (tmp_path / "roles" / role).mkdir(parents=True)
        (tmp_path / "roles" / role / "setup.sh").write_text("true\n")
    stage = select(load(tmp_path / "site.toml"), None)
    return new_run(tmp_path, stage, State(tmp_path / "state" / "private"), provider=FakeProvider(stage))


@pytest.mark.parametrize("refuses", [ProviderError("no quota\nno key"), None])
def test_what_stands_in_the_way_is_looked_for_and_said_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, refuses: Exception | None
) -> None:
    """The first task says it, and each other one who that was; so too where the provider itself can't look."""
    asked: list[str] = []

    def check() -> list[str]:
        asked.append("check")
        if refuses is not None:
            raise refuses
        return ["no quota", "no key"]

    monkeypatch.setattr(run.provider, "check", check)
    steps = [step for step in build_infra.steps(run) if step.host]
    said = []
    for step in (*steps, steps[0]):
        work: Any = SimpleNamespace(task=step.task, log=lambda _line: None)
        with pytest.raises(ProviderError) as caught:
            step.ensure(work)
        said.append(str(caught.value))

    why, others = (
        "no quota\nno key",
        ["nothing was made: see the error of build_infra:hive0"] * (len(steps) - 1),
    )
    assert said == [why, *others, why]
    assert asked == ["check"]


@pytest.mark.parametrize("mended", ["hive0", "network"])
def test_what_was_mended_is_seen_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mended: str) -> None:
    """A host that did not answer at first, and was started or got its network back, is looked at and connected anew."""
    made = new(tmp_path)
    made.make()
    as_made = made.hosts["hive0"]
    made.hosts["hive0"] = HostState(error="hive0: ssh: no route to host")
    swarm, made.swarm = made.swarm, SwarmState(error="The swarm does not have a leader")
    run = made.run()
    hive0 = run.stage.host("hive0")
    tasks = made.tasks(run)
    refused = HostError("hive0: ssh: no route to host")
    connection = run.connections.to(hive0)
    connection._failure, connection._failed = refused, time.monotonic()
    docker = tasks["setup_hosts:hive0.docker"].meta["step"]
    assert docker.real("key") == "hive0: ssh: no route to host"
    assert run.live_state.swarm.error

    made.hosts["hive0"], made.swarm = as_made, swarm
    monkeypatch.setattr("tasks.hosts.let_in_keys.settle", lambda *_: None)
    step = tasks[f"build_infra:{mended}"].meta["step"]
    step.ensure(Work(step.task, {}, "key", lambda _line: None))
    opened: list[str] = []
    monkeypatch.setattr(connection, "_try_to_open", lambda: opened.append("hive0"))
    connection.open()
    assert opened == ["hive0"]
    assert run.live_state.host(hive0).steps == as_made.steps
    assert not run.live_state.swarm.error


def refuse(*_: object, **__: object) -> bytes:
    """Refuse, as a directory that is somebody else's."""
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("method", ["exists", "read_text"])
def test_the_key_of_another_user(run: Run, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Who may not read secrets/ is told so, with what to do."""
    key = run.connections.files.key
    key.parent.mkdir(parents=True)
    key.write_text("")
    key.with_suffix(".pub").write_text("")
    monkeypatch.setattr(Path, method, refuse)

    with pytest.raises(
        StateError, match=f"^{key}.pub: Permission denied; doit must be able to write the site's"
    ):
        build_infra.steps(run).__next__().inputs()


def test_the_vault_of_another_user(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for one that is not there, and ends in no traceback."""
    monkeypatch.setattr(Path, "read_bytes", refuse)

    with pytest.raises(
        StateError, match=f"^{run.secrets.vault_path}: Permission denied; doit must be able to write"
    ):
        run.secrets.fingerprint()


def test_a_host_that_refuses_the_key_is_not_up_to_date(tmp_path: Path) -> None:
    """Its task runs, so that the provider lets the key in again; a host that is silent is another matter."""
    made = new(tmp_path)
    made.make()
    refusal = "hive1 refuses this checkout's key (SHA256:x, state/private/secrets/id_ed25519)"
    made.look("hive1", error=f"{refusal}: ask", refusal=refusal)
    made.look("hive2", error="hive2: no answer")
    run = made.run()
    steps = {step.name: step for step in build_infra.steps(run)}

    assert {name: step.real("") for name, step in steps.items() if step.host} == {
        "hive0": None,
        "hive1": refusal,
        "hive2": None,
    }
    assert made.table()["build_infra:hive1"].step.inspect(()) == Finding(CHANGE)


def test_a_host_that_another_checkout_made_anew_is_not_up_to_date(tmp_path: Path) -> None:
    """Its task runs, so that its new host keys are known: its label alone says the key that it was made with before."""
    made = new(tmp_path)
    made.make()
    where = ("example", "private", "hive1")
    made.cloud.things[where] = replace(made.cloud.things[where], id="another")
    steps = {step.name: step for step in build_infra.steps(made.run())}

    assert {
        name: step.real(made.cloud.things["example", "private", name].key)
        for name, step in steps.items()
        if step.host
    } == {
        "hive0": None,
        "hive1": "hive1 was made anew: it is another one than state/ knows",
        "hive2": None,
    }
    assert made.table()["build_infra:hive1"].step.inspect(()) == Finding(CHANGE)


def test_an_older_default_is_in_the_trace(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays an input, so that `doit list` calls nothing stale; once the thing is made anew, today's is."""
    step = build_infra.ProviderResource(run, Resource("disk", {"image": "13"}, defaults={"image": ("12",)}))
    trace = {"good": {"_values_:": {"inputs": {"image": "12"}}}}
    write_whole(run.state.trace_path(step.task), json.dumps(trace).encode())
    monkeypatch.setattr(run.provider, "ensure", lambda *_: FactRecord(id="new"))

    work = Work(step.task, step.inputs(), "key", lambda _line: None)
    assert work.inputs == {"image": "12"}
    step.ensure(work)

    assert work.inputs == {"image": "13"}
