"""Processes on the mother: run to their end within a time, or kept beside this one until they are stopped."""

import contextlib
import errno
import os
import select
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, Literal, Self, cast

from model.errors import SkepError
from model.log import Log

TAIL = 15
"""Lines of a failed command's output that its message repeats."""
_CHUNK = 65536  # bytes read at once
_GONE = 5.0  # seconds that a process that was killed takes at most

Stderr = Literal["apart", "merged", "discarded"]
"""What becomes of the error output: kept apart, written into the standard output as it comes, or thrown away."""


@dataclass(frozen=True)
class Completed:
    """A process that has ended. Neither output is in its `repr`: it may hold secrets.

    Args:
        words: Its command line.
        status: Its exit status, negative for a signal; None if it was killed because its time was over.
        stdout: Its standard output.
        stderr: Its error output, if that was kept apart.
        lines: The lines of both, in the order in which they came.
        timeout: Seconds that it was given.

    """

    words: tuple[str, ...]
    status: int | None
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)
    lines: tuple[str, ...] = field(default=(), repr=False)
    timeout: float = 0

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with 0."""
        return self.status == 0

    @property
    def output(self) -> str:
        """Its standard output as text."""
        return self.stdout.decode(errors="replace")

    @property
    def errors(self) -> str:
        """Its error output as text, without white space around it."""
        return self.stderr.decode(errors="replace").strip()

    @property
    def ending(self) -> str:
        """How it ended: `exit status 1`, `signal 9`, `no end after 60 s`."""
        if self.status is None:
            return f"no end after {self.timeout:g} s"
        return f"exit status {self.status}" if self.status >= 0 else f"signal {-self.status}"

    def checked(self, kind: type[SkepError], advice: str = "") -> "Completed":
        """Return this if it ended well.

        Args:
            kind: The error to raise.
            advice: What to do about it.

        Raises:
            SkepError: It did not; the message has the command, how it ended, the advice, and the last lines.

        """
        if self.ok:
            return self
        last = [line for line in self.lines if line.strip()][-TAIL:]
        message = ": ".join(part for part in (" ".join(self.words), self.ending, advice) if part)
        raise kind(message + "".join(f"\n    {line}" for line in last))


def run(  # noqa: PLR0913 - as those of `subprocess.run`, each with a default
    words: Sequence[str | Path],
    *,
    timeout: float,
    stdin: bytes | Iterable[bytes] = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stderr: Stderr = "apart",
    log: Log | None = None,
    new_session: bool = False,
    pass_fds: Sequence[int] = (),
    most: int = 0,
) -> Completed:
    """Run a process to its end, or kill it when its time is over.

    Args:
        words: The program, looked up in `PATH`, and its arguments. Nothing secret: others see them.
        timeout: Seconds.
        stdin: Its input, through a pipe: it is in no file. In pieces it is taken one by one, as they can be written.
        env: Its whole environment, by default this process's own as it is now.
        cwd: Where it runs, by default where this process does.
        stderr: What becomes of its error output.
        log: Takes each line of both outputs as it comes.
        new_session: Whether it has a session of its own: no terminal to ask on, out of Ctrl-C's reach, and killed with
            all that it started.
        pass_fds: Open files that it inherits.
        most: The bytes that an output may have. 0 is without limit.

    Raises:
        OSError: The program is not there, or can't be started.
        TooMuchOutputError: An output has more than `most` bytes. The process is killed.

    """
    deadline = time.monotonic() + timeout
    process = _popen(
        words,
        env,
        cwd,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr={"apart": subprocess.PIPE, "merged": subprocess.STDOUT, "discarded": subprocess.DEVNULL}[
            stderr
        ],
        new_session=new_session,
        pass_fds=tuple(pass_fds),
    )
    outputs = {stream: _Output(most) for stream in (process.stdout, process.stderr) if stream is not None}
    lines: list[str] = []
    try:
        for line in _talk(process.stdin, stdin, outputs, deadline):
            lines.append(line)
            if log is not None:
                log(line)
        status = _wait(process, deadline, new_session=new_session)
    finally:
        _end(process, new_session=new_session)
    stdout, errors = (outputs[s].data if s in outputs else b"" for s in (process.stdout, process.stderr))
    return Completed(tuple(map(str, words)), status, bytes(stdout), bytes(errors), tuple(lines), timeout)


class Running:
    """A process beside this one, until `stop`. As a context manager it is stopped at the end of the block.

    Args:
        words: The program, looked up in `PATH`, and its arguments. Nothing secret: others see them.
        stdin: Whether it has an input, which stays open as long as it is not stopped, or this process ends.
        stdout: Whether its standard output is read here, from `stdout`; else it is thrown away.
        stderr: Whether its error output is read here, from `stderr`; else it is thrown away.
        new_session: As of `run`.

    Raises:
        OSError: The program is not there, or can't be started.

    """

    def __init__(
        self,
        words: Sequence[str | Path],
        *,
        stdin: bool = False,
        stdout: bool = False,
        stderr: bool = False,
        new_session: bool = False,
    ) -> None:
        self._new_session = new_session
        self._closing = threading.Lock()
        pipes = {
            name: subprocess.PIPE if is_open else subprocess.DEVNULL
            for name, is_open in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr))
        }
        self._process = _popen(words, None, None, new_session=new_session, **pipes)
        self.stdout: IO[bytes] | None = self._process.stdout
        self.stderr: IO[bytes] | None = self._process.stderr

    def __enter__(self) -> Self:
        """Give the process."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def write(self, data: bytes) -> None:
        """Write to its input at once.

        Raises:
            OSError: It has ended, or closed its input.
            ValueError: The input was closed here.

        """
        stream = cast("IO[bytes]", self._process.stdin)
        stream.write(data)
        stream.flush()

    def read(self) -> bytes:
        """Return the next piece of its output; empty at the end.

        Not through the buffer: a thread that waits for it could not be left behind when this process ends.
        """
        with contextlib.suppress(OSError, ValueError):
            return os.read(cast("IO[bytes]", self._process.stdout).fileno(), _CHUNK)
        return b""

    def close_input(self) -> None:
        """End its input."""
        # Two threads that close one buffer at once get errors of Python's own.
        with self._closing, contextlib.suppress(OSError):
            cast("IO[bytes]", self._process.stdin).close()

    def kill(self) -> None:
        """Kill it, and where it has a session of its own all that it started."""
        _kill(self._process, new_session=self._new_session)

    def wait(self, timeout: float) -> int | None:
        """Return its exit status, negative for a signal; None if it has not ended after these seconds."""
        try:
            return int(self._process.wait(timeout))
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace: float = 0) -> None:
        """End its input, give it these seconds to end by itself, then kill it."""
        if self._process.stdin is not None:
            self.close_input()
        if grace:
            self.wait(grace)
        _end(self._process, new_session=self._new_session)


