"""`doit cp web:/path .` and `doit cp file web:/path`: copy files out of a service's container, or into it."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.operate.attach import BROKEN, say_silent
from commands.operate.status_lines import size_words
from commands.shared.current_run import site_run
from model.errors import ServiceError, SkepError, StateError
from remote.engine.container_archive import ContainerFiles
from remote.mother.tar_stream import packed, unpack
from tasks.operate.containers import ALL, ENOUGH, chosen, find_containers, known_service
from tasks.run.context import Run

TICK = 0.2
"""Seconds between two lines of progress."""
_CHUNK = 1 << 18


class CpCommand(DoitCmdBase):
    """Copy files out of a container or into it."""

    name = "cp"
    doc_purpose = "copy a file or a directory out of a running container of a service, or into it"
    doc_usage = "SERVICE:PATH PATH | PATH SERVICE:PATH [task=NUMBER|HOST|all]"
    doc_description = """\
Modes, times, symbolic and hard links are kept, and owners by their numbers (out of a container only as root). Where \
the target is a directory that exists, the copy goes into it. Into the containers of all tasks with task=all.

Not into or out of tmpfs mounts, /proc, /sys and /dev: those the engine does not see; use `doit exec`. It takes the \
setuid and setgid bits off files with hard links that come into a container."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Copy. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        if len(args) != 2 or (_is_there(run, args[0]) == _is_there(run, args[1])):  # noqa: PLR2004 - from and to
            raise InvalidCommand(
                f"type: {self.bin_name} cp SERVICE:PATH PATH, or {self.bin_name} cp PATH SERVICE:PATH; "
                f"services: {', '.join(run.stage.services) or 'none'}"
            )
        out = _is_there(run, args[0])
        name, _, inner = (args[0] if out else args[1]).partition(":")
        task = get_var("task")
        try:
            if not inner.startswith("/"):
                raise ServiceError(f"{name}:{inner}: write the whole path, beginning with /")
            service = known_service(run.stage, name)
            if out and task == ALL:
                raise ServiceError("task=all: files come out of one container; name its task")
            found = find_containers(run, service, enough=None if task else ENOUGH)
            for container in chosen(found, service, task):
                sys.stderr.write(f"{container.words}\n")
                connection = run.connections.to(container.host)
                connection.open()
                files = ContainerFiles(container.words, connection.docker_socket, container.id)
                with _Progress() as progress:
                    if out:
                        _fetch(files, inner, run.directory / args[1], progress)
                    else:
                        _bring(files, run.directory / args[0], inner, progress)
            if task == ALL and say_silent(run, found):
                return BROKEN
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return BROKEN
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: the copy is not whole\n")
            return 130
        return 0


def _is_there(run: Run, word: str) -> bool:
    """Return whether a word names a path in a container: what begins with `.` or `/` is one of this machine."""
    name, colon, _ = word.partition(":")
    return (
        bool(colon)
        and (name in run.stage.services or not (run.directory / word).exists())
        and "/" not in name
    )


def _fetch(files: ContainerFiles, path: str, target: Path, progress: "_Progress") -> None:
    """Copy out of a container.

    Raises:
        SkepError: There is no such path, or the copy can't be written.

    """
    if files.stat(path) is None:
        raise ServiceError(f"{path}: not there in the container")
    into = target.is_dir()
    directory, name = (target, PurePosixPath(path).name or "root") if into else (target.parent, target.name)
    if not directory.is_dir():
        raise StateError(f"{directory}: there is no such directory")
    files.get(path, lambda stream: unpack(progress.reading(stream), directory, name))


def _bring(files: ContainerFiles, source: Path, path: str, progress: "_Progress") -> None:
    """Copy into a container.

    Raises:
        SkepError: The source is not there, or the container can't have it.

    """
    if not source.exists() and not source.is_symlink():
        raise StateError(f"{source}: there is no such file")
    there = files.stat(path)
    if there is not None and there.link_target:
        path = str(PurePosixPath(path).parent / there.link_target)
        there = files.stat(path)
    if there is not None and there.is_directory:
        directory, name = path, source.resolve().name if source.name in ("", "..") else source.name
    else:
        if there is not None and source.is_dir() and not source.is_symlink():
            raise ServiceError(f"{path}: is a file in the container, and {source} a directory")
        if path.endswith("/"):
            raise ServiceError(f"{path}: there is no such directory in the container")
        directory, name = str(PurePosixPath(path).parent), PurePosixPath(path).name
    files.put(directory, progress.counting(packed(source, name)))


class _Progress:
    """Shows how many bytes have gone, on a terminal."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._bytes, self._began, self._shown = 0, time.monotonic(), 0.0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last line."""
        if self._live and self._shown:
            self._show()
            sys.stderr.write("\n")

    def counting(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield pieces, and count them."""
        for piece in pieces:
            self._count(len(piece))
            yield piece

    def reading(self, stream: BinaryIO) -> Any:
        """Return a stream that is counted as it is read."""
        progress = self

        class Counted:
            """The stream."""

            def read(self, size: int = _CHUNK) -> bytes:
                """Read a piece."""
                data = stream.read(size)
                progress._count(len(data))
                return data

        return Counted()

    def _count(self, number: int) -> None:
        """Count bytes, and show them from time to time."""
        self._bytes += number
        now = time.monotonic()
        if self._live and now - max(self._shown, self._began) >= TICK:
            self._shown = now
            self._show()

    def _show(self) -> None:
        """Show the bytes and the rate."""
        passed = max(0.001, time.monotonic() - self._began)
        sys.stderr.write(f"\r{size_words(self._bytes)}, {size_words(self._bytes / passed)}/s \x1b[K")
        sys.stderr.flush()
