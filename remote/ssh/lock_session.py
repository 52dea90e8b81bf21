"""One host's part of a stage's lock: a shell there that holds it as long as this process lives and is heard.

The shell reads a pipe of this process through the host's shared connection. However this process ends, the pipe closes,
and with it the shell, which the kernel takes the lock from. A mother that only falls silent, as one whose network was
lost, is taken for gone by the host after `HOST_PATIENCE`; she herself gives up before that, after `PATIENCE`, counted
from the moment at which the last word was said that came back. Both go by clocks that nobody sets, and that go on while
a machine sleeps.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from shlex import quote

from model.errors import HostError
from remote.ssh.connection import Connection

LOCKS = "/run/skep/locks"
HISTORY = "/var/lib/skep/history"
BEAT = 5.0
"""Seconds between two words to a host."""
PATIENCE = 25.0
"""Seconds without an answer after which the mother takes her lock for lost."""
HOST_PATIENCE = 40
"""Seconds without a word after which the host gives the lock to whoever asks next."""
KEPT = 1000
"""Lines of history that a host keeps."""
UNWRITTEN = "unwritten"
"""The host's answer where it could not write to the history."""
_ANSWER = 20.0
"""Seconds that the host may take to answer."""
_SCRIPT = Path(__file__).with_name("hold_stage.sh")
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Owner = Mapping[str, str]
"""Who holds a lock: `who`, `directory`, `since`, `command` and `pid`."""


def clock() -> float:
    """Return seconds of a clock that also goes on while this machine sleeps."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True)
class LockAnswer:
    """A host's answer to who asks for the lock.

    Args:
        word: `taken`, `held` (by another), `broken` (somebody took it away) or `other` (another had it meanwhile).
        owner: Who has it; of one that was taken, who had it before; empty if nobody did since the host was started.
        since: Of one that was taken, the seconds since the one before was heard last; None if there was none.

    """

    word: str
    owner: Owner
    since: int | None = None


class LockSession:
    """A session that holds a stage's lock on one host, or is refused. Thread-safe.

    Args:
        connection: To the host.
        name: The lock's name.
        keeps: Whether the host keeps the history as well.

    Raises:
        HostError: The host does not answer.

    """

    def __init__(self, connection: Connection, name: str, *, keeps: bool) -> None:
        self.host = connection.name
        # sudo logs a command line: the script goes to standard input, in front of the words.
        head = {
            "name": name,
            "LOCKS": self.locks,
            "HISTORY": self.history,
            "patience": str(HOST_PATIENCE),
            "kept": str(KEPT),
            "keeps": "yes" if keeps else "no",
        }
        lines = _SCRIPT.read_text().splitlines()
        # Without the words about it. `head -c` asks for no more bytes than it prints: what comes behind them stays.
        code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        script = "\n".join([*(f"{key}={quote(value)}" for key, value in head.items()), *code, ""])
        size = len(script.encode())
        self._running = connection.session(f"sudo -n sh -eu -c 'eval \"$(head -c {size})\"'")
        self._lock = threading.Lock()
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._said: dict[str, float] = {}
        self._count = 0
        self._on_end: Callable[[], None] | None = None
        self._has_asked = False
        self.ended = threading.Event()
        """Set when the session has ended, however."""
        self.heard = clock()
        """When the last word was said that the host has answered."""
        self.said = self.heard
        """When the last word was said."""
        threading.Thread(target=self._listen, name=f"lock {self.host}", daemon=True).start()
        self._write(script)

    def take(self, token: str, owner: Owner, *, again: bool, wake: Callable[[], None]) -> LockAnswer:
        """Take the lock.

        Args:
            token: Names this run; one that it holds already, or held, is taken over.
            owner: Who asks.
            again: Whether this run had it before, so that nobody else may have had it since.
            wake: Called when the session ends.

        Raises:
            HostError: The host does not answer as it should.

        """
        self._on_end, self._has_asked = wake, True
        self._write(f"{'again' if again else 'take'} {token} {json.dumps(dict(owner))}\n")
        try:
            text = self._next(_ANSWER, "taking the stage's lock")
        except HostError:
            self.leave()
            raise
        word, _, rest = text.partition(" ")
        since = None
        if word == "taken":
            seconds, _, rest = rest.partition(" ")
            since = int(seconds) if seconds.lstrip("-").isdecimal() else None
        try:
            found = {str(key): str(value) for key, value in json.loads(rest or "{}").items()}
        except (ValueError, AttributeError):
            found = {}
        if word != "taken":
            self.leave()
        return LockAnswer(word, found, since)

    @property
    def locks(self) -> str:
        """The directory of locks on the host."""
        return LOCKS

    @property
    def history(self) -> str:
        """The directory of histories on the host."""
        return HISTORY

    @property
    def is_held(self) -> bool:
        """Whether the lock is held for certain: the host has answered a moment ago, or was asked a moment ago."""
        return not self.ended.is_set() and clock() - self.heard < PATIENCE

    def beat(self) -> None:
        """Say that this run goes on."""
        with self._lock:
            self._count += 1
            self._said[str(self._count)] = self.said = clock()
        self._write(f"beat {self._count}\n")

    def say(self, word: str, line: str, answer: str = "", timeout: float = _ANSWER) -> None:
        """Say something for the history.

        Args:
            word: `begin`, `end` or `idle`.
            line: JSON.
            answer: The answer to wait for, if any.
            timeout: Seconds for that.

        Raises:
            HostError: It does not come, or the host could not write it.

        """
        self._write(f"{word} {line}\n")
        while answer and (heard := self._next(timeout, label := "writing the history")) != answer:
            if heard == UNWRITTEN:
                raise HostError(f"{self.host}: {label}: its disk takes nothing")

    def leave(self, grace: float = 0, *, undo: bool = False) -> None:
        """Let the lock go.

        Args:
            grace: Seconds to wait at most until the host has.
            undo: Whether it is as if this run had never had it: the one before may take it again.

        """
        if self._has_asked:
            self._write("undo\n" if undo else "bye\n")
        self._running.close_input()
        if grace:
            self.ended.wait(grace)

    def _write(self, text: str) -> None:
        """Write to the host's shell; one that has ended shows by its output."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._running.write(text.encode())

    def _next(self, timeout: float, label: str) -> str:
        """Return the next answer.

        Raises:
            HostError: None comes.

        """
        with contextlib.suppress(Empty):
            if text := self._answers.get(timeout=timeout):
                return text
        why = "the connection ended" if self.ended.is_set() else f"no answer within {timeout:.0f} s"
        raise HostError(f"{self.host}: {label}: {why}")

    def _listen(self) -> None:
        """Take the host's answers until the session ends."""
        begun = b""
        for piece in iter(self._running.read, b""):
            *lines, begun = (begun + piece).split(b"\n")
            for line in lines:
                self._answered(line.decode(errors="replace").strip())
        self.ended.set()
        self._answers.put("")
        self._running.stop(grace=1)
        if self._on_end is not None:
            self._on_end()

    def _answered(self, text: str) -> None:
        """Take an answer."""
        word, _, rest = text.partition(" ")
        if word == "beat":
            with self._lock:
                self.heard = max(self.heard, self._said.pop(rest, 0.0))
        else:
            self._answers.put(text)


