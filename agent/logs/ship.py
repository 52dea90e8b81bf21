"""`agent logs ship`: send what containers and the journal say to the repository host, and go on behind what arrived.

The engine's files are the queue: a collector that is down holds up nobody but this process. What was confirmed is noted
once a second, so that a kill makes doubles of what was sent since, and loses nothing.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from agent.errors import AgentError, reason_of
from agent.host.durable_files import read_json, write_json
from agent.host.shipping_notes import NOTES
from agent.logs.collector_room import CollectorRoom
from agent.logs.host_journal import HostJournal
from agent.logs.kept_size import KeptSize
from agent.logs.lines import CENTRAL, KINDS, CentralLine, word
from agent.logs.logged_containers import Containers
from agent.logs.relp import Relp
from agent.logs.shipping import Shipping
from agent.logs.troubles import STATE_TROUBLE, Troubles
from agent.logs.watching import watch

CONFIG = Path("/etc/skep/logs/ship.json")
STATE = Path("/var/lib/skep/logs/sent.json")
PAUSE = 1.0
"""Seconds between two looks where nothing is new."""
_LARGEST_BATCH = 256
"""Lines that are sent before the other end must have confirmed them."""


class Sender(Protocol):
    """What confirms messages."""

    def send(self, messages: list[bytes], waits_on: Callable[[], bool]) -> None:
        """Send messages, and ask while that waits whether to wait on; raises AgentError if they are not confirmed."""


class ShipConfig(NamedTuple):
    """What the set-up step wrote.

    Args:
        host: This host's short name.
        collector: The name of the host that takes the lines.
        port: Its port.
        containers: Where the engine has its containers.
        ca: The certificate of the CA that signed the collector's.
        certificate: This host's certificate.
        key: Its private key.
        writes: Where the collector on this host writes; empty where there is none.
        unit: The collector's unit.
        least: Bytes that the disk of the collector's files keeps free.
        most: Bytes that these files may take.
        share: Bytes that one of them may have that is written to.
        trimming: The unit that sees to both.

    """

    host: str
    collector: str
    port: int
    containers: str
    ca: str
    certificate: str
    key: str
    writes: str = ""
    unit: str = ""
    least: int = 0
    most: int = 0
    share: int = 0
    trimming: str = ""


class Shipper:
    """Sends lines for as long as it is not stopped.

    Args:
        config: What it reads, and where it sends that.
        sender: What confirms messages.
        state: Where it notes what was confirmed.
        stopped: Set when it is to end.
        room: The room of the collector on this host; None where there is none.

    """

    def __init__(
        self,
        config: ShipConfig,
        sender: Sender,
        state: Path,
        stopped: threading.Event,
        room: CollectorRoom | None = None,
    ) -> None:
        self._sender, self._state, self._stopped = sender, state, stopped
        self._noted: dict[str, Any] = read_json(state, {"containers": {}, "cursor": ""})
        self._troubles = Troubles(say)
        self._containers = Containers(
            Path(config.containers), config.host, dict(self._noted["containers"]), self._troubles
        )
        self._journal = HostJournal(config.host, self._noted["cursor"], self._troubles)
        is_full = None if room is None else lambda: room.is_full
        self._shipping = Shipping(state.with_name(NOTES.name), self._troubles, is_full)
        self._is_silent = False

    def run(self) -> None:
        """Send until it is stopped."""
        try:
            while not self._stopped.is_set():
                if not self.round():
                    self._stopped.wait(PAUSE)
        finally:
            self.close()

    def close(self) -> None:
        """Close all that is read."""
        self._journal.close()
        for log in self._containers.logs.values():
            log.close()

    def round(self) -> bool:
        """Read each log once, and return whether there was anything new; note it when it has arrived."""
        taken = time.time()
        self._containers.look()
        found = False
        for lines in self._containers.read():
            found = True
            if not self._sent(lines, "service"):
                return False
            taken = min(taken, _moment(lines[-1]))
        if lines := self._journal.read(_LARGEST_BATCH):
            found = True
            if not self._sent(lines, "host"):
                return False
            taken = min(taken, _moment(lines[-1]))
        self._shipping.taken = taken
        self._shipping.note()
        places = self._containers.places()
        self._containers.forget_removed()
        state = {
            "containers": {name: list(place) for name, place in places.items()},
            "cursor": self._journal.cursor,
        }
        if state != self._noted:
            self._note(state)
        return found

    def _note(self, state: dict[str, Any]) -> None:
        """Note what was confirmed; where that can't be, as on a full disk, it is tried again at the next look."""
        try:
            write_json(self._state, state)
        except OSError as error:
            self._troubles.begin(
                STATE_TROUBLE,
                f"{self._state} can't be written ({reason_of(error)}): lines go on, and come twice after a restart",
            )
            return
        self._troubles.end(STATE_TROUBLE)
        self._noted = state

    def _sent(self, lines: list[CentralLine], kind: str) -> bool:
        """Send lines, again and again; False if it was stopped before they arrived."""
        for batch in _batches(lines):
            messages = [message(line, kind) for line in batch]
            while not self._arrived(messages):
                if not self._waits_on() or self._stopped.wait(PAUSE):
                    return False
        return True

    def _waits_on(self) -> bool:
        """Open logs of containers that began meanwhile, lest they be removed unread; return False if it was stopped."""
        self._containers.look()
        self._shipping.note()
        return not self._stopped.is_set()

    def _arrived(self, messages: list[bytes]) -> bool:
        """Send messages, and say where that begins to fail and where it ends."""
        try:
            self._sender.send(messages, self._waits_on)
        except AgentError as error:
            if not self._is_silent and not self._stopped.is_set():
                say(f"the collector takes no lines ({error}); they wait on this host")
            self._is_silent = True
            return False
        if self._is_silent:
            say("the collector takes lines again")
        self._is_silent = False
        return True


