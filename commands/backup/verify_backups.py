"""`doit verify_backups`: restore generations aside, and try them."""

import sys
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.backup.shown import AgentProgress, generation_words
from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from model.errors import SkepError
from tasks.backup.site_backups import LATEST, SiteBackups


class VerifyBackupsCommand(DoitCmdBase):
    """Try backups."""

    name = "verify_backups"
    doc_purpose = "restore backups aside, and try whether they are of use"
    doc_usage = "[SERVICE ...] [at=ID]"
    doc_description = """\
The newest generation of each service, or that of at=, is restored into a container of the service's own image, \
without a network, on the hive where it runs: dumps by restore_command, then verify_command. Each file is compared \
with the repository. The running service is not touched. Exit status 1 if a test fails, or can't be made."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Try them. Loads no tasks, and takes no lock: hosts let one job work at a time."""
        self.loader.setup(params)
        run = site_run(self.loader)
        log, progress = ConsoleLog(self.outstream), AgentProgress(self.outstream)
        at = get_var("at") or LATEST
        backups, failed = SiteBackups(run), False
        try:
            services = backups.services(args)
            if at != LATEST and len(services) != 1:
                raise InvalidCommand(f"at={at} is of one service: name it")
            for service in services:
                try:
                    generation = (
                        backups.newest(service, progress)
                        if at == LATEST
                        else backups.chosen(service, at, progress)
                    )
                    found = backups.verify(service, generation, progress)
                except SkepError as error:
                    failed = True
                    progress.end()
                    sys.stderr.write(f"{run.secrets.redact(f'{service}: {error}')}\n")
                    continue
                progress.end()
                log(f"{service}: {generation_words(generation, backups.zone)} is of use")
                for script, words in found.items():
                    log(f"  {script}: {words}")
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("interrupted: the hive that is at work ends by itself, and leaves nothing\n")
            return INTERRUPTED
        finally:
            progress.end()
            run.connections.close()
        return 1 if failed else 0
