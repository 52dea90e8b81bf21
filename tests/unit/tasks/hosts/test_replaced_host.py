"""A host that is taken down to be made anew: out of the swarm, removed, forgotten; after a kill it goes on."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from model.errors import HostError, SkepError
from model.keys.record import HostRecord
from providers.fake.provider import FakeProvider
from remote.mother.files import write_whole
from remote.ssh.connection import Connection
from tasks.hosts import replaced_host
from tasks.hosts.replaced_host import (
    HostReplacement,
    Replacement,
    end_made,
    end_replacement,
    lost_on_the_way,
    replacement_under_way,
    replacement_words,
    replacements_under_way,
)
from tasks.run.context import Run
from tests import made as rig
from tests.doubles.managers import Nodes, manage, quiet
from tests.made import Made


class KilledError(Exception):
    """The process ended here."""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Give a stage of three hives, and hive3 with the registry."""
    site = rig.new(tmp_path)
    site.edit("number_of_hosts = 3", "number_of_hosts = 4")
    site.make()
    monkeypatch.setattr(replaced_host, "MAJORITY_PATIENCE", 0)
    monkeypatch.setattr(Connection, "close", lambda _self: None)
    return site


def replacement(run: Run, short: str) -> HostReplacement:
    """Return the replacement of a host."""
    return HostReplacement(run, run.stage.host(short))


def removals(made: Made) -> list[str]:
    """Return the provider's removals."""
    return [line for line in made.cloud.log if line.startswith("removed")]


def test_it_leaves_the_swarm_and_is_removed_and_forgotten(made: Made) -> None:
    """Drained, without its vote, without its node, then removed: in this order; state/ knows nothing of it any more."""
    run = made.run()
    nodes = Nodes(run)
    manage(run, nodes)

    replacement(run, "hive1").take_down(quiet)

    assert nodes.orders == [
        "node-of-hive1: drain manager",
        "node-of-hive1: drain worker",
        "node-of-hive1: removed",
    ]
    assert removals(made) == ["removed hive1"]
    assert run.state.tasks_of_host("hive1") == []
    assert run.state.tasks_of_host("hive0") != []


def test_the_repository_is_in_no_swarm(made: Made) -> None:
    """A host that is no hive leaves none."""
    run = made.run()
    nodes = Nodes(run)
    manage(run, nodes)

    assert replacement(run, "hive3").swarm_problem(quiet) == ""
    replacement(run, "hive3").take_down(quiet)

    assert (nodes.orders, removals(made)) == ([], ["removed hive3"])


def test_the_majority_is_looked_at(made: Made) -> None:
    """While another hive is down, one that is up can't be replaced; the one that is down can."""
    run = made.run()
    manage(run, Nodes(run, down=("hive2",)))

    problem = replacement(run, "hive1").swarm_problem(quiet)

    assert problem.startswith("the swarm would be left without a majority: waited ")
    assert "of its 2 other managers 1 are ready, which is not a majority" in problem
    assert "doit recover_swarm" in problem
    assert replacement(run, "hive2").swarm_problem(quiet) == ""


def test_a_frozen_hive_that_the_swarm_calls_ready(made: Made) -> None:
    """The swarm learns of it after some twenty seconds; without the other one it would have lost its majority."""
    run = made.run()
    nodes = Nodes(run)
    nodes.frozen.add("hive2")
    manage(run, nodes)

    assert "of its 2 other managers 1 are ready" in replacement(run, "hive1").swarm_problem(quiet)
    assert replacement(run, "hive2").swarm_problem(quiet) == ""


def test_no_other_manager(made: Made) -> None:
    """Where only the host itself answers, or nobody, it can't be told: that is refused."""
    run = made.run()
    run.connections.manager = lambda except_=None, patience=None: (except_, None)  # type: ignore[method-assign,assignment,return-value] # noqa: ARG005
    problem = replacement(run, "hive1").swarm_problem(quiet)
    assert problem.startswith("the swarm would be left without a majority: ")
    assert "no other manager than hive1 answers" in problem

    def silent(**_: Any) -> Any:
        raise HostError("no manager of the swarm answers")

    run.connections.manager = silent  # type: ignore[method-assign,assignment]
    problem = replacement(run, "hive1").swarm_problem(quiet)
    assert problem.startswith("the swarm does not have a leader: ")
    assert "no manager of the swarm answers" in problem
    # As of two hives, one of which is lost: replace_host of any would say the same for ever.
    assert problem.endswith("first doit recover_swarm keep=HOST, with one that is left, then this again")


def test_a_fresh_clone_says_what_to_do(made: Made) -> None:
    """It has no way to the other hives: the tasks that read them back are named."""
    for short in ("hive0", "hive1", "hive2"):
        made.run().state.forget(f"build_infra:{short}")

    assert replacement(made.run(), "hive1").swarm_problem(quiet) == (
        "this checkout has not met the other hives yet, so that no majority can be told: "
        "doit build_infra:hive0 build_infra:hive2"
    )


