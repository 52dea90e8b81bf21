"""OpenSSH's client, run to its end."""

from collections.abc import Mapping, Sequence

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
    stdin: bytes = b"",
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
