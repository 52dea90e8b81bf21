"""The live state: who is asked, and who is not waited for."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.hosts import moving
from tasks.observe.states import HostState
from tasks.run.context import Run
from tests import made as rig
from tests.made import Made


class _Frozen(Future[HostState]):
    """A look at a host that does not answer."""

    def result(self, timeout: float | None = None) -> HostState:
        """Fail where a real one would wait."""
        del timeout
        raise AssertionError("a frozen host was waited for")


def _frozen(made: Made) -> Run:
    """Return a run that finds hive0 paused: it does not run, as its provider says, and answers no ssh."""
    run = made.run()
    made.cloud.stop(run.stage, "hive0")
    run = made.run()
    run.live_state._hosts["hive0"] = _Frozen()
    return run


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made."""
    site = rig.new(tmp_path)
    site.make()
    return site


def test_a_host_that_does_not_run_is_not_waited_for(made: Made) -> None:
    """A paused host is started at once: while a run waits for an answer of it, the swarm moves its tasks away."""
    run = _frozen(made)
    hive0, hive1 = run.stage.host("hive0"), run.stage.host("hive1")

    assert moving.refusal(run) == ""
    assert run.live_state.host(hive0).error == "hive0 does not run"
    assert run.live_state.unreachable() == [hive0]
    swarm = run.live_state._read_swarm({hive: run.live_state._hosts[hive.short] for hive in (hive0, hive1)})
    assert "hive0 does not run" in swarm.error


def test_a_host_in_no_network_is_said_as_that(made: Made) -> None:
    """A docker host that a killed run took out of its network runs, and has to be put back: that is another fault."""
    for where, thing in list(made.cloud.things.items()):
        if thing.name == "hive0":
            made.cloud.things[where] = replace(thing, running=False, is_displaced=True)
    run = made.run()

    assert run.live_state.host(run.stage.host("hive0")).error == "hive0 is in no network of the stage"
    assert run.live_state.resource("hive0", "any") == "hive0 is in no network of the stage"


def test_a_host_that_was_started_is_asked_anew(made: Made) -> None:
    """When the run has mended it, it is asked how it is, and what its provider said before counts no more."""
    run = _frozen(made)
    run.live_state.renew(run.stage.host("hive0"))

    assert run.live_state.host(run.stage.host("hive0")).error == ""


def test_a_swarm_that_no_key_reaches_says_so_without_the_way_out(tmp_path: Path) -> None:
    """The way back in is said of each host, and not once more for each hive in a line about the swarm."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    refused = HostState(
        error="hive0 refuses this checkout's key: run this", refusal="hive0 refuses this checkout's key"
    )
    silent = HostState(error="hive1: no answer")
    looks = {run.stage.hives[0]: rig.done(refused), run.stage.hives[1]: rig.done(silent)}

    assert run.live_state._read_swarm(looks).error == "hive0 refuses this checkout's key; hive1: no answer"