STEPS = ["leave_swarm", "remove", "forget", "write_ssh_files"]


@pytest.mark.parametrize("killed_at", STEPS)
def test_killed_and_typed_again(made: Made, monkeypatch: pytest.MonkeyPatch, killed_at: str) -> None:
    """Killed before or after each step: what is done is found so, and the rest is done."""
    run = made.run()
    nodes = Nodes(run)
    manage(run, nodes)

    def dies(*_: object, **__: object) -> None:
        raise KilledError

    owner: Any = {
        "leave_swarm": replaced_host,
        "remove": run.provider,
        "forget": run.state,
        "write_ssh_files": run.connections,
    }[killed_at]
    with monkeypatch.context() as patch:
        patch.setattr(owner, killed_at, dies)
        with contextlib.suppress(KilledError):
            replacement(run, "hive1").take_down(quiet)
    is_out = killed_at != "leave_swarm"
    assert replacement_under_way(run.state, "hive1") == Replacement("hive1", is_removed=False, is_out=is_out)
    assert not replacement(run, "hive1").was_taken_down

    again = made.run()
    manage(again, nodes)
    replacement(again, "hive1").take_down(quiet)

    assert nodes.orders[-1] == "node-of-hive1: removed"
    assert again.state.tasks_of_host("hive1") == []
    assert replacement(again, "hive1").was_taken_down


def test_the_note(made: Made) -> None:
    """It says how far a replacement has come, for doit status, until that has ended."""
    run = made.run()
    manage(run, Nodes(run))
    assert replacement_words(run.state) == []

    replacement(run, "hive1").take_down(quiet)

    assert replacement_words(run.state) == [
        "hive1: is removed, and not made again yet: doit replace_host hive1 goes on with that"
    ]
    assert not replacement(run, "hive2").was_taken_down
    end_replacement(run.state, "hive1")
    assert replacement_words(run.state) == []


@pytest.mark.parametrize("is_out", [True, False])
def test_what_a_killed_try_began_to_remove(made: Made, *, is_out: bool) -> None:
    """Its losses were agreed to where it was out of the swarm, and count no more; one that answers is asked again."""
    run = made.run()
    replacement(run, "hive1")._note(Replacement("hive1", is_removed=False, is_out=is_out))
    assert not replacement(run, "hive1").goes_on  # it answers

    made.look("hive1", error="no answer")

    run = made.run()
    assert replacement(run, "hive1").goes_on == is_out
    assert not replacement(run, "hive2").goes_on


