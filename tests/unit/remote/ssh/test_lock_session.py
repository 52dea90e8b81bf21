"""One host's part of a stage's lock: who has it, whom it is kept from, and what ends it."""

import fcntl
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model.errors import HostError
from remote.mother.wait import wait_for
from remote.ssh import lock_session
from remote.ssh.lock_session import LockAnswer, LockSession, break_on, history_on, holder_on
from tests.doubles.lock_hosts import LocalSession, LockHost

pytestmark = pytest.mark.slow

NAME = "example_private"
Take = Callable[..., tuple[LockSession, LockAnswer]]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Any]:
    """Give a host; all that holds something there ends with the test."""
    made = LockHost(tmp_path, "hive0")
    yield made
    for running in made.sessions:
        running.stop()


@pytest.fixture
def take(host: Any) -> Take:
    """Return a function by which somebody asks for the lock."""

    def ask(who: str, token: str = "", *, again: bool = False) -> tuple[LockSession, LockAnswer]:
        session = LocalSession(host, NAME, keeps=True)
        answer = session.take(token or who, {"who": who}, again=again, wake=lambda: None)
        return session, answer

    return ask


def line(**values: object) -> str:
    """Return a line of history."""
    return json.dumps({**values})


def test_the_second_is_told_who_has_it(host: Any, take: Take) -> None:
    """As long as one holds it another is refused with that one's words; when it was let go it is free at once."""
    session, answer = take("alice")
    assert (answer.word, answer.owner, answer.since) == ("taken", {}, None)
    assert holder_on(host, NAME) == {"who": "alice"}

    assert take("bob")[1] == LockAnswer("held", {"who": "alice"})

    session.leave(grace=5)
    answer = take("bob")[1]
    assert (answer.word, answer.owner) == ("taken", {"who": "alice"})
    assert answer.since in {0, 1, 2, 3}


def test_a_killed_run_frees_it_at_once_and_never_ended(host: Any, take: Take) -> None:
    """Its pipe closes: the next one gets the lock, and the history has a line of the run that it never ended."""
    session, _ = take("alice")
    session.say("begin", line(id="1", command="doit"), "begun")
    assert history_on(host, NAME) == ([], {"id": "1", "command": "doit"})

    host.end_sessions()

    assert take("bob")[1].word == "taken"
    [found], begun = history_on(host, NAME)
    assert (str(found.pop("noticed", ""))[:2], found, begun) == ("20", {"id": "1", "command": "doit"}, None)


def test_a_host_that_went_down_has_the_killed_run_too(host: Any, take: Take) -> None:
    """Where the shell could write nothing any more, the next one finds the line of the run that had begun."""
    session, _ = take("alice")
    session.say("begin", line(id="1"), "begun")
    host.sessions[-1].kill()
    session.ended.wait(5)

    take("bob")

    [found], begun = history_on(host, NAME)
    assert (found["id"], begun) == ("1", None)


