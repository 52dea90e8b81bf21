"""`doit ssh HOST`: log in to a host, or run a command there."""

import sys
from collections.abc import Sequence
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.operate.attach import (
    BROKEN,
    SIGNALLED,
    StoppedError,
    stopped_by_signals,
    words_before_dashes,
    words_behind_dashes,
)
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from model.errors import SkepError
from remote.engine.terminal import is_terminal
from remote.mother import process
from remote.ssh import commands as ssh_commands
from tasks.operate.named_host import made_host


class SshCommand(DoitCmdBase):
    """Log in to a host."""

    name = "ssh"
    doc_purpose = "log in to a host over the stage's open connection, or run a command there"
    doc_usage = "HOST [-- COMMAND]"
    doc_description = """\
The command is for the host's shell, as with ssh: `doit ssh hive0 -- 'df -h | tail'`. Its exit status is that of the \
command, or 255 where the connection failed."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Log in. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        names, words = words_before_dashes(args), words_behind_dashes()
        if len(names) != 1:
            raise InvalidCommand(f"type: {self.bin_name} ssh HOST [-- COMMAND]")
        try:
            host = made_host(run, names[0])
            run.connections.to(host).open()
            files = run.connections.files
            # A log-in wants a terminal; a command gets one where this process has one, so that Ctrl-C reaches it.
            command = ssh_commands.ssh_session(
                files.config, files.control(host.short), host.short, words, terminal=is_terminal()
            )
            with stopped_by_signals():
                status = process.run_in_front(command)
            return status if status >= 0 else SIGNALLED - status
        except StoppedError as stopped:
            return stopped.status
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return BROKEN
        except KeyboardInterrupt:
            return INTERRUPTED