_SEE = f"""\
cd {LOCKS} 2>/dev/null || exit 0
[ -e "$name.lock" ] && [ -e "$name.owner" ] || exit 0
exec 9<"$name.lock"
! flock -n -s 9 || exit 0
{{
    read -r token pid
    read -r owner
}} <"$name.owner"
"""


def holder_on(connection: Connection, name: str) -> Owner | None:
    """Return who holds a lock on a host; None if nobody does.

    Raises:
        HostError: The host does not answer.

    """
    script = f"name={quote(name)}\n{_SEE}printf '%s\\n' \"$owner\"\n"
    return _owner(connection.script(script, label="looking at the stage's lock"))


def break_on(connection: Connection, name: str, by: Owner) -> Owner | None:
    """Take a lock away from its holder, who gets to know by whom; return the holder, None if nobody holds it.

    Raises:
        HostError: The host does not answer.

    """
    script = f"""\
name={quote(name)}
{_SEE}umask 077
printf '%s\\n%s\\n' "$token" {quote(json.dumps(dict(by)))} >"$name.broken.new"
mv "$name.broken.new" "$name.broken"
if [ "$(readlink "/proc/$pid/fd/9" || :)" = "{LOCKS}/$name.lock" ]; then
    kill "$pid" || :
    flock -w 5 -s 9 || :
fi
printf '%s\\n' "$owner"
"""
    return _owner(connection.script(script, label="breaking the stage's lock"))


def history_on(connection: Connection, name: str) -> tuple[list[dict[str, object]], dict[str, object] | None]:
    """Return the lines of a stage's history, and the run that has begun and not ended, if there is one.

    Raises:
        HostError: The host does not answer.

    """
    script = f"""\
name={quote(name)}
cd {HISTORY} 2>/dev/null || exit 0
for part in jsonl idle; do cat "$name.$part" 2>/dev/null || :; done
echo =
cat "$name.begun" 2>/dev/null || :
"""
    past, _, begun = f"\n{connection.script(script, label='reading the history')}\n".partition("\n=\n")
    lines = [line for text in past.splitlines() if (line := _object(text)) is not None]
    return lines, _object(begun)


def _object(text: str) -> dict[str, object] | None:
    """Return a line of JSON; None where it is not whole, as after a crash of its host."""
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        return found if isinstance(found, dict) else None
    return None


def _owner(text: str) -> Owner | None:
    """Return the owner that a script printed."""
    found = _object(text.strip())
    return None if found is None else {key: str(value) for key, value in found.items()}
