"""The set-up steps of a host: what the run knows of it afterwards."""

from dataclasses import replace
from pathlib import Path

import pytest

from remote.ssh.connection import Connection
from tasks.hosts.setup_steps import HostSteps, SetupStep
from tasks.step import Work
from tests import made as rig
from tests.doubles.managers import quiet


def test_the_registry_is_looked_at_anew_when_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at a repository that was made anew, before it is set up, meets no images: they are there afterwards."""
    monkeypatch.setattr(Connection, "script", lambda *_, **__: "")
    made = rig.new(tmp_path)
    made.make()
    repository = made.run().stage.repository
    whole = made.hosts[repository.short]
    image, key = min(whole.tags).rsplit(":", 1)
    made.hosts[repository.short] = replace(whole, tags=frozenset())
    run = made.run()
    assert run.live_state.image(image, key) == "the registry does not have it"
    made.hosts[repository.short] = whole

    step = SetupStep(run, HostSteps(run.stage, run.secrets, run.directory), repository, "registry", ())
    step.ensure(Work(step.task, {}, "", quiet))

    assert run.live_state.image(image, key) is None


def test_a_registry_that_was_met_is_not_looked_at_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its images stay where they are when the step is applied again: what the run knows of them stays."""
    monkeypatch.setattr(Connection, "script", lambda *_, **__: "")
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    repository = run.stage.repository
    before = run.live_state.host(repository)
    assert before.tags
    made.hosts[repository.short] = replace(before, tags=frozenset())  # another look would find none

    step = SetupStep(run, HostSteps(run.stage, run.secrets, run.directory), repository, "registry", ())
    step.ensure(Work(step.task, {}, "", quiet))

    assert run.live_state.host(repository).tags == before.tags
