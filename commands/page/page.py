"""`doit page FILE`: the site's page as one file."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from doit import get_initial_workdir
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.page.document import single_file
from commands.page.reading import PageReader
from commands.page.running_sections import verdict
from commands.shared.console import clean
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from commands.shared.read_back import fill_in
from model.errors import SkepError
from remote.mother.files import write_whole


class PageCommand(DoitCmdBase):
    """Write the site's page into a file."""

    name = "page"
    doc_purpose = "write one HTML file that shows the whole site: picture, health, backups, what is stale"
    doc_usage = "FILE.html | FILE.json"
    doc_description = """\
The file needs nothing else: it loads nothing, and can be mailed or kept by CI. FILE.json gets the same as data \
(docs/web.md). Asks what `doit status` asks, takes no lock, changes nothing, and works beside a run. Secrets are not \
in it. `doit web` shows the same, and renews it."""

    cmd_options = ()

    def _execute(self, pos_args: Sequence[str] = ()) -> int:
        """Read the site, and write the file."""
        if len(pos_args) != 1 or Path(pos_args[0]).suffix not in {".html", ".json"}:
            raise InvalidCommand(f"type: {self.bin_name} page FILE.html (or FILE.json)")
        path = Path(get_initial_workdir()) / pos_args[0]
        run = site_run(self.loader, asks=False)
        tasks = {task.name: task for task in self.task_list}
        try:
            run.secrets.may_run_commands = True
            fill_in(run, tasks, self.dep_manager)
            run.secrets.may_run_commands = False
            page = PageReader(run, tasks, self.dep_manager).read()
            is_data = path.suffix == ".json"
            text = f"{json.dumps(page.data(), indent=1)}\n" if is_data else single_file(page)
            write_whole(path, text.encode())
        except SkepError as error:
            sys.stderr.write(f"{clean(run.secrets.redact(str(error)))}\n")
            return 1
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            run.connections.close()
        words, _ = verdict(page)
        self.outstream.write(f"{pos_args[0]}: {words}\n")
        for each in page.unread:
            sys.stderr.write(f"could not be read: {each.part}: {clean(each.why)}\n")
        return 0
