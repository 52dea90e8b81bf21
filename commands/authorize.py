"""`doit authorize KEY`: let another checkout's ssh key in on all hosts. People are better in `[operators]`."""

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from model.errors import SkepError
from model.keys.authorized_key import AuthorizedKey, options_of, parse_key
from model.keys.record import ADMIN
from tasks.hosts import let_in_keys
from tasks.operate.named_host import no_hosts
from tasks.run.context import Run


class AuthorizeCommand(DoitCmdBase):
    """Let another checkout's ssh key in."""

    name = "authorize"
    doc_purpose = "let another checkout's ssh key in on all hosts"
    doc_usage = "KEY|FILE"
    doc_description = """\
KEY is a public ssh key, as `ssh-ed25519 AAAA... alice@laptop`; FILE is a file with one (id_ed25519.pub). A checkout \
whose key is refused prints the command that lets it in: run that in a checkout that is still let in.

All keys that are let in stay so. `doit list` shows them; `doit prune key=NAME` takes one out."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Let the key in. Loads no tasks, and a run can go on at the same time."""
        self.loader.setup(params)
        run = site_run(self.loader)
        key = given_key(run, args)
        if operator := next(
            (one.who for one in let_in_keys.operators_of(run.stage) if one.public == key.public), ""
        ):
            raise InvalidCommand(
                f"authorize: is the key of {operator}, who is in [operators] of site.toml: the next run lets it in"
            )
        try:
            with closing(run.connections):
                return self._let_in(run, key)
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: run it again for the other hosts\n")
            return INTERRUPTED

    def _let_in(self, run: Run, key: AuthorizedKey) -> int:
        """Let the key in on all hosts, and return the exit status."""
        began = time.monotonic()
        log = ConsoleLog(self.outstream)
        refuse_without_hosts(run)
        run.connections.write_ssh_files()
        problems = let_in_keys.let_in(run, key, log)
        if problems:
            log("not every host lets it in: fix the errors above, then run it again")
            return 1
        log(f"{key.name} ({key.fingerprint}) is let in ({time.monotonic() - began:.1f} s)")
        return 0


def refuse_without_hosts(run: Run) -> None:
    """Refuse to let a key in where there are no hosts.

    Raises:
        InvalidCommand: There are none, or this checkout does not know of them.

    """
    if not any(run.state.host_record(host) is not None for host in run.stage.hosts):
        raise InvalidCommand(no_hosts(run.stage))


def given_key(run: Run, args: Sequence[str]) -> AuthorizedKey:
    """Return the key of the command line.

    Raises:
        InvalidCommand: There is none.

    """
    text = " ".join(args)
    path = run.directory / Path(text).expanduser()
    if text and parse_key(text) is None:
        try:
            text = next(iter(path.read_text().splitlines()), "")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not a text"
            raise InvalidCommand(f"authorize: {path}: {reason}; give a public ssh key or its file") from error
    key = parse_key(text)
    if key is None:
        where = f"{path}: " if args else ""
        raise InvalidCommand(
            f"authorize: {where}no public ssh key; type: doit authorize 'ssh-ed25519 AAAA... alice@laptop'"
        )
    if options := options_of(text):
        bare = f"{key.public} {key.who}".strip()
        raise InvalidCommand(
            f"authorize: {options} before the key would be lost, and the key be let in without it: leave it out, as in "
            f"doit authorize '{bare}'; or append the whole line to ~{ADMIN}/.ssh/authorized_keys on each host "
            "yourself, where it stays as it is"
        )
    return key