@pytest.mark.slow
def test_silence_frees_it(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that says nothing for the time that the host waits loses it, though its connection seems to be there."""
    monkeypatch.setattr(lock_session, "HOST_PATIENCE", 4)
    silent, _ = take("alice")
    speaking, _ = take("alice", "alice", again=True)
    assert silent.ended.wait(120)  # its own run has taken it over by another session
    assert not speaking.ended.wait(1)
    speaking.beat()
    assert take("bob")[1].word == "held"

    assert speaking.ended.wait(120)

    assert take("bob")[1].word == "taken"


def test_a_beat_is_answered(take: Take) -> None:
    """The run knows when the word was said that came back last."""
    session, _ = take("alice")
    before = session.heard

    session.beat()

    wait_for(lambda: session.heard > before, "an answer", 5)
    assert session.heard == session.said
    assert session.is_held


def test_one_that_was_broken_is_not_taken_again(host: Any, take: Take) -> None:
    """Its session ends at once, and the run hears who it was when it asks again; another one may begin."""
    session, _ = take("alice")

    assert break_on(host, NAME, {"who": "bob's desk"}) == {"who": "alice"}

    assert session.ended.wait(120)
    assert take("alice", again=True)[1] == LockAnswer("broken", {"who": "bob's desk"})
    assert take("carol")[1].word == "taken"
    assert break_on(host, "other_private", {"who": "bob"}) is None


def test_who_had_it_before_hears_that_another_had_it_since(take: Take) -> None:
    """A run whose session broke takes the lock again as long as nobody else had it meanwhile."""
    session, _ = take("alice")
    session.leave(grace=5)
    session, answer = take("alice", again=True)
    assert answer.word == "taken"
    session.leave(grace=5)
    take("bob")[0].leave(grace=5)

    assert take("alice", again=True)[1] == LockAnswer("other", {"who": "bob"})


def test_a_full_disk_costs_the_history_alone(host: Any, take: Take) -> None:
    """What can't be written is said at once; the lock is held all the same, also by the next run."""
    past = host.root / "lib" / "history"
    past.parent.mkdir(parents=True)
    past.touch()  # a file in the place of the directory: nothing can be written below it, even by root
    for who in ("alice", "bob"):
        session, answer = take(who)
        assert answer.word == "taken"
        session.say("idle", line(id="0"))
        for word, done in (("begin", "begun"), ("end", "ended")):
            with pytest.raises(HostError, match="hive0: writing the history: its disk takes nothing"):
                session.say(word, line(id="1"), done)
        assert take("carol")[1].word == "held"
        session.leave(grace=5)


def test_who_waited_hears_who_had_it_last(host: Any, take: Take) -> None:
    """One that had it between the question and the answer is known, and counts: the former run is sent away."""
    take("alice")[0].leave(grace=5)
    locks = host.root / "locks"

    def is_waiting() -> bool:
        return any(
            words.startswith(b"flock\0-w") and cwd == locks
            for words, cwd in (_words_and_directory(path) for path in Path("/proc").glob("[0-9]*"))
        )

    with (locks / f"{NAME}.lock").open() as held, ThreadPoolExecutor(1) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        asked = pool.submit(take, "alice", again=True)
        wait_for(is_waiting, "alice's shell to wait", 5)
        (locks / f"{NAME}.owner").write_text('bob 0\n{"who": "bob"}\n')
        fcntl.flock(held, fcntl.LOCK_UN)
        answer = asked.result(10)[1]

    assert answer == LockAnswer("other", {"who": "bob"})


def _words_and_directory(process: Path) -> tuple[bytes, Path | None]:
    """Return a process's command line and working directory; nothing of one that is gone, or another user's."""
    try:
        return (process / "cmdline").read_bytes(), (process / "cwd").readlink()
    except OSError:
        return b"", None


def test_the_history(host: Any, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs with nothing to do share a line; the last lines stay, whatever is in them."""
    monkeypatch.setattr(lock_session, "KEPT", 10)
    session, _ = take("alice")
    for _ in range(3):
        session.say("idle", line(id="x", who="alice", ended="now"))
    session.say("begin", line(id="0", command="doit a\\nb 'c' $d"), "begun")
    session.say("end", line(id="0", command="doit a\\nb 'c' $d", outcome="done"), "ended")

    (idle, done), begun = history_on(host, NAME)
    assert (idle["idle"], idle["who"], len(str(idle["first"])), begun) == (3, "alice", 20, None)
    assert done == {"id": "0", "command": "doit a\\nb 'c' $d", "outcome": "done"}

    for n in range(1, 13):
        session.say("end", line(id=str(n)), "ended")
    lines, _ = history_on(host, NAME)
    assert [each["id"] for each in lines] == [str(n) for n in range(2, 13)]


def test_a_session_that_never_asked_leaves_nothing(host: Any, take: Take) -> None:
    """As that on the second host of a run that the first one turned away."""
    take("alice")[0].leave(grace=5)
    unasked = LocalSession(host, NAME, keeps=True)
    unasked.leave(grace=5)

    assert unasked.ended.is_set()
    assert take("alice", again=True)[1].word == "taken"
