"""OpenSSH's client, run to its end."""

import shlex
from collections.abc import Iterable, Mapping, Sequence

from model.errors import HostError
from model.log import Log
from remote.mother import process
from remote.mother.process import Completed

FAILED = 255
"""ssh's own exit status when the connection, not the command, failed."""


def run_ssh(
    words: Sequence[str],
    *,
    timeout: float,
    stdin: bytes | Iterable[bytes] = b"",
    env: Mapping[str, str] | None = None,
    log: Log | None = None,
    new_session: bool = False,
) -> Completed:
    """Run ssh to its end, or kill it when its time is over; arguments as of `remote.mother.process.run`.

    Raises:
        HostError: There is no ssh on this machine.

    """
    try:
        return process.run(words, timeout=timeout, stdin=stdin, env=env, log=log, new_session=new_session)
    except FileNotFoundError as error:
        raise HostError(f"{words[0]}: not found: install OpenSSH's client") from error


def pipe_ssh(sends: Sequence[str], takes: Sequence[str], *, timeout: float) -> Completed:
    """Run two ssh commands, the second reading the output of the first; how the second ended counts.

    The shell between them knows no secret: both command lines are seen by others in any case.

    Raises:
        HostError: There is no ssh on this machine.

    """
    return run_ssh(
        ["/bin/sh", "-c", f"{shlex.join(sends)} </dev/null | {shlex.join(takes)}"],
        timeout=timeout,
        new_session=True,
    )
