"""Looking at a site and reaching into it, beside Docker's own ways: `./setup python bench/operate.py`. Prints a table.

On a site of its own with three hives and eight services. All rows take turns, so that what else the machine does
is the same for each. Docker's client asks a manager by a socket that is forwarded over an open ssh connection, and on
the host, over ssh, there is one too: hosts have none, so the bench brings it along.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from remote.ssh.ssh_files import socket_directory

ROOT = Path(__file__).parents[1]
# Of this checkout's own, so that two can be measured on one machine, though not at the same time.
SITE = f"bench-operate-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
HIVES = ("hive0", "hive1", "hive2")
HEAD = """\
site = "{site}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
number_of_hosts = 3
separate_repository = false
[bases."debian:13"]
debootstrap = "trixie"
[images.idle]
from = "debian:13"
command = ["sleep", "infinity"]
[volumes.data]
hosts = ["hive1"]
[services.each]
image = "idle"
mode = "global"
endpoint_mode = "dnsrr"
init = true
[services.store]
image = "idle"
endpoint_mode = "dnsrr"
init = true
volumes = [{{ source = "data", target = "/data" }}]
"""
SERVICE = """
[services.web{number}]
image = "idle"
replicas = 3
endpoint_mode = "dnsrr"
init = true
"""
DOIT = [sys.executable, "-m", "doit"]


class Bench:
    """The site, and how long each way took.

    Args:
        directory: The site's.
        cidr: The hosts' network.

    """

    def __init__(self, directory: Path, cidr: str) -> None:
        """Write the site."""
        self.directory = directory
        toml = HEAD.format(site=SITE, cidr=cidr) + "".join(SERVICE.format(number=n) for n in range(6))
        (directory / "site.toml").write_text(toml)
        self.state = directory / "state" / "private"
        self.took: dict[str, list[float]] = defaultdict(list)
        # As where somebody has run it before: Python's files are compiled.
        self.environment = {
            **os.environ,
            "DOIT_FILE": str(ROOT / "dodo.py"),
            "CI": "true",
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(directory / "compiled"),
        }

    def run(self, *words: str) -> str:
        """Run a command that must end well, and return its output."""
        done = subprocess.run(
            words, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def measure(self, row: str, *words: str) -> None:
        """Run a command, and keep how long it took."""
        began = time.perf_counter()
        self.run(*words)
        self.took[row].append(time.perf_counter() - began)

    def ssh(self, *words: str) -> list[str]:
        """Return a command of ssh by the stage's files, over the connection that is open."""
        control = socket_directory(self.state) / "hive0.ssh"
        return ["ssh", "-F", str(self.state / "ssh_config"), "-o", f"ControlPath={control}", *words]

    def close_connections(self) -> None:
        """End the shared ssh connections, so that the next command has to open new ones."""
        for control in socket_directory(self.state).glob("*.ssh"):
            words = ["-o", f"ControlPath={control}", "-O", "exit", control.stem]
            subprocess.run(
                ["ssh", "-F", str(self.state / "ssh_config"), *words], capture_output=True, check=False
            )

    def round(self, services: Sequence[str], container: str) -> None:
        """Go through all rows once, with the connections open."""
        docker = ["docker", "-H", f"unix://{socket_directory(self.state)}/hive0.docker"]
        there = ["sudo", "-n", "/opt/bench/docker"]
        self.measure("doit status", *DOIT, "status")
        self.measure("docker service ps, of all services", *docker, "service", "ps", *services)
        self.measure(
            "ssh HOST docker service ps, of all", *self.ssh("hive0", *there, "service", "ps", *services)
        )
        self.measure("doit status SERVICE", *DOIT, "status", "web0")
        self.measure("docker service ps, of one", *docker, "service", "ps", "web0")
        self.measure("doit exec SERVICE -- true", *DOIT, "exec", "web0", "task=hive0", "--", "true")
        self.measure(
            "ssh HOST docker exec CONTAINER true", *self.ssh("hive0", *there, "exec", container, "true")
        )
        self.measure("docker exec CONTAINER true, by the socket", *docker, "exec", container, "true")

    def closed(self, container: str) -> None:
        """Go through the rows with the connections closed."""
        self.close_connections()
        self.measure("doit status, connections closed", *DOIT, "status")
        self.close_connections()
        self.measure("doit exec, connections closed", *DOIT, "exec", "web0", "--", "true")
        config = ["ssh", "-F", str(self.state / "ssh_config"), "hive0", "sudo", "-n", "/opt/bench/docker"]
        self.measure("ssh HOST docker exec, a new connection", *config, "exec", container, "true")


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cidr", default="172.31.251.0/24", help="a network that is free on this machine")
    parser.add_argument("--rounds", type=int, default=10, help="how often all rows are gone through")
    parser.add_argument(
        "--wait-for", type=Path, help="measure when this file is there: it is made when all runs"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as directory:
        bench = Bench(Path(directory), options.cidr)
        try:
            bench.run(*DOIT)
            client = str(Path(shutil.which("docker") or "docker").resolve())
            for hive in HIVES:
                host = f"skep.{SITE}.private.{hive}"
                bench.run("docker", "exec", host, "mkdir", "-p", "/opt/bench")
                bench.run("docker", "cp", client, f"{host}:/opt/bench/docker")
            bench.run(*DOIT, "status")
            found = bench.run(
                *bench.ssh(
                    "hive0", "sudo -n /opt/bench/docker ps -q -f label=com.docker.swarm.service.name=web0"
                )
            )
            services = ["each", "store", *(f"web{n}" for n in range(6))]
            if not found.strip():
                sys.exit("no task of web0 runs on hive0: run it again")
            if options.wait_for:
                print("ready", flush=True)
                while not options.wait_for.exists():
                    time.sleep(0.5)
            for _ in range(options.rounds):
                bench.round(services, found.split()[0])
            for _ in range(max(1, options.rounds // 2)):
                bench.closed(found.split()[0])
        finally:
            bench.run(*DOIT, "destroy", f"confirm={SITE}", "volumes=all")
    print("\n| | seconds |\n|---|---|")
    for row, took in bench.took.items():
        print(
            f"| {row} | {statistics.median(took):.2f} s (n={len(took)}, {min(took):.2f} to {max(took):.2f}) |"
        )


if __name__ == "__main__":
    main()
