"""Hold a stage while a command changes it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from doit.exceptions import InvalidCommand

from model.errors import SkepError
from tasks.run.context import Run

INTERRUPTED = 130
"""The exit status after Ctrl-C."""


@contextmanager
def holding(run: Run) -> Iterator[None]:
    """Hold the stage's lock within; afterwards close the run's connections and release the lock.

    Raises:
        InvalidCommand: Another process holds the stage, or its state directory can't be written.

    """
    try:
        run.state.lock(" ".join(["doit", *sys.argv[1:]]))
    except SkepError as error:
        raise InvalidCommand(str(error)) from error
    interrupted = False
    try:
        yield
    except KeyboardInterrupt:
        interrupted = True
        raise
    finally:
        run.connections.close()
        # Threads may be at work until an interrupted process has ended, which releases the lock as well.
        if not interrupted:
            run.state.unlock()
