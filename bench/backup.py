"""A volume of 1 GB saved and restored, beside bare restic: `./setup python bench/backup.py`. Prints a table.

On a site of its own with one hive, which is the repository host as well. Both ways push to the same server over TLS,
in turns, so that what else the machine does is the same for each: the agent as the hive's timer starts it, and restic
as somebody types it there, with a repository of its own. Each round begins with empty repositories.
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
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Of this checkout's own, so that two can be measured on one machine, though not at the same time.
SITE = f"bench-backup-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
HOST = f"skep.{SITE}.private.hive0"
TOML = """\
site = "{site}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
number_of_hosts = 1
separate_repository = false
[bases."debian:13"]
debootstrap = "trixie"
[images.idle]
from = "debian:13"
command = ["sleep", "infinity"]
[backup]
verify = "never"
[volumes.data]
hosts = ["hive0"]
[services.store]
image = "idle"
endpoint_mode = "dnsrr"
init = true
volumes = [{{ source = "data", target = "/data" }}]
[[services.store.backup_scripts]]
name = "files"
volume = "data"
"""
DATA = "/var/lib/docker/volumes/data/_data"
FILL = f"""
mkdir -p {DATA}/large {DATA}/small
for n in $(seq 1 9); do head -c 100M /dev/urandom >{DATA}/large/$n; done
head -c 100M /dev/urandom | split -b 50K -a 4 - {DATA}/small/
"""
"""Nine files of 100 MB and two thousand of 50 kB, none of which can be compressed."""
CHANGE = f"""
head -c 10M /dev/urandom | dd of={DATA}/large/1 bs=1M seek=40 conv=notrunc status=none
ls {DATA}/small | head -n 100 | while read -r name; do head -c 50K /dev/urandom >{DATA}/small/$name; done
"""
"""10 MB amid a large file, and a hundred small ones."""
EMPTY = """
rm -rf /var/lib/skep-backup/hive0 /var/cache/skep-backup /var/cache/bare /var/lib/skep/backup /opt/bare
python3 -I /usr/local/lib/skep/agent.pyz backup accounts
systemctl restart skep-backup-server
umask 077
mkdir -p /opt/bare
sed 's,/hive0/$,/hive0/bare/,' /etc/skep/backup/repository >/opt/bare/repository
cp /etc/skep/backup/password /opt/bare/password
"""
"""Has both begin with nothing: repositories, caches, what is known of former jobs, also what the server knows."""
AGENT = "python3 -I /usr/local/lib/skep/agent.pyz backup"
RESTIC = (
    "RESTIC_REPOSITORY_FILE=/opt/bare/repository RESTIC_PASSWORD_FILE=/opt/bare/password "
    "RESTIC_CACHE_DIR=/var/cache/bare restic --cacert /etc/skep/ca.crt"
)
MEASURED = """
import json, resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run(["sh", "-c", sys.argv[1]], capture_output=True, text=True)
took = time.monotonic() - began
memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([took, memory, done.returncode, done.stdout, done.stderr]))
"""
"""Runs a line of shell on the host; says its seconds, the memory of its largest process in MB, and what it printed."""
ROWS = ("first", "unchanged", "15 MB changed", "restore, compared")


class Bench:
    """The site, and what each way took.

    Args:
        directory: The site's.

    """

    def __init__(self, directory: Path, cidr: str) -> None:
        """Write the site."""
        self.directory = directory
        (directory / "site.toml").write_text(TOML.format(site=SITE, cidr=cidr))
        self.took: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.memory: dict[tuple[str, str], list[float]] = defaultdict(list)

    def doit(self, *words: str) -> None:
        """Run a command of doit's, which must end well."""
        environment = {**os.environ, "DOIT_FILE": str(ROOT / "dodo.py"), "CI": "true"}
        done = subprocess.run(
            [sys.executable, "-m", "doit", *words], cwd=self.directory, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"doit {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    def on_host(self, *words: str) -> str:
        """Run a program on the hive, which must end well; return its output."""
        done = subprocess.run(["docker", "exec", HOST, *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{words[0]} on the hive ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def script(self, text: str) -> None:
        """Run a script on the hive; what it wrote is on the disk then."""
        self.on_host("sh", "-euc", f"{text}\nsync")

    def measure(self, way: str, row: str, line: str) -> str:
        """Run a line of shell on the hive, keep what it took, and return its output."""
        took, memory, status, output, errors = json.loads(self.on_host("python3", "-c", MEASURED, line))
        if status != 0:
            sys.exit(f"{line} ended with {status}:\n{output}{errors}")
        self.took[way, row].append(took)
        self.memory[way, row].append(memory)
        return str(output)

    def round(self, number: int) -> None:
        """Go through all rows once, in each by both ways, of which the other one is first in the next round."""
        self.script(f"rm -rf {DATA}/* /opt/restored\n{FILL}\n{EMPTY}")
        self.script(f"until {RESTIC} init; do sleep 0.2; done")
        identity = ""

        def skep(row: str) -> None:
            nonlocal identity
            if row == ROWS[-1]:
                self.measure("skep", row, f"{AGENT} read {identity} --service store")
                return
            output = self.measure("skep", row, f"{AGENT} run --service store --kind asked")
            beginning = json.loads(output.splitlines()[-1])["result"]["generations"][0]["id"]
            # The repository host gives a restoration the whole id.
            found = self.on_host("find", "/var/lib/skep-backup/hive0/snapshots", "-name", f"{beginning}*")
            identity = found.strip().rpartition("/")[2]

        def bare(row: str) -> None:
            words = (
                "restore latest --target /opt/restored --verify"
                if row == ROWS[-1]
                else f"backup {DATA} --host hive0"
            )
            self.measure("restic", row, f"{RESTIC} {words}")

        for row in ROWS:
            if row == "15 MB changed":
                self.script(CHANGE)
            for way in (skep, bare) if number % 2 else (bare, skep):
                way(row)
        self.script(f"{AGENT} settle --service store")


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cidr", default="172.31.250.0/24", help="a network that is free on this machine")
    parser.add_argument("--rounds", type=int, default=3, help="how often all rows are gone through")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as directory:
        bench = Bench(Path(directory), options.cidr)
        try:
            bench.doit()
            bench.script("systemctl stop skep-backup.timer skep-backup-keep.timer")
            for number in range(options.rounds):
                bench.round(number)
                print(
                    f"round {number + 1} of {options.rounds} at {time.strftime('%H:%M:%S')}", file=sys.stderr
                )
        finally:
            bench.doit("destroy", f"confirm={SITE}", "volumes=all")
    print(
        "\n| | skep | bare restic | ratio | memory: skep | memory: bare restic |\n|---|---|---|---|---|---|"
    )
    for row in ROWS:
        seconds = {way: statistics.median(bench.took[way, row]) for way in ("skep", "restic")}
        cells = [
            f"{seconds[way]:.2f} s ({min(bench.took[way, row]):.2f} to {max(bench.took[way, row]):.2f})"
            for way in ("skep", "restic")
        ]
        memory = [f"{statistics.median(bench.memory[way, row]):.0f} MB" for way in ("skep", "restic")]
        ratio = seconds["skep"] / seconds["restic"]
        print(f"| {' | '.join([row, *cells, f'{ratio:.2f}', *memory])} |")


if __name__ == "__main__":
    main()
