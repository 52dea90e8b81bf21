"""`doit serve_install`: serve the installer to hosts that boot from the network, until all of them answer."""

import shlex
import time
from collections.abc import Sequence
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from model.errors import SkepError
from model.site import KickstartStage
from providers.kickstart.http_server import InstallServer
from providers.kickstart.provider import KickstartProvider
from tasks.run.context import Run

LOOK_AGAIN = 5.0
"""Seconds between two checks which hosts answer."""


class ServeInstallCommand(DoitCmdBase):
    """Serve the installation over the network."""

    name = "serve_install"
    doc_purpose = "serve the installation to hosts that boot from the network, until all answer ssh"
    doc_usage = ""
    doc_description = """\
Serves the files of `doit build_infra:medium` at the stage's netboot_url, and prints the requests of the hosts. \
Configure your DHCP server to give <netboot_url>/start.ipxe to machines that run iPXE (docs/kickstart.md).

A host that fetched its answer file, or is installed, boots its disk the next time, so that none is installed twice. \
To install a host again, restart this command. It ends when all hosts answer ssh; `doit` can run at the same time."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Serve the installer. Loads no tasks and takes no lock: `doit build_infra` waits for the hosts meanwhile."""
        self.loader.setup(params)
        run = site_run(self.loader)
        if args:
            raise InvalidCommand(f"serve_install takes no {shlex.quote(args[0])}")
        try:
            return self._serve(run)
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            run.connections.close()

    def _serve(self, run: Run) -> int:
        """Serve until all hosts answer, and return the exit status."""
        provider, config = run.provider, run.stage.config
        if not isinstance(provider, KickstartProvider) or not isinstance(config, KickstartStage):
            raise InvalidCommand(f"stage {run.stage.name}: provider {run.stage.provider} installs no hosts")
        if config.netboot_url is None:
            raise InvalidCommand(
                f"stages.{run.stage.name}.netboot_url: is not set: hosts of this stage are installed from iso_dest"
            )
        log = ConsoleLog(self.outstream)
        waiting = {host.short: host for host in run.stage.hosts if not provider.is_installed(host)}
        server = InstallServer(provider.served, config.netboot_url, log, lambda short: short not in waiting)
        with server.serving() as port:
            log(f"serving {provider.served} on port {port}, as {config.netboot_url}")
            # Without an end: somebody watches, and goes from machine to machine.
            while waiting:
                for short, host in list(waiting.items()):
                    if provider.is_installed(host):
                        log(f"{short}: answers ssh, installed")
                        del waiting[short]
                if waiting:
                    time.sleep(LOOK_AGAIN)
        log(f"all {len(run.stage.hosts)} hosts answer; `doit` goes on with them")
        return 0
