"""The stage's lock where every machine sees it: on the repository host, and on a hive besides.

The lock in state/ keeps two runs of one checkout apart; this one keeps apart those of two machines. It is held on two
hosts where the stage has them, the repository host and the first hive after it, of those that answer: whoever sees one
of the two sees the run, also while the other one is made anew, off, or silent. They are asked in that order, so that of
two who come at once one gets both.

A host that does not exist yet, or can't be logged in to yet, is joined as soon as its own task is done; one that a
fresh clone does not know is found before anything is changed (`tasks/hosts/held_first.py`). One that this run takes
down itself is `away`, until its task has brought it back. Where a host falls silent, the next hive takes its place
beside the other one. A run that holds the lock nowhere any more has lost it, and is interrupted, unless it has taken
all of these hosts down itself.
"""

import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path

from model.errors import HostError, SkepError, StateError
from model.stage import Host, Stage
from remote.mother.process import local_machine
from remote.ssh.connection import Connection
from remote.ssh.history_notes import HistoryNotes
from remote.ssh.lock_session import BEAT, PATIENCE, LockSession, Owner, clock
from remote.ssh.lock_words import is_same_checkout, lock_name, owner_of, places, refusal

PLACES = 2
"""The hosts on which a lock is held, where there are so many."""
_LOOK = 0.5
"""Seconds between two looks at the sessions."""
_RETRY = 3.0
"""Seconds between two attempts to hold the lock again on a host whose session ended."""
_QUICK = 0.5
"""Seconds after which the provider is asked whether a host that does not answer runs at all."""
_LATE = 5
"""Seconds for which a mother may have been at work after a host heard her last."""