def run_in_front(
    words: Sequence[str | Path],
    *,
    held_open: bool = False,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run a program with this process's own terminal, input and output; return its exit status, negative for a signal.

    Args:
        words: The program and its arguments.
        held_open: Whether its input is a pipe that ends as this process does, in the place of this process's own.
        cwd: The directory that it runs in, if not ours.
        env: Its environment, if not ours.

    Raises:
        OSError: The program is not there, or can't be started.

    """
    process = _popen(words, env, cwd, stdin=subprocess.PIPE if held_open else None, stdout=None, stderr=None)
    try:
        return int(process.wait())
    finally:
        # Ctrl-C is for both: it has ended then, or ends now with its input.
        if process.stdin is not None:
            process.stdin.close()
        if process.poll() is None:
            _end(process, new_session=False)


@cache
def local_machine() -> Any:
    """Return plumbum's machine for local programs.

    Call it before threads start processes: a module that a thread imports stays in the thread's own memory arena, which
    costs 2 MiB.
    """
    from plumbum import local

    # plumbum copies the environment when it is imported, and hands the copy to every process. A secret that was taken
    # out of `os.environ` since would be in it: emptied, so that a process gets what `os.environ` holds when it starts.
    local.env.clear()
    return local


def _popen(
    words: Sequence[str | Path], env: Mapping[str, str] | None, cwd: Path | None, **more: Any
) -> "subprocess.Popen[bytes]":
    """Start a process with this environment and directory, whatever plumbum remembers of its own."""
    environment = dict(os.environ if env is None else env)
    program, *arguments = map(str, words)
    # As the process itself would find it: a relative path from where it runs, a name in its own PATH.
    path = (
        str((cwd or Path()) / program)
        if "/" in program
        else shutil.which(program, path=environment.get("PATH"))
    )
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    # The whole path: plumbum would look a bare name up in the PATH that it has kept.
    command = local_machine()[str(Path(path).absolute())][arguments]
    return cast("subprocess.Popen[bytes]", command.popen(cwd=str(cwd or "."), env=environment, **more))


class TooMuchOutputError(Exception):
    """A process writes more than it may."""


class _Output:
    """One output as far as it has come: all of it, and where its unfinished line begins.

    Args:
        most: The bytes that it may have. 0 is without limit.

    """

    def __init__(self, most: int) -> None:
        self.data = bytearray()
        self._begun, self._most = 0, most

    def lines(self, data: bytes) -> Iterator[str]:
        """Take data, and yield the lines that are whole by it; at the end (no data) the rest."""
        self.data += data
        if self._most and len(self.data) > self._most:
            raise TooMuchOutputError
        end = self.data.rfind(b"\n") + 1 if data else len(self.data)
        if end <= self._begun:
            return
        text = self.data[self._begun : end].decode(errors="replace").removesuffix("\n")
        self._begun = end
        for line in text.split("\n"):
            yield line.rstrip("\r")


def _talk(
    source: IO[bytes] | None,
    data: bytes | Iterable[bytes],
    outputs: Mapping[IO[bytes], _Output],
    deadline: float,
) -> Iterator[str]:
    """Feed a process its input, and yield its outputs' lines as they come, until all are closed or time is over."""
    given = _Input(data)
    with selectors.DefaultSelector() as selector:
        for output in outputs:
            selector.register(output, selectors.EVENT_READ)
        if source is not None:
            selector.register(source, selectors.EVENT_WRITE)
        while selector.get_map() and (rest := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(rest):
                stream: Any = key.fileobj
                if stream in outputs:
                    chunk = os.read(key.fd, _CHUNK)
                    yield from outputs[stream].lines(chunk)
                    is_done = not chunk
                else:
                    is_done = given.feed(key.fd)
                if is_done:
                    selector.unregister(stream)
                    with contextlib.suppress(OSError):
                        stream.close()


class _Input:
    """An input as far as it has been written."""

    def __init__(self, data: bytes | Iterable[bytes]) -> None:
        self._pieces = iter((data,) if isinstance(data, bytes) else data)
        self._left = memoryview(b"")

    def feed(self, descriptor: int) -> bool:
        """Write as much as a pipe that is ready takes without waiting; return whether no more is to be written."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return True
            self._left = memoryview(piece)
        try:
            self._left = self._left[os.write(descriptor, self._left[: select.PIPE_BUF]) :]
        except BrokenPipeError:
            return True
        return False


def _wait(process: "subprocess.Popen[bytes]", deadline: float, *, new_session: bool) -> int | None:
    """Return a process's exit status; None if it was killed because its time was over."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        rest = deadline - time.monotonic()
        if rest > 0:
            return process.wait(rest)
    # It may have ended long ago, and what it started holds its outputs: that is killed, and its own status counts.
    _kill(process, new_session=new_session)
    status = _reap(process)
    return None if status is None or status < 0 else status


def _kill(process: "subprocess.Popen[bytes]", *, new_session: bool) -> None:
    """Kill a process, and where it has a session of its own all that it started."""
    with contextlib.suppress(ProcessLookupError):
        if new_session:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _reap(process: "subprocess.Popen[bytes]") -> int | None:
    """Return the exit status of a process that was killed; None if it does not come.

    Not without a limit: Ctrl-C that comes within `Popen.poll` can leave Popen's own lock held, and whoever waits for
    that lock waits for ever.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(_GONE)
    return None


def _end(process: "subprocess.Popen[bytes]", *, new_session: bool) -> None:
    """Kill a process that has not ended, and close its pipes."""
    if process.poll() is None:
        _kill(process, new_session=new_session)
        _reap(process)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
