"""The stage's lock where every machine sees it: on the repository host, and on a hive besides.

The lock in state/ keeps two runs of one checkout apart; this one keeps apart those of two machines. It is held on two
hosts where the stage has them, the repository host and the first hive after it, of those that answer: whoever sees one
of the two sees the run, also while the other one is made anew, off, or silent. They are asked in that order, so that of
two who come at once one gets both.

A host that does not exist yet, or can't be logged in to yet, is joined as soon as its own task is done. One that this
run takes down itself is `away`, until its task has brought it back. A run that holds the lock nowhere any more, without
having taken the hosts down itself, has lost it, and is interrupted.
"""

import os
import secrets
import signal
import socket
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
from remote.ssh.lock_session import BEAT, PATIENCE, LockAnswer, LockSession, Owner, clock
from remote.ssh.ssh_files import now

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
_END = 10.0
"""Seconds that the repository host may take to write down how a run ended."""


class StageLock:
    """The lock of a stage that other machines see. Thread-safe.

    Args:
        stage: The stage.
        is_made: Tells whether a host has a record: one without is not asked.
        connect: Returns the connection to a host.
        directory: The site's.
        who: Who runs this, as `alice@laptop`.

    """

    def __init__(
        self,
        stage: Stage,
        is_made: Callable[[Host], bool],
        connect: Callable[[Host], Connection],
        directory: Path,
        who: str,
    ) -> None:
        self._stage, self._is_made, self._connect = stage, is_made, connect
        self._directory, self.who = directory, who
        self._guard = threading.RLock()
        self._asking: dict[str, threading.Lock] = {host.short: threading.Lock() for host in stage.hosts}
        self._sessions: dict[str, LockSession] = {}
        self._prepared: dict[str, LockSession] = {}
        self._retries: dict[str, float] = {}
        self._away: set[str] = set()
        self._first: Future[None] | None = None
        self._token = ""
        self._owner: Owner = {}
        self._wake, self._closed = threading.Event(), threading.Event()
        self._began, self._late, self._has_begun = 0.0, False, False
        self._watcher: threading.Thread | None = None
        self._begun = ""
        self.problem = ""
        """Why this run may not go on: another one holds the stage, or it has lost it. Empty if it may."""
        self.is_down: Callable[[Host], bool] = lambda _host: False
        """Tells whether the provider knows a host not to run."""
        self.interrupts = False
        """Whether the main thread is interrupted when the lock is lost."""

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

    # -- taking it -------------------------------------------------------------------------------------------------

    def begin(self, command: str) -> None:
        """Begin to take the lock; `wait` waits for it.

        Args:
            command: For those who are turned away meanwhile.

        """
        self._owner = owner_of(self.who, self._directory, command)
        self._token = secrets.token_hex(8)
        self._began, self._has_begun = clock(), False
        self._closed.clear()
        known = [host for host in self.places if self._is_made(host)]
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
            taken.set_result(None)
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            taken.set_exception(error)

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
                self._lose(_refusal(self._stage, host, answer))
                return
            if answer.since is not None and _place(answer.owner) != _place(self._owner):
                self._late = answer.since - _LATE <= clock() - self._began or self._late
            if host.is_repository and self._begun:
                with suppress(HostError):
                    session.say("begin", self._begun, "begun")
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
        self.check()

    def let_go(self, hosts: Iterable[Host]) -> None:
        """Let hosts go down: that they no longer hold the lock is no loss. `join` ends it for each."""
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
            self._judge()

    def _retry(self, host: Host) -> None:
        """Try to hold the lock on a host again, beside this thread; one attempt at a time, as none may end soon."""
        if time.monotonic() < self._retries.get(host.short, 0.0) or self._asking[host.short].locked():
            return
        self._retries[host.short] = time.monotonic() + _RETRY

        def retry() -> None:
            self._connect(host).forget_failure()
            self._take(host, again=True)

        self._beside(host, retry)

    def _judge(self) -> None:
        """See whether this run has lost the lock: no host has answered for long, and none is away."""
        with self._guard:
            sessions = dict(self._sessions)
            silent = all(clock() - session.heard >= PATIENCE for session in sessions.values())
            if not sessions or not silent or self._away & sessions.keys():
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
            # To that thread: the kernel may hand the process's own signals to another, which wakes nobody.
            signal.pthread_kill(main, signal.SIGINT)

    # -- the history -----------------------------------------------------------------------------------------------

    def note_begin(self, line: str) -> None:
        """Have the repository host note, now or when it is there, that this run has begun to change something."""
        session = None
        with self._guard:
            if not self._begun:
                self._begun = line
                session = self._sessions.get(self._stage.repository.short)
        if session is not None:
            with suppress(HostError):
                session.say("begin", line, "begun")

    def note_end(self, line: str) -> bool:
        """Have the repository host write down how this run ended; return whether it has."""
        session = self._sessions.get(self._stage.repository.short)
        if session is None or not session.is_held:
            return False
        try:
            session.say("end", line, "ended", _END)
        except HostError:
            return False
        return True

    def note_idle(self, line: str) -> None:
        """Have the repository host count a run that had nothing to do; nobody waits for that."""
        session = self._sessions.get(self._stage.repository.short)
        if session is not None:
            session.say("idle", line)

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


def lock_name(stage: Stage) -> str:
    """Return the name of a stage's lock on hosts, which may have several sites' stages."""
    return f"{stage.site_name}_{stage.name}"


def places(stage: Stage) -> list[Host]:
    """Return the hosts on which a stage's lock may be held, in the order in which they are asked."""
    return [stage.repository, *(host for host in stage.hives if host != stage.repository)]


def owner_of(who: str, directory: Path, command: str) -> dict[str, str]:
    """Return who runs a command here, for others."""
    return {
        "who": who,
        "host": socket.gethostname(),
        "directory": str(directory),
        "since": now(),
        "command": command,
        "pid": str(os.getpid()),
        "boot": _boot(),
    }


def words_of(owner: Owner) -> str:
    """Return who holds a lock, for people: who, where, since when, by which command."""
    since = owner.get("since", "?").replace("T", " ").removesuffix("Z")
    return (
        f"{owner.get('who', 'somebody')} in {owner.get('directory', '?')} on {owner.get('host', '?')}, process "
        f"{owner.get('pid', '?')}, since {since} UTC ({owner.get('command', '?')})"
    )


def _place(owner: Owner) -> tuple[str | None, ...]:
    """Return the checkout of an owner: two runs of it never overlap. Machines of CI may have the same name."""
    return tuple(map(owner.get, ("boot", "host", "directory")))


def _boot() -> str:
    """Return this machine's boot, by random(4); empty where it can't be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _refusal(stage: Stage, host: Host, answer: LockAnswer) -> str:
    """Return why a run may not go on, in words with the way out."""
    who = words_of(answer.owner)
    if answer.word == "held":
        held = f"{stage.name}: another run holds this stage, as {host.short} says"
        return f"{held}: {who}; wait for it, or see doit unlock"
    if answer.word == "broken":
        return f"{stage.name}: the stage's lock was taken away from this run by doit unlock: {who}"
    return f"{stage.name}: another run had this stage meanwhile, as {host.short} says: {who}; run doit again"
