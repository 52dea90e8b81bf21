"""The suites that need a Docker engine, beside each other: `./setup python -m tests.beside`.

They wait more than they compute: for hosts to boot, services to be stable, containers to end. Each lane runs its suites
one after another; no two lanes share a site. What pytest is to do beside that may be said: `-k prepared`.
"""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from tests import rig


@dataclass(frozen=True)
class Suite:
    """Tests that one pytest runs.

    Args:
        files: Where they are, seen from the checkout; as `Path.glob` has it.
        timeout: Seconds for a test that does not say so itself: its first one may have a host image to make.

    """

    files: str
    timeout: int

    def paths(self, root: Path) -> list[str]:
        """Return their files, in order."""
        return sorted(str(path) for path in root.glob(self.files))


LANES: Mapping[str, Sequence[Suite]] = {
    # They share one site, and run in the order of their files.
    "site": [Suite("tests/integration/test_[1-6]_*.py", 1200)],
    "rest": [Suite("tests/contract/test_*.py", 600), Suite("tests/integration/test_[7-9]_*.py", 1200)],
}
NOTHING_FOUND = 5
"""pytest's exit status where none of its tests were asked for."""
_REPORT = re.compile(r"=+ (FAILURES|ERRORS) =+")
_BAD = re.compile(r"(FAILED|ERROR) ")


@dataclass
class Lane:
    """One lane at work.

    Args:
        name: Before each of its lines.
        suites: What it runs.
        print: Lets one lane print at a time.

    """

    name: str
    suites: Sequence[Suite]
    print: threading.Lock
    statuses: list[int] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    seconds: float = 0.0
    _process: "subprocess.Popen[str] | None" = None
    _ended: bool = False

    def run(self, root: Path, arguments: Sequence[str]) -> None:
        """Run its suites, the later ones also after one that failed."""
        began = time.monotonic()
        for suite in self.suites:
            if not self._ended:
                self.statuses.append(self._run(root, suite, arguments))
        self.seconds = time.monotonic() - began

    def _run(self, root: Path, suite: Suite, arguments: Sequence[str]) -> int:
        """Run one suite and print what it says; its report of failures in one piece, not among others' lines."""
        command = [sys.executable, "-u", "-m", "pytest", "-v", f"--timeout={suite.timeout}"]
        with subprocess.Popen(
            [*command, *suite.paths(root), *arguments],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C would reach it twice otherwise, and the second one ends its cleaning up.
            start_new_session=True,
        ) as process:
            self._process = process
            kept: list[str] = []
            for line in process.stdout or ():
                text = line.rstrip()
                if _BAD.match(text):
                    self.bad.append(text)
                if kept or _REPORT.fullmatch(text):
                    kept.append(text)
                else:
                    self.say([text])
        self.say(kept)
        return process.returncode

    def say(self, lines: Iterable[str]) -> None:
        """Print lines as this lane's."""
        with self.print:
            sys.stdout.writelines(f"{self.name}: {line}\n" for line in lines)
            sys.stdout.flush()

    def interrupt(self) -> None:
        """Have it end, cleaning up."""
        self._ended = True
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)


def run(lanes: Mapping[str, Sequence[Suite]], root: Path, arguments: Sequence[str]) -> int:
    """Run lanes beside each other; return the exit status: 0 if all tests that were asked for went well."""
    printing = threading.Lock()
    working = [Lane(name, suites, printing) for name, suites in lanes.items()]
    with ThreadPoolExecutor(len(working)) as pool:
        # Not `Thread.join`, which a signal makes believe that the thread has ended.
        running = [pool.submit(lane.run, root, arguments) for lane in working]
        try:
            wait(running)
        except KeyboardInterrupt:
            for lane in working:
                lane.interrupt()
            wait(running)
            return 130
    for each in running:
        each.result()
    for lane in working:
        lane.say(lane.bad)
        statuses = " ".join(map(str, lane.statuses))
        lane.say([f"ended after {lane.seconds:.0f} s, exit status {statuses}"])
    statuses_of_all = {status for lane in working for status in lane.statuses}
    return int(statuses_of_all not in ({0}, {0, NOTHING_FOUND}))


def main() -> int:
    """Run all lanes of this checkout."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run(LANES, rig.ROOT, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
