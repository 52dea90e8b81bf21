"""Runs of doit as a person starts them, in processes of their own: started, watched, killed, and read at their end."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import rig

DOIT = Path(os.environ.get("SKEP_DOIT") or Path(sys.executable).with_name("doit"))
"""The doit of this checkout."""
RUN_TIMEOUT = 600.0

_FINISHED = re.compile(r"^([a-z_]+:\S+) +(?:\S+ +)?[\d.]+ s(?:  (.*))?$", re.MULTILINE)
_NOTHING = re.compile(
    r"^all \d+ resources are up to date(?:, \d+ of them pinned [a-z ]+)? \([\d.]+ s\)$", re.MULTILINE
)
_SITE_SAVED = ".backup_site"
"""How the task ends that brings the site's own files to the repository host."""
_COUNT = re.compile(r"^\d+ resources?: \d+ up to date, (\d+) done\b", re.MULTILINE)

# Starts doit and writes down how much memory it took. A process's peak counts from before its exec on, so that what
# pytest itself uses would be in it: hence this small one in between.
_MEASURE = """
import os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "a") as file: file.write(f"{used.ru_maxrss}\\n")
sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""


@dataclass(frozen=True)
class Ended:
    """A doit run that has ended.

    Args:
        status: Its exit status.
        text: What it printed.

    """

    status: int
    text: str

    @property
    def reasons(self) -> dict[str, str]:
        """The tasks that were done, each with its reason."""
        return dict(_FINISHED.findall(self.text))

    @property
    def all_ran(self) -> list[str]:
        """The tasks that were done, sorted."""
        return sorted(name for name, _ in _FINISHED.findall(self.text))

    @property
    def ran(self) -> list[str]:
        """The same, but for what each change of a file in the site's directory leads to: backups have that, too."""
        return [name for name in self.all_ran if not name.endswith(_SITE_SAVED)]

    @property
    def did_nothing(self) -> bool:
        """Whether all was up to date."""
        return self.status == 0 and not self.all_ran and bool(_NOTHING.search(self.text))

    def well(self) -> "Ended":
        """Return it, having made sure that it ended well and that its last line counts its tasks."""
        assert self.status == 0, self.text
        counted = _COUNT.search(self.text)
        assert len(self.all_ran) == (int(counted[1]) if counted else 0), self.text
        return self

    def failed(self) -> str:
        """Return its output, having made sure that it failed and shows no traceback."""
        assert self.status not in {0, None}, self.text
        assert "Traceback" not in self.text, self.text
        return self.text


class Running:
    """A doit run at work, in a process group of its own.

    Args:
        words: doit's arguments.
        directory: The site's.
        environment: Of the process.
        output: A file for what it prints.
        peaks: A file that gets a line with its peak memory in KiB when it ends.

    """

    def __init__(
        self,
        words: tuple[str, ...],
        directory: Path,
        environment: Mapping[str, str],
        output: Path,
        peaks: Path,
    ) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-S", "-c", _MEASURE, str(peaks), str(DOIT), *words],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """Its output so far."""
        return self._output.read_text(errors="replace")

    def wait(self, timeout: float = RUN_TIMEOUT) -> Ended:
        """Wait for its end; AssertionError, with its output, if that does not come."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            msg = f"no end after {timeout:.0f} s:\n{self.text}"
            raise AssertionError(msg) from None
        return Ended(status, self.text)

    def kill(self) -> bool:
        """Kill it with all that it started, as a power cut would; return whether it was still at work."""
        alive = self.process.poll() is None
        if alive:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return alive

    def wait_for(self, condition: Callable[[], bool], what: str, timeout: float = RUN_TIMEOUT) -> None:
        """Wait until a condition holds while it runs; AssertionError if it ends before."""

        def holds() -> bool:
            if condition():
                return True
            assert self.process.poll() is None, f"ended before {what}:\n{self.text}"
            return False

        rig.wait_until(holds, what, timeout)
