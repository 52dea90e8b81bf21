"""`doit [run]`: doit's own, holding the stage's lock, with the live look begun at once and a closing word."""

import signal
import sys
from functools import wraps
from types import FrameType
from typing import Any

from doit.cmd_run import Run as DoitRun
from doit.exceptions import InvalidCommand

from commands.shell_image import PREFIX, shell
from commands.site import site_run
from model.errors import SkepError
from tasks.run import Run as SiteRun

INTERRUPTED = 130


class Run(DoitRun):
    """Run what is stale."""

    doc_purpose = "run what is stale: all phases, or those named and what they need"

    def execute(self, params: Any, args: Any) -> int:
        """Run tasks; what looks like one and is a command is handed to that."""
        if len(args) == 1 and str(args[0]).startswith(PREFIX):
            self.loader.setup(params)
            return shell(site_run(self.loader), args[0].removeprefix(PREFIX))
        return int(super().execute(params, args))

    @wraps(DoitRun._execute)  # noqa: SLF001 - doit passes its options by the names of this method's parameters
    def _execute(self, **kwargs: Any) -> int:
        """Hold the stage while doit runs its tasks."""
        run = site_run(self.loader)
        try:
            run.state.lock(" ".join(["doit", *sys.argv[1:]]))
        except SkepError as error:
            raise InvalidCommand(str(error)) from error
        signal.signal(signal.SIGTERM, _interrupt)
        run.live = True
        try:
            # Looking takes as long as the slowest host; doit's own start goes on meanwhile.
            _ = run.probe
            return _ended(run, int(super()._execute(**kwargs)))
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: what was finished is kept; doit goes on from there\n")
            return INTERRUPTED
        finally:
            run.probe.close()
            run.close()
            run.state.unlock()


def _say(line: str) -> None:
    """Tell the person."""
    sys.stdout.write(f"{line}\n")


def _ended(run: SiteRun, status: int) -> int:
    """Remove old images after a run that ended well and made one; return the run's status.

    What can't be done now is done after the next run that makes one.
    """
    if status != 0 or not run.pushed:
        return status
    from tasks.retention import prune  # it needs the docker SDK, which a run that has nothing to do does not

    try:
        prune(run, _say)
    except SkepError as error:
        sys.stderr.write(f"old images stay for now: {error}\n")
    return status


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt
