"""The output of a command on one host as the input of a command on another, through this machine, and counted here."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO

from model.errors import CommandError, HostError
from remote.mother.process import Running

LAST_WRITES = 6 * 3600.0
"""Seconds that the command which receives gets to end when it has all of its input: a slow disk has to take what the
host's memory holds. One whose host falls silent is ended by ssh."""
GRACE = 600.0
"""Seconds that the other one gets then."""
_LAST = 15
"""Lines of an error output that a message repeats."""


def transfer(
    sends: Sequence[str],
    takes: Sequence[str],
    count: Callable[[int], None],
    where: tuple[str, str],
    label: str,
) -> None:
    """Run two commands, the second reading the output of the first, until both have ended.

    It may take hours. A host that falls silent ends it: ssh looks after its connections by itself.

    Args:
        sends: The command line that sends.
        takes: The one that receives.
        count: Takes the number of bytes of each piece.
        where: The names of the two hosts.
        label: What to call it in messages.

    Raises:
        CommandError: One of them failed.
        HostError: There is no ssh on this machine.

    """
    try:
        with (
            Running(sends, stdout=True, stderr=True, new_session=True) as sender,
            Running(takes, stdin=True, stderr=True, new_session=True) as receiver,
        ):
            errors = [_Tail(sender.stderr), _Tail(receiver.stderr)]
            is_open = True
            while is_open and (piece := sender.read()):
                try:
                    receiver.write(piece)
                except OSError:
                    is_open = False
                else:
                    count(len(piece))
            receiver.close_input()
            # A sender whose output nobody reads any more would wait for ever.
            status = receiver.wait(LAST_WRITES)
            if not is_open:
                sender.kill()
            ended = sender.wait(GRACE)
            said = [error.lines() for error in errors]
    except FileNotFoundError as error:
        raise HostError(f"{sends[0]}: not found: install OpenSSH's client") from error
    ends = [(where[1], status, said[1], LAST_WRITES), (where[0], ended, said[0], GRACE)]
    # Of both that failed the first to end is the cause: what it had sent until then was too little for the other one.
    for host, ending, lines, patience in reversed(ends) if is_open else ends:
        if ending != 0:
            late = "" if ending is not None else f"no end after {patience:.0f} s"
            raise CommandError(host, label, ending, "\n".join(lines), late)


class _Tail:
    """The last lines of an error output, read beside, so that nobody waits for a full pipe."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._lines: deque[str] = deque(maxlen=_LAST)
        self._thread = threading.Thread(target=self._read, args=[stream], daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes] | None) -> None:
        """Read to its end."""
        try:
            for line in stream or ():
                self._lines.append(line.decode(errors="replace").rstrip())
        except (OSError, ValueError):  # it was closed, as after Ctrl-C
            return

    def lines(self) -> list[str]:
        """Return them, a moment after the end."""
        self._thread.join(1)
        return list(self._lines)
