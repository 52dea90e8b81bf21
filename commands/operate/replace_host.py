"""`doit replace_host hive2`: make a host anew, whatever has become of it."""

import sys
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED, holding
from commands.shared.run_again import run_again
from model.errors import SkepError
from tasks.hosts.replaced_host import HostReplacement
from tasks.operate.named_host import known_host
from tasks.run.context import Run

REFUSED = 2
"""The exit status where nothing was changed, since something would be lost."""


class ReplaceHostCommand(DoitCmdBase):
    """Make a host anew."""

    name = "replace_host"
    doc_purpose = "make a host anew that is dead or broken, and have its services run there again"
    doc_usage = "HOST [volumes=NAME,...]"
    doc_description = """\
Whatever the provider, and any host: the leader, the first hive, the repository. Nothing is changed, and the exit \
status is 2, where the swarm would lose its majority, or data would be lost that volumes= does not name. If the host \
answers, its tasks run elsewhere first. Afterwards doit runs, and makes it again with all that was on it but its data.

Hosts of `prepared` and `kickstart` are not skep's to remove: it takes them out of the swarm, and says the next step. \
After a kill, type it again."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Replace the host. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader)
        if len(args) != 1:
            raise InvalidCommand(f"type: {self.bin_name} replace_host HOST")
        try:
            host = known_host(run, args[0])
            with holding(run):
                status = self._replace(run, HostReplacement(run, host))
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: type it again, or doit, which makes what is missing\n")
            return INTERRUPTED
        if status or not run.provider.owns:
            return status
        return run_again(run, self.bin_name)

    def _replace(self, run: Run, replacement: HostReplacement) -> int:
        """Take the host down, and return the exit status."""
        log = ConsoleLog(self.outstream)
        run.observer.enabled = True
        try:
            refused = replacement.refusals(frozenset(filter(None, (get_var("volumes") or "").split(","))))
            for line in refused:
                sys.stderr.write(f"{run.secrets.redact(line)}\n")
            if refused:
                return REFUSED
            if not replacement.answers:
                log(f"{replacement.host.short} does not answer: it is removed as it is")
            replacement.take_down(log)
        finally:
            run.observer.close()
        if not run.provider.owns:
            log(
                f"{replacement.host.short} is out of the swarm: install it anew, or put another machine at "
                f"{replacement.host.address}, then run doit"
            )
        return 0
