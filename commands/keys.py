"""`doit keys`: who is let in, and the key that is used here; `export` and `import`: what CI needs, as one line."""

import os
import re
import stat
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.authorize import refuse_without_hosts
from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from model.errors import SkepError
from model.keys.authorized_key import AuthorizedKey
from model.keys.exported_keys import VARIABLE, ExportedKeys
from model.secrets.generated import generated_secret
from model.site import Generated
from remote.mother.files import write_whole
from tasks.hosts import let_in_keys
from tasks.run import log_in_key
from tasks.run.context import Run

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DEFAULT_NAME = "ci"
_LONGEST = 2**20
"""Characters that are read from standard input."""


class KeysCommand(DoitCmdBase):
    """Show who is let in; export and import what CI needs to log in."""

    name = "keys"
    doc_purpose = "show who is let in; `keys export` prints what CI needs to log in, `keys import` reads it"
    doc_usage = "[export [NAME] | import]"
    doc_description = f"""\
Without a word: the key that this checkout logs in with, and all that the hosts let in, when a run last looked.

export: make a new ssh key, let it in on all hosts as NAME (by default {_DEFAULT_NAME}), and print a line with it, \
which is kept nowhere here. As the variable {VARIABLE} it lets CI in; pipe it to where it belongs: \
`doit keys export | gh secret set {VARIABLE}`. `doit prune key='{_DEFAULT_NAME}:*'` takes such keys out.

import: read such a line from standard input, and make its key this checkout's own."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Do what the words say. Loads no tasks, and a run can go on at the same time."""
        self.loader.setup(params)
        run = site_run(self.loader)
        word, *rest = args or [""]
        try:
            with closing(run.connections):
                if word == "export" and len(rest) <= 1:
                    return self._export(run, *rest)
                if word == "import" and not rest:
                    return self._import(run)
                if not word:
                    return self._show(run)
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: doit keys shows who is let in\n")
            return INTERRUPTED
        raise InvalidCommand("keys: type `doit keys`, `doit keys export [NAME]` or `doit keys import`")

    def _show(self, run: Run) -> int:
        """Print the key that is used here, and those that are let in."""
        files, own = run.connections.files, run.connections.files.own_key
        if own is None:
            self.outstream.write("this checkout has no ssh key yet: the first run makes one\n")
        else:
            whose = f"operator {own.who}" if own.is_operators else "this checkout"
            source = files.identity.source if files.identity is not None else str(files.key)
            self.outstream.write(f"logs in with the key of {whose}: {own.fingerprint}, {source}\n")
        if files.trouble:
            self.outstream.write(f"{files.trouble}\n")
        for line in let_in_keys.lines(let_in_keys.keys_of(run, let_in_keys.recorded(run)), every=True):
            self.outstream.write(f"{line}\n")
        return 0

    # -- export --------------------------------------------------------------------------------------------------------

    def _export(self, run: Run, name: str = _DEFAULT_NAME) -> int:
        """Make a key, let it in, and print it. All else that is said goes to standard error."""
        if not _NAME.fullmatch(name):
            raise InvalidCommand(
                "keys export: NAME has letters, digits, `.`, `_`, `@` and `-`, as in ci@runner"
            )
        if name in run.stage.site.operators:
            raise InvalidCommand(f"keys export: {name} is in [operators]: take another name")
        refuse_without_hosts(run)
        _guard_output()
        private = generated_secret(Generated(key_pair="ssh-ed25519"))
        made = ExportedKeys(run.stage.site_name, run.stage.name, private, _host_keys(run))
        line = made.line()
        for secret in (private, line):
            run.secrets.hide(secret)
        kind, blob = made.public.split()
        key = AuthorizedKey(kind, blob, name)
        run.connections.write_ssh_files()
        log = ConsoleLog(sys.stderr)
        problems = let_in_keys.let_in(run, key, log)
        if problems:
            let_in_keys.take_out(run, [_only(run, key)], log)
            raise InvalidCommand(
                "keys export: not every host lets the new key in, so it is worth nothing and was not printed: fix the "
                "errors above, then run it again"
            )
        try:
            sys.stdout.write(line.reveal() + "\n")
            sys.stdout.flush()
        except OSError as error:
            _forget_output()
            let_in_keys.take_out(run, [_only(run, key)], log)
            raise InvalidCommand(
                f"keys export: the line could not be written ({error.strerror}), so the new key is taken out again: "
                "see that the program behind the pipe works (gh auth status), then run it again"
            ) from None
        log(f"{key.name} ({key.fingerprint}) is let in; doit prune key={key.name} takes it out")
        return 0

    # -- import --------------------------------------------------------------------------------------------------------

    def _import(self, run: Run) -> int:
        """Read a line and make its key this checkout's own."""
        if sys.stdin.isatty():
            sys.stderr.write("paste the line that doit keys export printed, then press Ctrl-D\n")
        try:
            text = sys.stdin.read(_LONGEST)
        except UnicodeDecodeError:
            text = ""  # whatever it is, it is not the line
        keys = ExportedKeys.from_line(
            text, "keys import: standard input", run.stage.site_name, run.stage.name
        )
        run.secrets.hide(keys.private_key)
        private = run.state.secrets / "id_ed25519"
        public = private.with_name(f"{private.name}.pub")
        if private.exists() and private.read_bytes() != keys.private_key.reveal().encode():
            raise InvalidCommand(
                f"keys import: {private} is there, and may be the only key that hosts let in: move it away first"
            )
        write_whole(private, keys.private_key.reveal().encode(), mode=0o600)
        write_whole(public, f"{keys.public}\n".encode())
        log_in_key.learn_host_keys(run, keys)
        self.outstream.write(f"this checkout's key is now {private}\n")
        files = run.connections.files
        if files.identity is not None:
            self.outstream.write(f"but it logs in with that of {files.identity.source}\n")
        return 0


def _guard_output() -> None:
    """Warn of a terminal, and see that a file is its owner's alone."""
    if sys.stdout.isatty():
        sys.stderr.write(
            "warning: a private key is printed on this terminal, which keeps it in its history: pipe it to where it "
            f"belongs, as in doit keys export | gh secret set {VARIABLE}\n"
        )
        return
    with suppress(OSError, ValueError):
        descriptor = sys.stdout.fileno()
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
            os.fchmod(descriptor, 0o600)
            sys.stderr.write("the file that this is written to can be read by its owner alone now\n")


def _forget_output() -> None:
    """Throw away what standard output still holds: Python would try to write it once more at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _host_keys(run: Run) -> dict[str, list[str]]:
    """Return the host keys that nobody but checkouts which were there can tell."""
    if run.provider.tells_host_keys:
        return {}
    path = run.connections.files.known_hosts
    lines = path.read_text().splitlines() if path.exists() else []
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, key = line.partition(" ")
        if any(host.name == name for host in run.stage.hosts):
            found.setdefault(name, []).append(key)
    return found


def _only(run: Run, key: AuthorizedKey) -> let_in_keys.LetInKey:
    """Return a key as one that is taken out."""
    return let_in_keys.LetInKey(
        key, tuple(host.short for host in run.stage.hosts), is_everywhere=True, is_own=False
    )
