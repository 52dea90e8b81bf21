"""The example site, measured: `./setup python bench/site.py`. Prints a table; changes nothing of other sites.

It builds a copy of the repository's site under a name and a network of its own, and destroys it at the end. The docker
provider's host image is shared by all sites of a machine: `--cold` removes it first if no other site uses it, so that
the first row has everything in it.
"""

import argparse
import hashlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from remote.ssh.ssh_files import socket_directory

ROOT = Path(__file__).parents[1]
# Of this checkout's own, so that two can be measured on one machine, though not at the same time.
SITE = f"bench-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
DOIT = [sys.executable, "-m", "doit"]
SUMMARY = re.compile(r"resources|reachable|failed:")
LINE = re.compile(r"^([a-z_]+:\S+)", re.MULTILINE)


class Bench:
    """A copy of the example site, and the rows measured on it."""

    def __init__(self, directory: Path, cidr: str) -> None:
        self.directory = directory
        self.rows: list[tuple[str, str, str, str]] = []
        for name in ("site.toml", "roles"):
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, directory / name)
        self.edit("site.toml", 'site = "example"', f'site = "{SITE}"')
        self.edit("site.toml", '"172.31.252.0/24"', f'"{cidr}"')

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file of the site."""
        path = self.directory / name
        text = path.read_text()
        if old not in text:
            sys.exit(f"{path} has no {old!r}")
        path.write_text(text.replace(old, new))

    def doit(self, *arguments: str) -> tuple[float, int, list[str]]:
        """Run doit; return wall seconds, peak memory in MiB, and the tasks that it did."""
        environment = {**os.environ, "DOIT_FILE": str(ROOT / "dodo.py"), "CI": "true"}
        with tempfile.TemporaryFile("w+") as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                [*DOIT, *arguments],
                cwd=self.directory,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            took = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read()
        if process.returncode != 0:
            sys.exit(f"doit {' '.join(arguments)} ended with {process.returncode}:\n{text}")
        return took, usage.ru_maxrss // 1024, LINE.findall(text)

    def row(
        self, name: str, goal: str, *arguments: str, times: int = 1, before: Callable[[], None] | None = None
    ) -> None:
        """Measure a run and keep the median."""
        took, memory, done = [], 0, []
        for _ in range(times):
            if before is not None:
                before()
            seconds, mib, done = self.doit(*arguments)
            took.append(seconds)
            memory = max(memory, mib)
        what = ", ".join(done) if 0 < len(done) <= 3 else f"{len(done)} tasks"  # noqa: PLR2004 - what fits a table
        cell = f"{statistics.median(took):.2f} s" + (
            f" (n={times}, max {max(took):.2f})" if times > 1 else ""
        )
        self.rows.append((name, cell, goal, f"{what}; {memory} MiB"))
        print(f"{name}: {cell}; {what}; {memory} MiB", flush=True)

    def close_connections(self) -> None:
        """End the shared ssh connections, so that the next run has to open new ones."""
        config = self.directory / "state" / "private" / "ssh_config"
        for control in socket_directory(config.parent).glob("*.ssh"):
            subprocess.run(
                ["ssh", "-F", config, "-o", f"ControlPath={control}", "-O", "exit", control.stem],
                capture_output=True, check=False,
            )  # fmt: skip


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cidr", default="172.31.253.0/24", help="a network that is free on this machine")
    parser.add_argument("--times", type=int, default=7, help="how often the quick rows are measured")
    parser.add_argument("--cold", action="store_true", help="remove the shared host image first")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as directory:
        bench = Bench(Path(directory), options.cidr)
        if options.cold:
            listing = ["docker", "images", "-q", "--filter", "label=skep.host-image"]
            found = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
            # One that another site's hosts are made of stays: without force, Docker refuses.
            subprocess.run(["docker", "rmi", *found], capture_output=True, check=False)
        try:
            bench.row("from nothing" + ("" if options.cold else ", host image there"), "≤ 600 s", "run")
            bench.row("nothing to do", "≤ 1.2 s", "run", times=options.times)
            bench.row(
                "nothing to do, ssh connections closed", "≤ 1.2 s", "run",
                times=options.times, before=bench.close_connections,
            )  # fmt: skip
            bench.row("doit list", "≤ 0.5 s", "list", times=options.times)
            bench.edit("site.toml", 'SITE_NAME = "example"', 'SITE_NAME = "bench"')
            bench.row("one service's environment changed", "only it", "run")
            bench.edit("roles/nginx/files/index.html", "</body>", "<!-- --></body>")
            bench.row("one line of one role changed", "its image, its service", "run")
            bench.edit("roles/nginx/files/index.html", "<!-- --></body>", "</body>")
            bench.row("that edit reverted", "nothing built", "run")
            bench.edit("site.toml", '"0.debian.pool.ntp.org"', '"3.debian.pool.ntp.org"')
            bench.row("NTP servers changed", "one step a host", "run")
            shutil.rmtree(bench.directory / "state")
            bench.row("state/ deleted", "nothing rebuilt", "run")
        finally:
            bench.doit("destroy", f"confirm={SITE}", "volumes=all")
    print("\n| | measured | goal | what ran; peak memory of doit |\n|---|---|---|---|")
    for row in bench.rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
