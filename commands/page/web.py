"""`doit web`: the site's page, served on this machine's loopback and renewed."""

import sys
from collections.abc import Sequence

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.page.page_server import LOOPBACK, PageServer, Readings
from commands.page.reading import PageReader
from commands.shared.console import clean
from commands.shared.current_run import site_run
from commands.shared.read_back import fill_in
from model.errors import SkepError
from model.reasons import reason_of
from tasks.run.context import Run

_HIGHEST = 65_535


class WebCommand(DoitCmdBase):
    """Serve the site's page."""

    name = "web"
    doc_purpose = "show the site in a browser, renewed every ten seconds, until Ctrl-C"
    doc_usage = "[PORT]"
    doc_description = """\
Prints the address. It is open at this machine's loopback alone, so whoever is logged in to this machine can see it; \
there is no password, and nothing on it can change the site. The site is read over ssh from here, as by `doit status`: \
nothing is installed on hosts for it, and nothing listens there. From another machine: ssh -L PORT:127.0.0.1:PORT \
THIS_MACHINE (docs/web.md)."""

    cmd_options = ()

    def _execute(self, pos_args: Sequence[str] = ()) -> int:
        """Serve it until Ctrl-C."""
        port = _port(self.bin_name, pos_args)
        run = site_run(self.loader, asks=False)
        tasks = {task.name: task for task in self.task_list}
        try:
            run.secrets.may_run_commands = True
            fill_in(run, tasks, self.dep_manager)
            run.secrets.may_run_commands = False
            self._serve(
                run, port, Readings(PageReader(run, tasks, self.dep_manager).read, run.secrets.redact)
            )
        except SkepError as error:
            sys.stderr.write(f"{clean(run.secrets.redact(str(error)))}\n")
            return 1
        except KeyboardInterrupt:
            return 0
        finally:
            run.connections.close()
        return 0

    def _serve(self, run: Run, port: int, readings: Readings) -> None:
        """Serve the page."""
        try:
            server = PageServer(port, readings)
        except OSError as error:
            raise InvalidCommand(
                f"port {port} of {LOOPBACK}: {reason_of(error)}; name another one"
            ) from error
        with server:
            site = f"{run.stage.site_name}, stage {run.stage.name}"
            self.outstream.write(f"http://{LOOPBACK}:{server.port}/ shows {site}, until Ctrl-C\n")
            self.outstream.flush()
            server.serve_forever()


def _port(program: str, words: Sequence[str]) -> int:
    """Return the port that was typed; 0 if none was.

    Raises:
        InvalidCommand: It is none.

    """
    if not words:
        return 0
    if len(words) > 1 or not words[0].isdecimal() or not 0 < int(words[0]) <= _HIGHEST:
        raise InvalidCommand(f"type: {program} web [PORT], as {program} web 8080")
    return int(words[0])
