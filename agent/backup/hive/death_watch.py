"""Something that has to be done though this process is killed: a process of its own waits for that."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def in_case_of_death(do: Callable[[], object]) -> Iterator[None]:
    """Have something done if this process ends within, however it does: `kill -9` of it and of its group included.

    A kill of the whole control group, as systemd's, ends who waits as well: its units have `ExecStopPost`.

    Args:
        do: What is done then, in a process that has inherited no file and no terminal.

    """
    mine, its = socket.socketpair()
    child = os.fork()
    if child == 0:
        _wait(its, do)
    its.close()
    with mine:
        # Until then it would be killed with this process's group.
        mine.recv(1)
        try:
            yield
        finally:
            with suppress(BrokenPipeError):  # somebody killed who waits, and not this process
                mine.sendall(b".")
            os.waitpid(child, 0)


def _wait(parent: socket.socket, do: Callable[[], object]) -> None:
    """Wait, in the child, for the parent's word that all is well; without it the parent is dead."""
    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)
        # Above all the parent's end; and the lock, which must be free when the parent is dead.
        for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers
            if number > 2 and number != parent.fileno():  # noqa: PLR2004
                _close(number)
        parent.sendall(b".")
        if not parent.recv(1):
            do()
        status = 0
    finally:
        os._exit(status)


def _close(number: int) -> None:
    """Close a file; that of the listing itself is closed already."""
    try:
        os.close(number)
    except OSError:
        return