def test_a_machine_that_does_not_leave_the_swarm(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skep can't switch off what is somebody else's: its owner is told to, as its containers would run on."""
    monkeypatch.setattr(FakeProvider, "owns", False)
    monkeypatch.setattr(FakeProvider, "remove", lambda *_: None)
    said: list[str] = []

    def silent(_self: Connection) -> None:
        raise HostError("hive1: its engine does not answer")

    monkeypatch.setattr(Connection, "open", silent)
    run = made.run()
    manage(run, Nodes(run))
    replacement(run, "hive1").take_down(said.append)

    assert said[-1].startswith(
        "hive1 does not leave the swarm by itself (hive1: its engine does not answer): switch"
    )
    assert replacement(run, "hive1").was_taken_down


def test_a_damaged_note_is_none(made: Made) -> None:
    """A file that says nothing keeps nobody from anything."""
    run = made.run()
    path = replaced_host.note_path(run.state, "hive1")
    path.parent.mkdir()
    path.write_text("[]")

    assert replacement_under_way(run.state, "hive1") is None


def test_a_refusal_of_the_swarm_removes_nothing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host stays as long as its node can't go."""
    run = made.run()
    manage(run, Nodes(run))

    def refuses(*_: object) -> None:
        raise HostError("update out of sequence")

    monkeypatch.setattr(replaced_host, "leave_swarm", refuses)
    with pytest.raises(SkepError, match="out of sequence"):
        replacement(run, "hive1").take_down(quiet)
    assert removals(made) == []
    assert run.state.tasks_of_host("hive1") != []


def test_what_comes_back_is_kept_through_kills(made: Made) -> None:
    """Chosen before the host goes; kept until the swarm knows it, and then until it is back."""
    run = made.run()
    manage(run, Nodes(run))
    backups = {"data": {"web": "aa000001"}}
    first = replacement(run, "hive1")
    first.losses.__dict__["backups"] = backups
    assert first.coming_back is None
    first.take_down(quiet)

    later = replacement(made.run(), "hive1")
    waiting = later.coming_back
    assert waiting is not None
    assert (waiting.backups, waiting.has_begun) == (backups, False)
    later.begins_to_come_back()
    waiting = replacement(made.run(), "hive1").coming_back
    assert waiting is not None
    assert (waiting.backups, waiting.has_begun) == (backups, True)
    assert replacement(made.run(), "hive0").coming_back is None
    later.came_back()
    assert replacement(made.run(), "hive1").coming_back is None
    assert replacement(made.run(), "hive1").was_taken_down


def test_a_killed_try_is_not_forgotten_where_nobody_can_tell_any_more(made: Made) -> None:
    """The repository host does not answer meanwhile: what was chosen first comes back."""
    run = made.run()
    manage(run, Nodes(run))
    backups = {"data": {"web": "aa000001"}}
    replacement(run, "hive1")._note(Replacement("hive1", is_removed=False, backups=backups))
    again = replacement(run, "hive1")
    again.losses.__dict__["backups"] = {}

    again.take_down(quiet)

    waiting = again.coming_back
    assert waiting is not None
    assert waiting.backups == backups


BACKUPS = {"data": {"web": "aa000001"}}


def test_each_host_has_its_note(made: Made) -> None:
    """One that was killed before the swarm knew what comes back is not forgotten when another host is replaced."""
    run = made.run()
    manage(run, Nodes(run))
    waiting = Replacement("hive1", is_removed=True, is_out=True, backups=BACKUPS)
    replacement(run, "hive1")._note(waiting)

    replacement(run, "hive2").take_down(quiet)

    assert replacements_under_way(run.state) == [waiting, Replacement("hive2", is_removed=True, is_out=True)]
    assert replacement(run, "hive1").coming_back == waiting
    end_replacement(run.state, "hive2")
    assert replacements_under_way(run.state) == [waiting]


@pytest.mark.parametrize("has_begun", [True, False])
def test_no_run_makes_empty_what_is_to_come_back(made: Made, *, has_begun: bool) -> None:
    """Until the swarm has its journals, which keep runs off; unless a person says that it may be empty."""
    run = made.run()
    replacement(run, "hive0")._note(
        Replacement("hive0", is_removed=True, backups=BACKUPS, has_begun=has_begun)
    )
    lines = lost_on_the_way(run, ["build_volumes:data@hive0"])
    assert len(lines) == (0 if has_begun else 1)
    for line in lines:
        assert line.startswith(
            "hive0: volume data is to come back from a backup, and this would make it empty: doit "
        )
    assert lost_on_the_way(run, ["build_volumes:data@hive1", "build_infra:hive0"]) == []
    made.may_replace = frozenset({"data"})
    assert lost_on_the_way(made.run(), ["build_volumes:data@hive0"]) == []


def test_what_ends_with_a_run(made: Made) -> None:
    """A host that is made again is replaced, whatever else failed; lost again later, it is asked about again."""
    run = made.run()
    removed = Replacement("hive1", is_removed=True, is_out=True)
    replacement(run, "hive1")._note(removed)
    replacement(run, "hive0")._note(Replacement("hive0", is_removed=True, is_out=True, backups=BACKUPS))
    replacement(run, "hive2")._note(Replacement("hive2", is_removed=False))
    for task in run.state.tasks_of_host("hive1"):
        run.state.forget(task)

    end_made(run, is_whole=False)
    assert len(replacements_under_way(run.state)) == 3

    again = rig_made_again(made)
    end_made(again, is_whole=False)
    assert [each.host for each in replacements_under_way(again.state)] == ["hive0", "hive2"]
    assert not replacement(again, "hive1").was_taken_down
    end_made(again, is_whole=True)
    assert replacements_under_way(again.state) == []


def rig_made_again(made: Made) -> Run:
    """Return a run after the hosts were made again."""
    run = made.run()
    record = run.state.record("build_infra:hive2", HostRecord)
    run.state.write("build_infra:hive1", record)
    return run


@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("number", range(3))
def test_killed_at_each_note(
    made: Made, monkeypatch: pytest.MonkeyPatch, number: int, *, is_written: bool
) -> None:
    """Before it is on the disk, and right after: typed again it comes to the same end, with what is to come back."""
    run, real, count = made.run(), write_whole, 0
    nodes = Nodes(run)
    manage(run, nodes)

    def write(path: Path, data: bytes) -> None:
        nonlocal count
        count += 1
        if count == number + 1 and not is_written:
            raise KilledError
        real(path, data)
        if count == number + 1:
            raise KilledError

    first = replacement(run, "hive1")
    first.losses.__dict__["backups"] = BACKUPS
    with monkeypatch.context() as patch:
        patch.setattr(replaced_host, "write_whole", write)
        with pytest.raises(KilledError):
            first.take_down(quiet)

    again = made.run()
    manage(again, nodes)
    second = replacement(again, "hive1")
    if not second.was_taken_down:
        # The host still answers, or its backups could be told before: of what is gone nobody can tell any more.
        second.losses.__dict__["backups"] = {} if number else BACKUPS
        second.take_down(quiet)

    assert nodes.orders[-1] == "node-of-hive1: removed"
    assert again.state.tasks_of_host("hive1") == []
    assert replacements_under_way(again.state) == [
        Replacement("hive1", is_removed=True, is_out=True, backups=BACKUPS)
    ]
