"""A service's data as it gives it out itself: a dump goes to a file, its exit status is looked at, and then it counts.

Never through a pipe into the repository: a dump that dies there leaves a snapshot that looks like any other.
"""

import hashlib
import os
import shutil
import signal
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

from agent.backup.config import Script
from agent.errors import AgentError, CommandFailedError, reason_of
from agent.host.durable_files import sync
from agent.host.engine_socket import EngineSocket
from agent.output import Output

_SHELL = ("/bin/sh", "-c")
_KILLED = {128 + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)}
"""A shell's exit statuses for programs that were ended from outside."""
_END = bytes(2 * tarfile.BLOCKSIZE)
"""What a tar archive ends with."""


def dump(engine: EngineSocket, container: str, script: Script, target: Path) -> dict[str, Any]:
    """Write a script's data to a file; return its size in bytes and its digest.

    Args:
        engine: The engine.
        container: The service's container.
        script: The script: a command's or a directory's.
        target: The file; what an earlier job left there is overwritten.

    Raises:
        AgentError: The command failed, wrote nothing, or there is no room for what it wrote; or what the engine gave of
            its files is not whole.

    """
    for command in script.batch_scripts:
        run_command(engine, container, command, script.timeout, "batch_scripts")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with target.open("w+b") as file:
            target.chmod(0o600)
            if script.directory:
                _archive(engine, container, script.directory, file)
            else:
                _write(engine, container, script, file, target.parent)
            file.flush()
            os.fsync(file.fileno())
        sync(target.parent)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise AgentError(f"its data can't be written to {target}: {reason_of(error)}") from error
    except AgentError:
        target.unlink(missing_ok=True)
        raise
    size = target.stat().st_size
    if size == 0:
        target.unlink()
        raise AgentError("backup_command ended well, but wrote nothing")
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": size, "sha256": digest}


def _write(engine: EngineSocket, container: str, script: Script, file: IO[bytes], directory: Path) -> None:
    """Have the command write its data, to standard output or to a file of the container's."""
    if not script.backup_file:
        status, errors = engine.run(container, [*_SHELL, script.backup_command], file, timeout=script.timeout)
        if status != 0:
            raise AgentError(f"backup_command ended with {status}{_said(errors)}")
        return
    run_command(engine, container, script.backup_command, script.timeout, "backup_command")
    with tempfile.TemporaryFile(dir=directory) as packed:
        _archive(engine, container, script.backup_file, packed)
        with tarfile.open(fileobj=packed) as archive:
            member = archive.next()
            content = archive.extractfile(member) if member is not None and member.isfile() else None
            if content is None:
                raise AgentError(f"{script.backup_file} is no file")
            shutil.copyfileobj(content, file)


def _archive(engine: EngineSocket, container: str, path: str, file: IO[bytes]) -> None:
    """Write a path of a container as a tar archive, which is whole; the file is at its beginning then.

    Where the engine can't read on, as of a file that shrinks meanwhile, it says so in its own log alone, leaves out all
    that is behind, the archive's end too, and ends its answer well.

    Raises:
        AgentError: There is no such path, or the archive is cut off.

    """
    engine.archive(container, path, file)
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while archive.next() is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # there may be millions
            file.seek(archive.offset)
            is_whole = file.read(len(_END)) == _END
    except tarfile.TarError:
        is_whole = False
    if not is_whole:
        raise AgentError(
            f"{path}: what the engine gave of it is cut off, as where a file gets shorter while it is read: make the "
            "backup again when nothing is written there, or have backup_command write what is to be saved"
        )
    file.seek(0)


def run_command(engine: EngineSocket, container: str, command: str, timeout: float, key: str) -> None:
    """Run a command in a container; its output is not of interest.

    Raises:
        CommandFailedError: It failed.
        AgentError: It could not be run to its end.

    """
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a device
        status, errors = engine.run(container, [*_SHELL, command], nothing, timeout=timeout)
    if status != 0:
        raise _failure(key, status, errors)


def load(
    engine: EngineSocket, container: str, script: Script, source: Path, output: Output, service: str
) -> None:
    """Give a dump to a script's `restore_command`, or unpack a directory's archive.

    Args:
        engine: The engine.
        container: The container that takes it.
        script: The script.
        source: The dump.
        output: Is told how much of it was given.
        service: The service that it is of.

    Raises:
        CommandFailedError: It failed; what it had done by then is in the service.
        AgentError: It could not be run to its end.

    """
    size = source.stat().st_size
    output.progress("loading", of=size, service=service)
    if script.directory:
        engine.unpack(container, str(Path(script.directory).parent), source)
        return
    if not script.restore_command:
        raise AgentError("it has no restore_command")
    if script.restore_file:
        put_file(engine, container, script.restore_file, source)
    with (
        open(os.devnull, "wb") as nothing,  # noqa: PTH123 - a device
        source.open("rb") as given,
        output.watching("loading", given.tell, of=size, service=service),
    ):
        status, errors = engine.run(
            container,
            [*_SHELL, script.restore_command],
            nothing,
            given=None if script.restore_file else given,
            timeout=script.timeout,
        )
    if status != 0:
        raise _failure("restore_command", status, errors)


def put_file(engine: EngineSocket, container: str, path: str, source: Path) -> None:
    """Put a file into a container, readable by everybody there."""
    packed = source.with_name(f"{source.name}.tar")
    try:
        with tarfile.open(packed, "w") as archive, source.open("rb") as content:
            member = tarfile.TarInfo(Path(path).name)
            member.size, member.mode = source.stat().st_size, 0o644
            archive.addfile(member, content)
        engine.unpack(container, str(Path(path).parent), packed)
    finally:
        packed.unlink(missing_ok=True)


def _failure(key: str, status: int, errors: str) -> AgentError:
    """Return the error of a command that ended badly: whose program was killed says nothing of its data."""
    if status in _KILLED:
        return AgentError(f"{key} was killed ({status}), as where memory is short{_said(errors)}")
    return CommandFailedError(f"{key} ended with {status}{_said(errors)}")


def _said(errors: str) -> str:
    """Return a command's last lines behind a colon."""
    lines = errors.splitlines()[-5:]
    return f": {' | '.join(lines)}" if lines else ", without a word"
