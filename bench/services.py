"""Fifty services on three hives, by skep and by Docker alone: `./setup python bench/services.py`. Prints a table.

Both deploy the same services to the same three hives of a site of the bench's own, from the same image, by the same
kind of ssh connection; never at the same time. They take turns: what else the machine does is the same for
both. When all services run is seen from outside, by one listing of the swarm's tasks after another.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from docker import APIClient
from peer import Peer

ROOT = Path(__file__).parents[1]
# Of this checkout's own, so that two can be measured on one machine, though not at the same time.
SITE = f"bench-services-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
HIVES = ("hive0", "hive1", "hive2")
REPOSITORY = "hive3"
STACK = "bench"
FIRST_PORT = 20000
TIMEOUT = 900
LOOK = 0.2
HEAD = """\
site = "{site}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
host_image = "debootstrap:bookworm"  # has the docker command, which the comparison needs
separate_repository = true
[bases."debian:12"]
debootstrap = "bookworm"
[images.idle]
from = "debian:12"
command = ["sleep", "infinity"]
[networks.own]
[services.first]
image = "idle"
endpoint_mode = "dnsrr"
init = true
networks = ["own"]
"""
SERVICE = """
[volumes.{name}-data]
hosts = ["{hive}"]
[services.{name}]
image = "idle"
endpoint_mode = "dnsrr"
init = true
environment = {{ WORD = "{word}", NAME = "{name}" }}
labels = {{ bench = "{name}" }}
networks = ["mesh"]
ports = [{{ target_port = 80, published_port = {port}, mode = "host" }}]
volumes = [{{ source = "{name}-data", target = "/srv" }}]
"""
ENVIRONMENT = {**os.environ, "DOIT_FILE": str(ROOT / "dodo.py"), "CI": "true"}
Words = Mapping[str, str]


class Swarm:
    """The swarm, seen from outside."""

    def __init__(self, peer: Peer) -> None:
        """Connect by a way of its own."""
        self.api = APIClient(f"unix://{peer.socket}")
        self.peer = peer

    def running(self) -> dict[str, str]:
        """Return the services of which a task runs, each with the word that it runs with."""
        names = {service["ID"]: service["Spec"]["Name"] for service in self.api.services()}
        found = {}
        for task in self.api.tasks(filters={"desired-state": "running"}):
            environment = task["Spec"]["ContainerSpec"].get("Env") or ()
            word = next((line[5:] for line in environment if line.startswith("WORD=")), "")
            if task["Status"]["State"] == "running" and word and task["ServiceID"] in names:
                found[names[task["ServiceID"]].removeprefix(f"{STACK}_")] = word
        return found

    def run(self, words: Words) -> bool:
        """Return whether all these services run with their words."""
        return words.items() <= self.running().items()

    def wait_empty(self, names: Sequence[str]) -> None:
        """Wait until the hives have no container of these services any more."""
        deadline = time.monotonic() + TIMEOUT
        script = "docker ps -a --format '{{.Label \"com.docker.swarm.service.name\"}}'"
        while any(
            set(names) & set(self.peer.run(script, host=hive).replace(f"{STACK}_", "").split())
            for hive in HIVES
        ):
            if time.monotonic() > deadline:
                sys.exit("containers are left")
            time.sleep(1)


class Bench:
    """The two ways, and how long each took.

    Args:
        directory: The site's.
        cidr: The hosts' network.
        count: How many services.

    """

    def __init__(self, directory: Path, cidr: str, count: int) -> None:
        """Write the site without the services that are measured."""
        self.directory = directory
        self.head = HEAD.format(site=SITE, cidr=cidr)
        self.words = {f"s{i:02}": "one" for i in range(count)}
        self.rows: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
        self.image = ""
        self.edits = 0
        (directory / "site.toml").write_text(self.head)

    # -- skep ----------------------------------------------------------------------------------------------------------

    def doit(self, *arguments: str) -> list[str]:
        """Return the command that runs doit."""
        return [sys.executable, "-m", "doit", *arguments]

    def write(self) -> None:
        """Write the services into site.toml."""
        services = [
            SERVICE.format(name=name, hive=HIVES[i % len(HIVES)], word=word, port=FIRST_PORT + i)
            for i, (name, word) in enumerate(self.words.items())
        ]
        (self.directory / "site.toml").write_text("".join([self.head, "[networks.mesh]\n", *services]))

    def forget(self, swarm: Swarm) -> None:
        """Remove skep's services with all that they have."""
        (self.directory / "site.toml").write_text(self.head)
        volumes = ",".join(f"{name}-data" for name in self.words)
        ran(self.doit("prune", f"confirm={SITE}", f"volumes={volumes}"), self.directory)
        swarm.wait_empty(list(self.words))

    # -- Docker alone --------------------------------------------------------------------------------------------------

    def write_stack(self) -> Path:
        """Write the same services as a stack. JSON is YAML."""
        services = {
            name: {
                "image": self.image,
                "init": True,
                "environment": {"WORD": word, "NAME": name},
                "networks": ["mesh"],
                "ports": [
                    {"target": 80, "published": FIRST_PORT + i, "protocol": "tcp", "mode": "host"},
                ],
                "volumes": [f"{name}-data:/srv"],
                "deploy": {
                    "endpoint_mode": "dnsrr",
                    "labels": {"bench": name},
                    "placement": {"constraints": [f"node.hostname==p-{HIVES[i % len(HIVES)]}.{SITE}"]},
                },
            }
            for i, (name, word) in enumerate(self.words.items())
        }
        volumes = {f"{name}-data": {} for name in self.words}
        table = {
            "version": "3.8",
            "services": services,
            "volumes": volumes,
            "networks": {"mesh": {"driver": "overlay"}},
        }
        path = self.directory / "stack.json"
        path.write_text(json.dumps(table))
        return path

    def stack(self, *options: str) -> list[str]:
        """Return the command that deploys the stack."""
        file = str(self.write_stack())
        return ["docker", "stack", "deploy", "--with-registry-auth", *options, "-c", file, STACK]

    def forget_stack(self, swarm: Swarm) -> None:
        """Remove the stack with all that it has."""
        swarm.peer.ran(["docker", "stack", "rm", STACK])
        swarm.wait_empty(list(self.words))
        for hive in HIVES:
            swarm.peer.run(f"docker volume ls -qf name=^{STACK}_ | xargs -r docker volume rm", host=hive)
        deadline = time.monotonic() + TIMEOUT
        while swarm.api.networks(names=[f"{STACK}_mesh"]):
            if time.monotonic() > deadline:
                sys.exit("the stack's network does not go")
            time.sleep(1)

    # -- rows ----------------------------------------------------------------------------------------------------------

    def measure(
        self, row: str, way: str, command: Sequence[str], environment: Mapping[str, str], swarm: Swarm
    ) -> None:
        """Run a command, and look from outside when all services run with their words."""
        with tempfile.TemporaryFile("w+") as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=self.directory, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
            run, ended = 0.0, 0.0
            nothing = swarm.run(self.words) if row.startswith("nothing") else False
            while not run or not ended:
                now = time.perf_counter() - began
                if not ended and process.poll() is not None:
                    ended = now
                if not run and (nothing or swarm.run(self.words)):
                    run = time.perf_counter() - began
                if now > TIMEOUT or process.returncode:
                    output.seek(0)
                    sys.exit(f"{' '.join(command)}: {process.returncode} after {now:.0f} s\n{output.read()}")
                time.sleep(0.01 if run else LOOK)
        if nothing:
            run = ended
        self.rows[row][way].append((run, ended))
        print(f"{row}: {way}: all run after {run:.2f} s, ended after {ended:.2f} s", flush=True)

    def skep(self, row: str, swarm: Swarm) -> None:
        """Measure skep."""
        self.write()
        self.measure(row, "skep", self.doit("run"), ENVIRONMENT, swarm)

    def docker(self, row: str, way: str, command: Sequence[str], swarm: Swarm) -> None:
        """Measure Docker's client."""
        self.measure(row, way, command, swarm.peer.environment, swarm)

    def change(self) -> str:
        """Give one service another word, and return its name."""
        self.edits += 1
        name = list(self.words)[self.edits % len(self.words)]
        self.words[name] = f"edit{self.edits}"
        return name

    def with_skep(self, swarm: Swarm, times: int) -> None:
        """Go through skep's rows."""
        self.skep("from nothing", swarm)
        for _ in range(times):
            self.skep("nothing to do", swarm)
        for _ in range(times):
            self.change()
            self.skep("one changed", swarm)
        self.forget(swarm)

    def with_docker(self, swarm: Swarm, times: int) -> None:
        """Go through the rows of Docker's client."""
        self.docker("from nothing", "stack", self.stack(), swarm)
        for _ in range(times):
            self.docker("nothing to do", "stack", self.stack(), swarm)
            self.docker(
                "nothing to do", "stack, images never resolved", self.stack("--resolve-image", "never"), swarm
            )
        for _ in range(times):
            self.change()
            self.docker("one changed", "stack", self.stack(), swarm)
            name = self.change()
            bare = ["docker", "service", "update", "--env-add", f"WORD={self.words[name]}", f"{STACK}_{name}"]
            self.docker("one changed", "bare service update", bare, swarm)
        self.forget_stack(swarm)

    def table(self) -> Iterator[str]:
        """Yield the lines of a table."""
        yield "| | all run after | the command ended after |"
        yield "|---|---|---|"
        for row, ways in self.rows.items():
            for way, taken in ways.items():
                run, ended = (statistics.median(each) for each in zip(*taken, strict=True))
                yield f"| {row}: {way} | {run:.2f} s | {ended:.2f} s (n={len(taken)}) |"


