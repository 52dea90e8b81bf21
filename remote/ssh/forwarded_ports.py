"""Ports at this machine that lead to a host, or on from it, over a connection of their own."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from model.errors import HostError
from remote.mother.process import Running
from remote.ssh import commands

_PIECE = 1 << 16
_ENDS = 5.0
"""Seconds in which what ssh said last has been read, once it has ended."""


class ForwardedPorts:
    """Ports that are forwarded from now on until `close`, or until the connection breaks.

    Args:
        config: The stage's ssh_config.
        host: The host's name there.
        ports: As ssh's `-L` wants them.
        heard: Takes each line that ssh writes while the ports are open: of a connection that could not be made at the
            other end it says nothing else anywhere. Called in a thread of its own.

    Raises:
        HostError: The host does not answer, or a port here is taken.

    """

    def __init__(self, config: Path, host: str, ports: Sequence[str], heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._before: list[str] = []
        self._is_open, self._is_closed = threading.Event(), threading.Event()
        self._ssh = Running(
            commands.ssh_forward(config, host, ports), stdin=True, stdout=True, stderr=True, new_session=True
        )
        self._listener = threading.Thread(target=self._listen, name=f"ssh to {host}", daemon=True)
        self._listener.start()
        # The command at the other end, which repeats what it reads, begins when the ports here are open.
        with contextlib.suppress(OSError):
            self._ssh.write(b"\n")
        if not self._ssh.read():
            self._listener.join(_ENDS)
            self.close()
            said = "\n".join(self._before).strip()
            raise HostError(f"{host}: ssh: {said or 'the connection could not be opened'}")
        self._is_open.set()

    @property
    def is_open(self) -> bool:
        """Whether the connection is there."""
        return self._ssh.is_running

    def close(self) -> None:
        """Close the ports; what ssh says of that is no news."""
        if self._is_open.is_set():
            self._is_closed.set()
        self._ssh.stop()
        self._listener.join(_ENDS)

    def _listen(self) -> None:
        """Take what ssh says, always: with a full pipe it would stand still."""
        for line in self._lines():
            if not self._is_open.is_set():
                self._before.append(line)
            elif line and not self._is_closed.is_set():
                self._heard(line)

    def _lines(self) -> Iterator[str]:
        """Yield the lines that ssh writes, as they come."""
        rest = b""
        while piece := self._piece():
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode(errors="replace").strip() for line in lines)
        if rest:
            yield rest.decode(errors="replace").strip()

    def _piece(self) -> bytes:
        """Return the next piece of what ssh writes; empty at the end."""
        # Not through the buffer: a thread that waits for it could not be left behind when this process ends.
        with contextlib.suppress(OSError, ValueError):
            if self._ssh.stderr is not None:
                return os.read(self._ssh.stderr.fileno(), _PIECE)
        return b""
