"""Commands of skep as a person types them: with input, both outputs apart, or a terminal of their own."""

import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from struct import pack
from typing import Self

from tests import processes, rig
from tests.integration.doit_run import DOIT
from tests.integration.site import Site

TIMEOUT = rig.PATIENCE


def typed(
    site: Site, *words: str, given: bytes = b"", timeout: float = TIMEOUT
) -> "subprocess.CompletedProcess[bytes]":
    """Run doit with an input, and return its status and both outputs; it shows no traceback."""
    done = subprocess.run(
        [str(DOIT), *words],
        cwd=site.directory,
        env=site.environment,
        input=given,
        capture_output=True,
        check=False,
        timeout=timeout,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def words(done: "subprocess.CompletedProcess[bytes]") -> tuple[int, str]:
    """Return how a command ended, and what it printed."""
    return done.returncode, done.stdout.decode()


@contextmanager
def held(site: Site, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Start doit, with its output in pipes; it gets Ctrl-C at the end if it still runs then."""
    with processes.started(
        # Where the tests themselves run in the background, they have it ignored.
        ["env", "--default-signal=INT", str(DOIT), *words],
        cwd=site.directory,
        env=site.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(TIMEOUT)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise


class Screen:
    """A terminal in which doit runs; as a context manager nothing of it stays.

    Args:
        site: The site.
        words: doit's arguments.

    """

    def __init__(self, site: Site, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self._size(theirs, 90, 20)
        environment = {
            name: value for name, value in site.environment.items() if name not in {"COLUMNS", "LINES", "CI"}
        }
        self.process = subprocess.Popen(
            ["setsid", "--ctty", str(DOIT), *words],  # so that keys and sizes are signals for it
            cwd=site.directory,
            env={**environment, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self.text = ""

    def __enter__(self) -> Self:
        """Give it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it, as a person closes a window."""
        os.close(self._ours)
        if self.process.poll() is None:
            try:
                self.process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise

    def types(self, text: str) -> None:
        """Type a text."""
        os.write(self._ours, text.encode())

    def resizes(self, columns: int, lines: int) -> None:
        """Be of another size."""
        self._size(self._ours, columns, lines)

    def shows(self, text: str, timeout: float = TIMEOUT) -> str:
        """Wait until a text is shown behind what was waited for before; return what came until then."""
        deadline = time.monotonic() + timeout
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} is not shown, but:\n{self.text}"
            if select.select([self._ours], [], [], 0.2)[0]:
                try:
                    data = os.read(self._ours, 1 << 16)
                except OSError:
                    data = b""
                assert data, f"ended before {text!r}:\n{self.text}"
                self.text += data.decode(errors="replace")
        before, _, self.text = self.text.partition(text)
        return before

    def ends(self) -> int:
        """Wait for the end of doit, and return its status."""
        deadline = time.monotonic() + TIMEOUT
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"no end:\n{self.text}"
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self._ours, 1 << 16).decode(errors="replace")
                except OSError:
                    break
        return self.process.wait(TIMEOUT)

    @staticmethod
    def _size(descriptor: int, columns: int, lines: int) -> None:
        """Give a terminal a size."""
        ioctl(descriptor, termios.TIOCSWINSZ, pack("HHHH", lines, columns, 0, 0))
