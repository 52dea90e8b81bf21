"""The stage's lock on its hosts: two runs never have it at once, whichever host is gone."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model.errors import StateError
from model.site import DockerStage, Site
from model.stage import Stage
from remote.mother.wait import wait_for
from remote.ssh import lock_session, lock_words
from remote.ssh.lock_words import lock_name
from tasks.run import stage_lock
from tasks.run.stage_lock import StageLock
from tests.doubles.lock_hosts import LocalSession, LockHost

pytestmark = pytest.mark.slow  # each waits for shells

STAGE = Stage(
    Site(site="example", stages={"private": (CONFIG := DockerStage(cidr="10.0.0.0/24", number_of_hosts=3))}),
    "private",
    CONFIG,
)
REPOSITORY, FIRST, SECOND = (STAGE.host(short) for short in ("hive2", "hive0", "hive1"))
Begin = Callable[..., StageLock]


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Give the stage's hosts; all that holds something there ends with the test."""
    made = {host.short: LockHost(tmp_path, host.short) for host in STAGE.hosts}
    yield made
    for host in made.values():
        host.end_sessions()


@pytest.fixture
def begin(hosts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Return a function by which a run begins; all that began are ended with the test."""
    monkeypatch.setattr(stage_lock, "LockSession", LocalSession)
    monkeypatch.setattr(stage_lock, "_RETRY", 0.2)
    began = []

    def run(who: str, made: Callable[[Any], bool] = lambda _host: True) -> StageLock:
        lock = StageLock(STAGE, made, lambda host: hosts[host.short], tmp_path / who, who)
        began.append(lock)
        lock.begin("doit")
        return lock

    yield run
    for lock in began:
        lock.release()


def on(hosts: dict[str, Any]) -> dict[str, str]:
    """Return who has the lock on which host."""
    found = {short: lock_session.holder_on(host, lock_name(STAGE)) for short, host in hosts.items()}
    return {short: owner["who"] for short, owner in found.items() if owner is not None}


def on_those_that_answer(hosts: dict[str, Any]) -> dict[str, str]:
    """Return who has the lock on which of the hosts that answer."""
    return on({short: host for short, host in hosts.items() if not host.is_silent})


def test_it_is_held_on_the_repository_and_on_a_hive(hosts: dict[str, Any], begin: Begin) -> None:
    """Another run is refused with who, where and what, and has nothing afterwards; it may begin when that one ended."""
    first = begin("alice")
    first.wait()
    assert on(hosts) == {"hive2": "alice", "hive0": "alice"}

    second = begin("bob")
    with pytest.raises(
        StateError, match=r"holds this stage, as hive2 says: alice in \S+/alice on .*\(doit\)"
    ):
        second.wait()
    assert second.saw_another_end is False

    first.release()
    third = begin("carol")
    third.wait()
    assert (on(hosts), third.saw_another_end) == ({"hive2": "carol", "hive0": "carol"}, True)


@pytest.mark.parametrize(("boot", "is_late"), [("one", False), ("other", True)])
def test_the_run_before_of_the_same_checkout_is_known(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, boot: str, *, is_late: bool
) -> None:
    """It ended before this one looked at anything; a machine of CI may have the same name and directories."""
    monkeypatch.setattr(lock_words, "boot_id", lambda: "one")
    first = begin("alice")
    first.wait()
    first.release()
    monkeypatch.setattr(lock_words, "boot_id", lambda: boot)
    second = begin("alice")
    second.wait()

    assert second.saw_another_end is is_late


@pytest.mark.parametrize("silent", ["hive0", "hive1", "hive2"])
def test_one_silent_host_hides_no_run(hosts: dict[str, Any], begin: Begin, silent: str) -> None:
    """The next hive takes its place, so that two runs meet, be it silent for one of them or for both."""
    begin("alice").wait()
    hosts[silent].is_silent = True

    with pytest.raises(StateError, match="another run holds this stage"):
        begin("bob").wait()


def test_a_host_that_is_off_is_not_waited_for(hosts: dict[str, Any], begin: Begin) -> None:
    """With none that answers nothing is held, and the run goes on: it is the one that starts them."""
    for host in hosts.values():
        host.is_silent = True
    lock = begin("alice")
    lock.wait()
    for host in hosts.values():
        host.is_silent = False

    assert on(hosts) == {}
    lock.join(REPOSITORY)
    lock.join(SECOND)
    lock.join(FIRST)
    assert on(hosts) == {"hive2": "alice", "hive0": "alice"}


def test_a_frozen_host_is_not_waited_for(hosts: dict[str, Any], begin: Begin) -> None:
    """Its connection seems to be open, and it answers nobody: its provider knows that it does not run."""
    hosts["hive2"].is_frozen = True
    lock = begin("alice")
    lock.is_down = lambda host: host == REPOSITORY
    began = time.monotonic()
    lock.wait()

    assert time.monotonic() - began < 10
    assert on(hosts) == {"hive0": "alice", "hive1": "alice"}


def test_of_two_first_runs_one_is_turned_away(begin: Begin) -> None:
    """No host exists when they begin; each joins those that are made."""
    first, second = (begin(who, lambda _host: False) for who in ("alice", "bob"))
    first.wait()
    second.wait()
    first.join(REPOSITORY)

    with pytest.raises(StateError, match="another run holds this stage, as hive2 says: alice"):
        second.join(REPOSITORY)
    with pytest.raises(StateError, match="another run holds"):
        second.check()


def test_a_session_that_breaks_is_taken_up_again(hosts: dict[str, Any], begin: Begin) -> None:
    """As after a restart of sshd, or where the run itself closed its connections: the run goes on."""
    lock = begin("alice")
    lock.wait()
    for host in hosts.values():
        host.end_sessions()

    wait_for(lambda: len(on(hosts)) == 2, "both to be held again", 10)
    lock.check()


def test_a_host_that_freezes_is_asked_once_at_a_time(hosts: dict[str, Any], begin: Begin) -> None:
    """Each attempt may take half a minute: they don't pile up, and the run goes on with the other host."""
    lock = begin("alice")
    lock.wait()
    hosts["hive0"].is_frozen = True
    hosts["hive0"].end_sessions()
    wait_for(lambda: len(hosts["hive0"].sessions) == 1, "the first attempt", 10)
    due = time.monotonic() + 5 * stage_lock._RETRY
    wait_for(lambda: time.monotonic() > due, "more attempts to be due", 10)

    threads = [thread.name for thread in threading.enumerate()]
    assert threads.count("lock hive0") <= 2, "one that listens, and one that asks"
    lock.check()


def test_a_lost_lock_ends_the_run(
    hosts: dict[str, Any], begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no host has answered for the time, no step begins any more, and the main thread is interrupted."""
    monkeypatch.setattr(lock_session, "PATIENCE", 1.0)
    monkeypatch.setattr(stage_lock, "PATIENCE", 1.0)
    interrupted: list[int] = []
    monkeypatch.setattr(signal, "pthread_kill", lambda _thread, number: interrupted.append(number))
    lock = begin("alice")
    lock.wait()
    lock.interrupts = True
    for host in hosts.values():
        host.is_silent = True
        host.end_sessions()

    wait_for(lambda: bool(lock.problem), "the loss to be noticed", 10)

    with pytest.raises(StateError, match=r"hive2, hive0 held .* and did not answer for 1 s"):
        lock.check()
    wait_for(lambda: bool(interrupted), "the interruption", 5)
    assert interrupted == [signal.SIGTERM]


def test_a_lost_lock_is_not_waited_for(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where packets go nowhere the sessions seem to be there: the run is gone before another one may begin."""
    monkeypatch.setattr(lock_session, "PATIENCE", 1.0)
    monkeypatch.setattr(stage_lock, "PATIENCE", 1.0)
    lock = begin("alice")
    lock.wait()
    monkeypatch.setattr(LocalSession, "_answered", lambda *_: None)
    monkeypatch.setattr(StageLock, "_retry", lambda *_: None)
    wait_for(lambda: bool(lock.problem), "the loss to be noticed", 10)
    began = time.monotonic()

    assert not lock.notes.end("{}")

    assert time.monotonic() - began < 2


def test_hosts_that_the_run_takes_down_are_no_loss(
    hosts: dict[str, Any], begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that it makes anew: it holds the lock again when its task says that it is back."""
    monkeypatch.setattr(lock_session, "PATIENCE", 0.5)
    monkeypatch.setattr(stage_lock, "PATIENCE", 0.5)
    monkeypatch.setattr(stage_lock, "BEAT", 0.1)
    lock = begin("alice")
    lock.wait()
    lock.let_go(STAGE.hosts)
    for host in hosts.values():
        host.end_sessions()
    wait_for(lambda: not on(hosts), "the hosts to be free", 10)
    wait_for(
        lambda: not any(session.is_held for session in lock._sessions.values()), "the time to be over", 10
    )
    lock._judge()
    lock.check()

    lock.join(REPOSITORY)

    assert on(hosts) == {"hive2": "alice"}
    lock.check()


def test_a_host_that_is_away_hides_no_loss(
    hosts: dict[str, Any], begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run took one down itself; the other one has fallen silent, and would let another run begin."""
    monkeypatch.setattr(lock_session, "PATIENCE", 1.0)
    monkeypatch.setattr(stage_lock, "PATIENCE", 1.0)
    lock = begin("alice")
    lock.wait()
    lock.let_go([REPOSITORY])
    hosts["hive2"].end_sessions()
    for host in hosts.values():
        host.is_silent = True
    hosts["hive0"].end_sessions()

    wait_for(lambda: bool(lock.problem), "the loss to be noticed", 10)

    assert lock.problem.startswith("private: hive0 held this stage's lock for this run, and did not answer")


def test_a_host_that_is_gone_for_good_is_made_up_for(
    hosts: dict[str, Any], begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on with the other one, takes the next hive beside it, and says so once."""
    monkeypatch.setattr(lock_session, "PATIENCE", 2.0)
    monkeypatch.setattr(stage_lock, "PATIENCE", 2.0)
    monkeypatch.setattr(stage_lock, "BEAT", 0.2)
    said: list[str] = []
    lock = begin("alice")
    lock.say = said.append
    lock.wait()
    hosts["hive2"].is_silent = True
    hosts["hive2"].end_sessions()

    wait_for(lambda: on_those_that_answer(hosts) == {"hive0": "alice", "hive1": "alice"}, "the next one", 10)

    lock.check()
    assert said == ["hive2 does not answer: this run holds the stage's lock on hive0, and goes on"]


def test_a_host_that_does_not_answer_at_the_beginning_is_named(hosts: dict[str, Any], begin: Begin) -> None:
    """As one that was destroyed, and is to be made anew: the run goes on with the others, and says so."""
    hosts["hive2"].is_silent = True
    said: list[str] = []
    lock = begin("alice")
    lock.say = said.append
    lock.wait()

    wait_for(lambda: bool(said), "the line", 5)
    assert said == ["hive2 does not answer: this run holds the stage's lock on hive0 and hive1, and goes on"]


def test_an_attempt_to_hold_it_again_forgets_no_failure(
    hosts: dict[str, Any], begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks that wait for a host that was just found silent fail with that, and don't try one after another."""
    doubts: list[str] = []
    monkeypatch.setattr(type(hosts["hive0"]), "doubt", lambda self: doubts.append(self.name))
    lock = begin("alice")
    lock.wait()
    hosts["hive0"].end_sessions()

    wait_for(lambda: "hive0" in doubts, "it to be looked at", 10)
    wait_for(lambda: on(hosts).keys() == {"hive2", "hive0"}, "it to be held again", 10)


def test_another_run_meanwhile_ends_this_one(hosts: dict[str, Any], begin: Begin) -> None:
    """Whoever was away finds that another had the stage: what this run believes is old."""
    first = begin("alice")
    first.wait()
    first.let_go(STAGE.hosts)
    for host in hosts.values():
        host.end_sessions()
    wait_for(lambda: not on(hosts), "the hosts to be free", 10)
    second = begin("bob")
    second.wait()
    second.release()

    with pytest.raises(
        StateError, match=r"another run had this stage meanwhile, as hive2 says: bob .*; run doit again"
    ):
        first.join(REPOSITORY)


def test_one_that_was_turned_away_ends_no_other_run(hosts: dict[str, Any], begin: Begin) -> None:
    """It had the lock for a moment on a host that was away: the run that turned it away takes it again there."""
    first = begin("alice")
    first.wait()
    first.let_go([REPOSITORY])
    hosts["hive2"].end_sessions()
    wait_for(lambda: on(hosts) == {"hive0": "alice"}, "the repository to be free", 10)
    second = begin("bob")
    with pytest.raises(StateError, match="another run holds this stage, as hive0 says"):
        second.wait()
    second.release()

    first.join(REPOSITORY)

    assert on(hosts) == {"hive2": "alice", "hive0": "alice"}


def test_a_run_that_was_ended_by_unlock_knows_at_once(hosts: dict[str, Any], begin: Begin) -> None:
    """Its sessions end, and the hosts say by whom it was ended when it asks again."""
    lock = begin("alice")
    lock.wait()
    for host in hosts.values():
        lock_session.break_on(host, lock_name(STAGE), {"who": "bob"})

    wait_for(lambda: bool(lock.problem), "the loss to be noticed", 10)

    assert "was taken away from this run by doit unlock: bob in" in lock.problem
