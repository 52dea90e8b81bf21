"""`doit backup`: make a generation of services' data now."""

import sys
from collections.abc import Sequence
from typing import Any

from doit.cmd_base import DoitCmdBase

from commands.backup.shown import AgentProgress
from commands.operate.status_lines import size_words
from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from model.errors import SkepError
from tasks.backup.site_backups import SiteBackups


class BackupCommand(DoitCmdBase):
    """Make backups now."""

    name = "backup"
    doc_purpose = "make a backup of services' data now"
    doc_usage = "[SERVICE ...]"
    doc_description = """\
Each hive saves the services whose lowest task it runs, as it does by itself at backup.schedule; this waits until all \
are done. Exit status 1 if one failed: then that one has no new generation."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Make them. Loads no tasks, and takes no lock: hosts let one job work at a time."""
        self.loader.setup(params)
        run = site_run(self.loader)
        log, progress = ConsoleLog(self.outstream), AgentProgress(self.outstream)
        backups = SiteBackups(run)
        try:
            services = backups.services(args)
            if not services:
                log("no service has backup_scripts, so that nothing is saved (docs/backup.md)")
                return 1
            result = backups.backup(services, progress)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write(
                "interrupted: a hive that is at work goes on; doit backups shows what came of it\n"
            )
            return INTERRUPTED
        finally:
            progress.end()
            run.connections.close()
        for each in result["generations"]:
            log(
                f"{each['service']}: {each['id']}, {size_words(each['bytes'])} in {each['files']} files, "
                f"{size_words(each['added'])} new, {each['seconds']:.0f} s"
            )
        for service, why in result["failed"].items():
            sys.stderr.write(f"{run.secrets.redact(f'{service}: no backup: {why}')}\n")
        return 1 if result["failed"] else 0
