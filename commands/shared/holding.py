"""Hold a stage while a command changes it."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from doit.exceptions import InvalidCommand

from model.errors import SkepError
from tasks.run.context import Run
from tasks.run.run_history import DONE, FAILED, LOST
from tasks.run.run_history import INTERRUPTED as WAS_INTERRUPTED

INTERRUPTED = 130
"""The exit status after Ctrl-C."""
STOPPED = 1
"""The exit status where the stage's lock was lost."""


@contextmanager
def holding(run: Run, *, is_run: bool = False) -> Iterator[None]:
    """Hold the stage's locks within; afterwards close the run's connections and release the locks.

    Two locks: that of the state directory, and that which other machines see.

    Args:
        run: The run.
        is_run: Whether it is `doit run`, which observes the stage while the second lock is taken, waits for it by
            itself (`run.stage_lock.wait`), and mostly changes nothing.

    Raises:
        InvalidCommand: Another process holds the stage, or its state directory can't be written.

    """
    command = " ".join(["doit", *sys.argv[1:]])
    try:
        run.state.lock(command)
    except SkepError as error:
        raise InvalidCommand(str(error)) from error
    lock, interrupted, outcome = run.stage_lock, False, FAILED
    lock.say = run.progress.later.append if is_run else _say
    try:
        lock.begin(command)
        run.history.open(command)
        if not is_run:
            wait_for_lock(run)
            run.history.begin(is_certain=True)
        yield
        outcome = FAILED if run.progress.failed else DONE
    except KeyboardInterrupt:
        interrupted, outcome = True, LOST if lock.problem else WAS_INTERRUPTED
        raise
    finally:
        lock.interrupts = False
        if not run.history.end(outcome):
            sys.stderr.write(_NOT_WRITTEN.format(run.stage.repository.short))
        run.connections.close()
        # Threads may be at work until an interrupted process has ended, which releases the locks as well.
        if not interrupted:
            lock.release(grace=2.0 if run.history.has_changes else 0.0)
            run.state.unlock()


_NOT_WRITTEN = "{} did not write down how this run ended: doit history will say that it never did\n"


def say_if_unasked(run: Run) -> None:
    """Say that no host was asked whether another machine's run is at work, as this checkout knows none."""
    if not run.stage_lock.known:
        _say(f"state/ knows no host: nobody was asked whether another run holds stage {run.stage.name}")


def _say(line: str) -> None:
    """Say a line beside the command's own output."""
    sys.stderr.write(f"{line}\n")


def wait_for_lock(run: Run) -> None:
    """Wait until the lock that other machines see is held. From then on this thread is interrupted when it is lost.

    Raises:
        InvalidCommand: Another machine's run holds the stage.

    """
    try:
        run.stage_lock.wait()
    except SkepError as error:
        raise InvalidCommand(str(error)) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
        run.stage_lock.interrupts = True


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt


def interrupted(run: Run, advice: str) -> int:
    """Say how a command was interrupted, by a person or as it lost the stage's lock; return its exit status.

    Args:
        run: The run.
        advice: What to do after Ctrl-C.

    """
    if run.stage_lock.problem:
        sys.stderr.write(f"\nstopped: {run.stage_lock.problem}\n")
        return STOPPED
    sys.stderr.write(f"\ninterrupted: {advice}\n")
    return INTERRUPTED