def message(line: CentralLine, kind: str) -> bytes:
    """Return the message (RFC 5424) that has a line, for the file of its service or host."""
    name = line.source.partition(".")[0] if kind == "service" else line.host
    return f"<14>1 - {line.host} {word(name)} - {kind} - {line}".encode(errors="replace")


def _moment(line: CentralLine) -> float:
    """Return when a line was said, in seconds since 1970; now if its time can't be read."""
    try:
        return datetime.fromisoformat(line.time).timestamp()
    except ValueError:
        return time.time()


def _batches(lines: Iterable[CentralLine]) -> Iterator[list[CentralLine]]:
    """Yield lines in lists that are not too long."""
    rest = list(lines)
    while rest:
        yield rest[:_LARGEST_BATCH]
        rest = rest[_LARGEST_BATCH:]


def say(text: str) -> None:
    """Write a sentence to the journal."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str]) -> int:
    """Send lines until the process is told to end; return 1 if it can't begin."""
    if arguments:
        sys.stderr.write("usage: agent logs ship\n")
        return 2
    os.umask(0o077)
    try:
        ship()
    except (AgentError, OSError) as error:
        say(reason_of(error))
        return 1
    return 0


def ship() -> None:
    """Send lines until the process is told to end.

    Raises:
        AgentError: The configuration can't be read.

    """
    try:
        config = ShipConfig(**read_json(CONFIG))
    except TypeError as error:
        raise AgentError(f"{CONFIG} is not there, or not whole; run doit setup_hosts") from error
    files = (Path(config.ca), Path(config.certificate), Path(config.key))
    sender = Relp(config.collector, config.port, *files)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    room = None
    if config.writes:
        mark = STATE.with_name("collector-is-stopped")
        room = CollectorRoom(config.unit, Path(config.writes), config.least, mark, say)
        kept = KeptSize([CENTRAL / kind for kind in KINDS], config.most, config.share, config.trimming)
        watch(config.writes, room.look, say, stopped)
        watch("the size of what is kept", kept.look, say, stopped)
    Shipper(config, sender, STATE, stopped, room).run()
