"""`doit serve_install`: serve what hosts without an operating system boot from, until all of them answer."""

import shlex
import time
from collections.abc import Sequence
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.destroy import INTERRUPTED, Teller
from commands.shared.current_run import site_run
from model.errors import SkepError
from model.site import KickstartStage
from providers.kickstart.http_server import InstallServer
from providers.kickstart.provider import KickstartProvider
from tasks.run.context import Run

LOOK_AGAIN = 5.0
"""Seconds between looks at which hosts answer."""


class ServeInstall(DoitCmdBase):
    """Serve the installation over the network."""

    doc_purpose = "serve the installation to hosts that boot from the network, until all answer ssh"
    doc_usage = ""
    doc_description = """\
Serves what `doit build_infra:medium` has made, at the stage's netboot_url, and shows which host has asked for what. \
Have your DHCP server give <netboot_url>/start.ipxe to machines that run iPXE, as docs/kickstart.md says.

A host that has had its answers, or is installed, boots its disk the next time: none is installed twice. To have one \
installed again, end this and begin anew. It ends when all hosts answer ssh; then, or meanwhile, `doit` goes on."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Serve. No tasks are loaded, and no lock is taken: `doit build_infra` waits for hosts at the same time."""
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
        """Serve until all hosts answer."""
        provider, config = run.provider, run.stage.config
        if not isinstance(provider, KickstartProvider) or not isinstance(config, KickstartStage):
            raise InvalidCommand(f"stage {run.stage.name}: provider {run.stage.provider} installs no hosts")
        if config.netboot_url is None:
            raise InvalidCommand(
                f"stages.{run.stage.name}.netboot_url: is not set: hosts of this stage are installed from iso_dest"
            )
        log = Teller(self.outstream)
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