def ran(command: Sequence[str], directory: Path) -> None:
    """Run a command that must end well."""
    done = subprocess.run(
        command, cwd=directory, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


@contextmanager
def connected(directory: Path) -> Iterator[Peer]:
    """Have Docker's client connected to the first hive within."""
    peer = Peer(directory, SITE, REPOSITORY)
    try:
        yield peer
    finally:
        peer.close()


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cidr", default="172.31.250.0/24", help="a network that is free on this machine")
    parser.add_argument("--count", type=int, default=50, help="how many services")
    parser.add_argument("--rounds", type=int, default=2, help="how often all is gone through")
    parser.add_argument("--times", type=int, default=3, help="how often the quick rows are measured in each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as name:
        directory = Path(name)
        bench = Bench(directory, options.cidr, options.count)
        try:
            ran(bench.doit("run"), directory)
            record = json.loads((directory / "state/private/build_images/idle.json").read_text())
            bench.image = record["reference"]
            with connected(directory) as peer:
                swarm = Swarm(peer)
                for hive in HIVES:
                    # Whoever comes first must not pay for the pull.
                    peer.run(
                        f"docker login -u skep --password-stdin {peer.registry} 2>/dev/null",
                        peer.password,
                        hive,
                    )
                    peer.run(f"docker pull -q {bench.image}", host=hive)
                ways: list[Callable[[Swarm, int], None]] = [bench.with_skep, bench.with_docker]
                for number in range(options.rounds):
                    for way in ways if number % 2 == 0 else reversed(ways):
                        way(swarm, options.times)
        finally:
            ran(bench.doit("destroy", f"confirm={SITE}", "volumes=all"), directory)
    print()
    print("\n".join(bench.table()))


if __name__ == "__main__":
    main()
