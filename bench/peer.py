"""Docker's own client, as whoever does without skep has it: on a host that skep has set up, over one ssh connection."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from model.keys.record import HostRecord
from tasks.run.state import State


class Peer:
    """A host that skep has set up, and Docker's client here that uses its engine and the stage's registry.

    Args:
        site: The site's directory.
        name: The site's name.
        repository: The host with the registry.
        short: The host.

    """

    def __init__(self, site: Path, name: str, repository: str, short: str = "hive0") -> None:
        """Read skep's records, and open one ssh connection for all builders but skep."""
        self.site, self.state, self.short = site, site / "state" / "private", short
        self.name = name
        self.registry = f"p-{repository}.{name}:5000"
        record = State(self.state).read(f"build_infra:{short}", HostRecord)
        if record is None:
            sys.exit(f"{short} has no record")
        self.address, self.user = record.ssh_host, record.user
        vault = json.loads((self.state / "secrets" / "vault.json").read_text())
        self.password = vault["stage"]["registry_password"]
        self._bin = site / "bin"
        self._bin.mkdir()
        self._control = Path("/tmp") / f"{name}.ssh"  # noqa: S108 - a socket's path is short
        self.socket = Path("/tmp") / f"{name}.docker"  # noqa: S108
        config = self.state / "ssh_config"
        (self._bin / "ssh").write_text(
            f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} -o ControlPath={self._control} "$@"\n'
        )
        (self._bin / "ssh").chmod(0o755)
        master = ["-M", "-f", "-N", "-o", "ControlPersist=yes", "-L", f"{self.socket}:/var/run/docker.sock"]
        subprocess.run([self._bin / "ssh", *master, short], check=True)
        self.environment = {
            **os.environ,
            "PATH": f"{self._bin}:{docker_client().parent}:{os.environ['PATH']}",
            "DOCKER_HOST": f"ssh://{short}",
            "DOCKER_CONFIG": str(site / "docker"),
        }
        self.ran(["docker", "login", "-u", "skep", "--password-stdin", self.registry], stdin=self.password)

    def close(self) -> None:
        """End the ssh connection."""
        subprocess.run([self._bin / "ssh", "-O", "exit", self.short], capture_output=True, check=False)
        self.socket.unlink(missing_ok=True)

    def run(self, script: str, stdin: str = "", host: str = "") -> str:
        """Run a script as root on the host, or on another one."""
        container = f"skep.{self.name}.private.{host or self.short}"
        return self.ran(["docker", "exec", "-i", container, "sh", "-euc", script], dict(os.environ), stdin)

    def ran(
        self,
        command: list[str],
        environment: dict[str, str] | None = None,
        stdin: str = "",
        cwd: Path | None = None,
    ) -> str:
        """Run a command that must end well, by default with the host's engine as Docker's, and return its output."""
        done = subprocess.run(
            command, env=environment or self.environment, input=stdin, cwd=cwd or self.site,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(
                f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout


def docker_client() -> Path:
    """Return the first docker client on the path that can ask an engine for BuildKit without more ado."""
    for directory in os.environ["PATH"].split(os.pathsep):
        client = Path(directory) / "docker"
        if not client.is_file():
            continue
        has_buildx = (
            subprocess.run([client, "buildx", "version"], capture_output=True, check=False).returncode == 0
        )
        version = subprocess.run([client, "--version"], capture_output=True, text=True, check=True).stdout
        if has_buildx or int(version.split()[2].split(".")[0]) < 23:  # noqa: PLR2004 - from then on buildx does it
            return client
    sys.exit("no docker client on the path has BuildKit: install docker-buildx")
