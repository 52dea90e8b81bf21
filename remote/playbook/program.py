"""Ansible itself, in a process of its own: `python -I program.py`, started by `remote.playbook.play`.

The first line of standard input is the request, as JSON. Nothing follows it: when the input ends, the process that
started this one is gone, and this one ends with everything that belongs to it.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

REQUEST: dict[str, Any] = {}
"""The request. The plug-ins read it here, so that its secrets are in no file."""


def main() -> None:
    """Read the request, leave a guard behind, and become `ansible-playbook`."""
    REQUEST.update(json.loads(_first_line()))
    life = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.umask(0o077)
    end, held = os.pipe()
    # A process and no thread, since Ansible forks; and one that it can't get in the way of.
    if os.fork() == 0:
        os.close(held)
        _guard(os.getppid(), life, end)
    os.close(life)
    os.close(end)

    _lose_no_output()

    from ansible.cli.playbook import PlaybookCLI

    PlaybookCLI.cli_executor(["ansible-playbook", *REQUEST["words"]])


def _lose_no_output() -> None:
    """Have answers of engines read to the end of their headers, and not a byte more.

    The output of a command in a container follows them on the bare socket, where the connection plug-in reads it: what
    came along with the headers stayed in a buffer that nothing read (https://github.com/docker/docker-py/issues/1799).
    """
    usual = HTTPResponse.__init__

    def begin(answer: Any, sock: Any, *args: Any, **options: Any) -> None:
        usual(answer, sock, *args, **options)
        if getattr(sock, "family", None) == socket.AF_UNIX:
            answer.fp.close()
            answer.fp = sock.makefile("rb", buffering=1)

    HTTPResponse.__init__ = begin  # type: ignore[assignment, method-assign]


def _first_line() -> bytes:
    """Read one line, and not a byte more, from standard input."""
    data = b""
    while not data.endswith(b"\n"):
        piece = os.read(0, 65536)
        if not piece:
            sys.exit(1)
        data += piece
    return data


def _guard(ansible: int, life: int, end: int) -> None:
    """Wait until Ansible has ended; if whoever started it ends before, end it, and leave no files."""
    with suppress(KeyboardInterrupt):
        found, _, _ = select.select([life, end], [], [])
        if end not in found:
            # So that it starts nothing more. Its workers have sessions of their own, and so have local commands.
            os.kill(ansible, signal.SIGSTOP)
            for each in (*_descendants(ansible), ansible):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(each, signal.SIGKILL)
            shutil.rmtree(REQUEST["directory"], ignore_errors=True)
    os._exit(0)


def _descendants(process: int) -> list[int]:
    """Return a process's children, theirs, and so on, but not this one."""
    if sys.platform == "linux":
        parents = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    else:
        # This program imports nothing of skep's.
        shown = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False)
        parents = {int(pid): int(parent) for pid, parent in map(str.split, shown.stdout.splitlines())}
    found = [process]
    for each in found:
        found += [pid for pid, parent in parents.items() if parent == each and pid != os.getpid()]
    return found[1:]


if __name__ == "__main__":
    main()