class StageLock:
    """The lock of a stage that other machines see. Thread-safe.

    Args:
        stage: The stage.
        is_made: Tells whether a host has a record: one without is not asked.
        connect: Returns the connection to a host.
        directory: The site's.
        who: Who runs this, as `alice@laptop`.
        job: The address of the CI job that runs this, if one does.

    """

    def __init__(
        self,
        stage: Stage,
        is_made: Callable[[Host], bool],
        connect: Callable[[Host], Connection],
        directory: Path,
        who: str,
        job: str = "",
    ) -> None:
        self._stage, self._is_made, self._connect = stage, is_made, connect
        self._directory, self.who, self.job = directory, who, job
        self._guard = threading.RLock()
        self._asking: dict[str, threading.Lock] = {host.short: threading.Lock() for host in stage.hosts}
        self._sessions: dict[str, LockSession] = {}
        self._prepared: dict[str, LockSession] = {}
        self._retries: dict[str, float] = {}
        self._away: set[str] = set()
        self._silent: set[str] = set()
        self._first: Future[None] | None = None
        self._token = ""
        self._owner: Owner = {}
        self._wake, self._closed = threading.Event(), threading.Event()
        self._began, self._late, self._has_begun = 0.0, False, False
        self._watcher: threading.Thread | None = None
        self.notes = HistoryNotes(lambda: self._sessions.get(stage.repository.short))
        """The history, as the repository host keeps it."""
        self.problem = ""
        """Why this run may not go on: another one holds the stage, or it has lost it. Empty if it may."""
        self.is_down: Callable[[Host], bool] = lambda _host: False
        """Tells whether the provider knows a host not to run."""
        self.say: Callable[[str], None] = lambda _line: None
        """Takes a line for people: the lock is held on other hosts than it should be."""
        self.interrupts = False
        """Whether the main thread gets SIGTERM, which has to interrupt it, when the lock is lost."""

    @property
    def name(self) -> str:
        """The lock's name on hosts."""
        return lock_name(self._stage)

    @property
    def token(self) -> str:
        """The run's own name; empty as long as it has not begun to take the lock."""
        return self._token

    @property
    def places(self) -> list[Host]:
        """The hosts on which the lock may be held, in the order in which they are asked."""
        return places(self._stage)

    @property
    def known(self) -> list[Host]:
        """Those of them that this checkout has a record of."""
        return [host for host in self.places if self._is_made(host)]

    @property
    def held_on(self) -> list[Host]:
        """The hosts on which the lock is held now."""
        return [host for host in self.places if self._holds(host)]

    # -- taking it -------------------------------------------------------------------------------------------------

    def begin(self, command: str) -> None:
        """Begin to take the lock; `wait` waits for it.

        Args:
            command: For those who are turned away meanwhile.

        """
        self._owner = owner_of(self.who, self._directory, command, self.job)
        self._token = secrets.token_hex(8)
        self._began, self._has_begun = clock(), False
        self._closed.clear()
        known = self.known
        if not known:
            return
        local_machine()
        first: Future[None] = Future()
        self._first = first
        threading.Thread(target=self._take_first, args=[known, first], name="stage lock", daemon=True).start()

    def wait(self) -> None:
        """Wait until the lock is held on two hosts, or on all that answer.

        Raises:
            StateError: Another run holds the stage.

        """
        if self._first is not None:
            self._first.result()
        self.check()
        self._has_begun = True

    def check(self) -> None:
        """Raise if this run may not go on.

        Raises:
            StateError: Another run holds the stage, or this one has lost it.

        """
        if self.problem:
            raise StateError(self.problem)

    @property
    def saw_another_end(self) -> bool:
        """Whether another run ended, or fell silent, after this one had begun: what was observed before is old."""
        return self._late

    def _take_first(self, hosts: list[Host], taken: "Future[None]") -> None:
        """Take the lock on the first hosts that answer; one that its provider knows not to run is not waited for."""
        try:
            # Begun on all at once, since that takes the time; taken one after the other, since two may come at once.
            for host in hosts:
                self._beside(host, partial(self._prepare, host, wanted=host in hosts[:PLACES]))
            for host in hosts:
                if self.problem or len(self._sessions) >= PLACES:
                    break
                done = self._beside(host, partial(self._take, host))
                while not done.wait(_QUICK):
                    if self.is_down(host):
                        break
            self._say_who_is_missing(hosts[:PLACES])
            taken.set_result(None)
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            taken.set_exception(error)

    def _say_who_is_missing(self, wanted: list[Host]) -> None:
        """Say on which hosts the lock is held, if not on those that should have it."""
        held = self.held_on
        missing = [host.short for host in wanted if host not in held]
        if held and missing and not self.problem:
            self._silent |= {*missing}
            self.say(_without(missing, held))

    def _prepare(self, host: Host, *, wanted: bool) -> None:
        """Open a host's connection, and begin the session in which the lock is to be taken there, if that is wanted.

        Raises:
            HostError: The host does not answer.

        """
        if not wanted:
            self._connect(host).open()
            return
        with self._asking[host.short]:
            if not (self._closed.is_set() or host.short in self._prepared or host.short in self._sessions):
                self._prepared[host.short] = self._session(host)

    def _session(self, host: Host) -> LockSession:
        """Begin a session on a host.

        Raises:
            HostError: The host does not answer.

        """
        return LockSession(self._connect(host), self.name, keeps=host.is_repository)

    @staticmethod
    def _beside(host: Host, act: Callable[[], None]) -> threading.Event:
        """Do something with a host that may not answer, in a thread that nobody has to wait for; return its end."""
        done = threading.Event()

        def run() -> None:
            try:
                with suppress(SkepError):
                    act()
            finally:
                done.set()

        threading.Thread(target=run, name=f"lock {host.short}", daemon=True).start()
        return done

    def _take(self, host: Host, *, again: bool = False) -> None:
        """Take the lock on a host, unless it is held there.

        Raises:
            HostError: The host does not answer.

        """
        with self._asking[host.short]:
            if self._closed.is_set() or self.problem or self._holds(host):
                return
            session = self._prepared.pop(host.short, None) or self._session(host)
            answer = session.take(self._token, self._owner, again=again, wake=self._wake.set)
            if answer.word != "taken":
                self._lose(refusal(self._stage, host, answer))
                return
            if answer.since is not None and not is_same_checkout(answer.owner, self._owner):
                self._late = answer.since - _LATE <= clock() - self._began or self._late
            if host.is_repository:
                self.notes.repeat(session)
            with self._guard:
                if self._closed.is_set():
                    session.leave()
                    return
                self._sessions[host.short] = session
                if self._watcher is None:
                    self._watcher = threading.Thread(target=self._watch, name="stage lock", daemon=True)
                    self._watcher.start()

    def _holds(self, host: Host) -> bool:
        """Return whether the lock is held on a host now."""
        session = self._sessions.get(host.short)
        return session is not None and session.is_held

    # -- hosts that come and go ------------------------------------------------------------------------------------

    def join(self, host: Host) -> None:
        """Hold the lock on a host that can be logged in to now, if it is one of those that have it.

        Raises:
            StateError: Another run holds the stage.

        """
        if not self._token or host not in self.places:
            return
        self.wait()
        with self._guard:
            had = host.short in self._sessions
            is_wanted = had or host in self.places[:PLACES] or not self._sessions
        if is_wanted:
            with suppress(HostError):
                self._take(host, again=had)
            with self._guard:
                if self._holds(host):
                    self._away.discard(host.short)
                    self._silent.discard(host.short)
        self.check()

    def let_go(self, hosts: Iterable[Host]) -> None:
        """Let hosts go down: where they alone have the lock, its end is no loss. `join` ends it for each."""
        with self._guard:
            self._away |= {host.short for host in hosts}

    # -- watching it -----------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Say regularly that this run goes on, and hold the lock again where a session ended."""
        while not self._closed.is_set():
            self._wake.wait(_LOOK)
            self._wake.clear()
            for short, session in list(self._sessions.items()):
                if self._closed.is_set() or self.problem:
                    return
                if not session.ended.is_set() and clock() - session.said >= BEAT:
                    session.beat()
                elif not session.is_held and short not in self._away:
                    self._retry(self._stage.host(short))
            self._stand_in()
            self._judge()

    def _retry(self, host: Host) -> None:
        """Try to hold the lock on a host again, beside this thread; one attempt at a time, as none may end soon."""
        if time.monotonic() < self._retries.get(host.short, 0.0) or self._asking[host.short].locked():
            return
        self._retries[host.short] = time.monotonic() + _RETRY

        def retry() -> None:
            # What others found out about the host stands: a failure of a moment ago is this attempt's as well.
            self._connect(host).doubt()
            self._take(host, again=True)

        self._beside(host, retry)

    def _stand_in(self) -> None:
        """Where a host that had the lock is silent for long, go on with the other one, and say so; take the next."""
        with self._guard:
            sessions = dict(self._sessions)
            held = self.held_on
            self._silent -= {host.short for host in held}
            late = [
                short
                for short, session in sessions.items()
                if short not in self._away | self._silent and clock() - session.heard >= PATIENCE
            ]
            if not held or not late:
                return
            self._silent |= {*late}
        self.say(_without(late, held))
        for host in self.places:
            if host.short not in sessions and self._is_made(host):
                self._beside(host, partial(self._take, host))
                return

    def _judge(self) -> None:
        """See whether this run has lost the lock: no host has answered for long that it has not taken down itself."""
        with self._guard:
            sessions = {short: each for short, each in self._sessions.items() if short not in self._away}
            silent = all(clock() - session.heard >= PATIENCE for session in sessions.values())
            if not sessions or not silent or self.held_on:
                return
        shorts = ", ".join(sessions)
        self._lose(
            f"{self._stage.name}: {shorts} held this stage's lock for this run, and did not answer for "
            f"{PATIENCE:.0f} s: another run may begin now"
        )

    def _lose(self, problem: str) -> None:
        """End this run: no step begins any more, and the main thread is interrupted, if it can be."""
        with self._guard:
            if self.problem or self._closed.is_set():
                return
            self.problem = problem
        self._wake.set()
        main = threading.main_thread().ident
        if self.interrupts and main is not None:
            # To that thread: the kernel may hand the process's own signals to another, which wakes nobody. And no
            # SIGINT: a process that was begun in the background, as by nohup, has to ignore that.
            signal.pthread_kill(main, signal.SIGTERM)

    # -- letting it go ---------------------------------------------------------------------------------------------

    def release(self, grace: float = 2.0) -> None:
        """Let the lock go everywhere. One that was turned away has done nothing, and ends no other run by that.

        Args:
            grace: Seconds to wait at most until the hosts have let it go.

        """
        with self._guard:
            self._closed.set()
            sessions = [*self._sessions.values(), *self._prepared.values()]
            self._sessions, self._prepared = {}, {}
        self._wake.set()
        for session in sessions:
            session.leave(undo=not self._has_begun)
        for session in sessions:
            session.ended.wait(grace)
        self._token, self._watcher, self._first = "", None, None


def _without(missing: list[str], held: list[Host]) -> str:
    """Return that the lock is held on other hosts than it should be, for people."""
    verb = "does" if len(missing) == 1 else "do"
    where = " and ".join(host.short for host in held)
    return f"{', '.join(missing)} {verb} not answer: this run holds the stage's lock on {where}, and goes on"
