"""An hour of a site that watches itself: `./setup python bench/watch.py`. Prints tables.

It builds a copy of the repository's site with `[monitoring]` and `[logs]`, and a webhook on this machine for its
alarms. Every few minutes somebody works on the site; each alarm that the webhook gets then is a false one. Meanwhile
the memory and the processor time of all that was added to the hosts are read once a minute. At the end come faults that
must alarm: a service that never runs, a killed hive, a Prometheus that is stopped.
"""

import argparse
import hashlib
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Of this checkout's own, so that two can be measured on one machine, though not at the same time.
SITE = f"bench-watch-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
DOIT = [sys.executable, "-m", "doit"]
HIVES, REPOSITORY = ("hive0", "hive1", "hive2"), "hive3"
ADDED = """
[monitoring]
watchdog = "ping_url"
[[monitoring.receivers]]
webhook_configs = [{{ url = "{address}/alarms", send_resolved = false }}]
[logs]
"""
PING = '[secrets]\nping_url = { env = "PING_URL" }'
NEVER = """
[services.never]
image = "proxy"
command = ["/bin/false"]
endpoint_mode = "dnsrr"
converge_timeout = "20s"
"""
_PATIENCE = 300
"""Seconds for which an alarm is waited for."""
_READ = """
import json, os, subprocess
stats = {}
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/stat") as file:
            stats[pid] = file.read().rpartition(")")[2].split()
    except OSError:
        pass
found = {}
for unit in UNITS:
    words = ["systemctl", "show", "--value", "-p", "MainPID", unit]
    wanted = {subprocess.run(words, capture_output=True, text=True).stdout.strip()} & {*stats}
    while more := {pid for pid in stats if stats[pid][1] in wanted} - wanted:
        wanted |= more
    sizes, used = {"Pss": 0, "Rss": 0}, 0
    for pid in wanted:
        try:
            lines = open(f"/proc/{pid}/smaps_rollup").read().splitlines()
        except OSError:
            continue
        for name, _, rest in (line.partition(":") for line in lines):
            if name in sizes:
                sizes[name] += int(rest.split()[0]) * 1024
        used += sum(map(int, stats[pid][11:15]))
    if wanted:
        found[unit] = [sizes["Pss"], sizes["Rss"], used / os.sysconf("SC_CLK_TCK")]
print(json.dumps(found))
"""
UNITS = (
    "prometheus-node-exporter",
    "skep-observe",
    "skep-logs-shipper",
    "skep-logs-collector",
    "prometheus",
    "prometheus-alertmanager",
)


class Webhook:
    """Takes alarms and the watchdog's pings, until it is closed."""

    def __init__(self) -> None:
        self.alarms: list[tuple[float, Mapping[str, Any]]] = []
        self.pings: list[float] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/watchdog":
                    hook.pings.append(time.time())
                else:
                    hook.alarms.extend((time.time(), alarm["labels"]) for alarm in said["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()

    def seconds_until(self, alarm: str, since: float) -> float | None:
        """Wait for an alarm, and return how long it took; None if it did not come."""
        while time.time() < since + _PATIENCE:
            for at, labels in [*self.alarms]:
                if at >= since and labels["alertname"] == alarm:
                    return at - since
            time.sleep(0.2)
        return None


class Site:
    """A copy of the example site that watches itself.

    Args:
        directory: Where it is.
        cidr: The hosts' network.
        port: The webhook's.

    """

    def __init__(self, directory: Path, cidr: str, port: int) -> None:
        self._directory = directory
        address = f"http://{IPv4Network(cidr)[1]}:{port}"
        shutil.copytree(ROOT / "roles", directory / "roles")
        (directory / "site.toml").write_text((ROOT / "site.toml").read_text() + ADDED.format(address=address))
        self.edit("site.toml", 'site = "example"', f'site = "{SITE}"')
        self.edit("site.toml", '"172.31.252.0/24"', f'"{cidr}"')
        self.edit("site.toml", r"\[secrets\]", PING)
        self._environment = {
            **os.environ,
            "DOIT_FILE": str(ROOT / "dodo.py"),
            "CI": "true",
            "PING_URL": f"{address}/watchdog",
        }

    def edit(self, name: str, pattern: str, new: str) -> None:
        """Replace what matches first in a file of the site."""
        path = self._directory / name
        text, count = re.subn(pattern, lambda _: new, path.read_text(), count=1)
        if not count:
            sys.exit(f"{path} has no {pattern}")
        path.write_text(text)

    def add(self, text: str) -> None:
        """Write on in site.toml."""
        with (self._directory / "site.toml").open("a") as file:
            file.write(text)

    def doit(self, *arguments: str, may_fail: bool = False) -> None:
        """Run doit."""
        done = subprocess.run(
            [*DOIT, *arguments],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 and not may_fail:
            sys.exit(f"doit {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    @staticmethod
    def container(host: str) -> str:
        """Return the name of a host's container."""
        return f"skep.{SITE}.private.{host}"

    def read(self, host: str) -> Mapping[str, Sequence[float]]:
        """Return each unit's bytes by shares, resident bytes, and seconds of processor time."""
        program = f"UNITS = {UNITS!r}\n{_READ}"
        words = ["docker", "exec", "-i", self.container(host), "python3", "-"]
        told = subprocess.run(words, input=program, capture_output=True, text=True, check=True).stdout
        found: Mapping[str, Sequence[float]] = json.loads(told)
        return found


class Samples:
    """What the units took, read once a minute until it is closed.

    Args:
        site: Where they run.

    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._found: dict[tuple[str, str], list[Sequence[float]]] = {}
        self._used: dict[tuple[str, str], float] = defaultdict(float)
        self._over = threading.Event()
        self._began = self._ended = time.time()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read no more."""
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        """Read until it is over."""
        while True:
            for host in (*HIVES, REPOSITORY):
                for unit, values in self._site.read(host).items():
                    found = self._found.setdefault((host, unit), [])
                    before = found[-1][2] if found else values[2]
                    # A unit that was started anew counts from nothing.
                    self._used[host, unit] += values[2] - before if values[2] >= before else values[2]
                    found.append(values)
            self._ended = time.time()
            if self._over.wait(60):
                return

    def print(self) -> None:
        """Print a table: of each hive all units together as well."""
        seconds = self._ended - self._began
        print(f"\n{seconds / 60:.0f} minutes, {len(next(iter(self._found.values())))} looks")
        print("\n| host | unit | memory by shares, mean and most | resident, most | processor |")
        print("|---|---|---|---|---|")
        for host in (*HIVES, REPOSITORY):
            rows = {unit: values for (at, unit), values in self._found.items() if at == host}
            looks = zip(*rows.values(), strict=False)
            rows["together"] = [[sum(column) for column in zip(*look, strict=True)] for look in looks]
            for unit, values in rows.items():
                shares, resident, _ = zip(*values, strict=True)
                used = (
                    self._used[host, unit]
                    if unit != "together"
                    else sum(self._used[host, each] for each in UNITS)
                )
                print(
                    f"| {host} | {unit} | {statistics.mean(shares) / 1e6:.1f} MB, {max(shares) / 1e6:.1f} MB "
                    f"| {max(resident) / 1e6:.1f} MB | {used / seconds:.2%} |"
                )


def works(site: Site) -> Sequence[tuple[str, Callable[[int], None]]]:
    """Return what somebody does to the site, each with what does it for a given time."""

    def changed(file: str, pattern: str, new: str) -> None:
        site.edit(file, pattern, new)
        site.doit()

    return (
        ("a run with nothing to do", lambda _: site.doit()),
        ("a rolling update", lambda n: changed("site.toml", 'SITE_NAME = ".*?"', f'SITE_NAME = "bench{n}"')),
        ("a restart on all hives", lambda _: site.doit("restart", "powerdns")),
        ("a step on all hosts", lambda n: changed("site.toml", r'"\d.debian.pool', f'"{n % 4}.debian.pool')),
        ("a new image", lambda n: changed("roles/nginx/files/index.html", "</body>", f"<!-- {n} --></body>")),
        ("a backup", lambda _: site.doit("backup")),
        ("a restart of the database", lambda _: site.doit("restart", "pdnsdb")),
        ("a rollback", lambda _: site.doit("rollback", "proxy")),
        ("status, alerts and page", lambda _: look(site)),
    )


def look(site: Site) -> None:
    """Look at the site."""
    site.doit("status")
    site.doit("alerts")
    site.doit("page", "page.html")


@contextmanager
def built(cidr: str, port: int) -> Iterator[Site]:
    """Give the site, and destroy it afterwards."""
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as directory:
        site = Site(Path(directory), cidr, port)
        try:
            site.doit()
            yield site
        finally:
            site.doit("destroy", f"confirm={SITE}", "volumes=all")


def hour(site: Site, hook: Webhook, minutes: float, pause: float) -> None:
    """Work on the site every few minutes, and print what the webhook got, and what all took."""
    samples, began = Samples(site), time.time()
    counts: dict[str, int] = {}
    for number, (name, work) in enumerate(itertools.cycle(works(site))):
        if time.time() > began + minutes * 60:
            break
        started = time.time()
        work(number)
        counts[name] = counts.get(name, 0) + 1
        said = "".join(f" {labels}" for at, labels in hook.alarms if at >= started)
        print(f"{time.strftime('%H:%M:%S')} {name}: {time.time() - started:.0f} s{said}", flush=True)
        time.sleep(max(0, pause * 60 - (time.time() - started)))
    samples.close()
    print(f"\n{', '.join(f'{name} ({count})' for name, count in counts.items())}: {len(hook.alarms)} alarms")
    for at, labels in hook.alarms:
        print(f"{time.strftime('%H:%M:%S', time.localtime(at))} {labels}")
    samples.print()


def faults(site: Site, hook: Webhook) -> None:
    """Print how long the alarms of faults took."""
    print("\n| fault | alarm | after |\n|---|---|---|")

    def row(fault: str, alarm: str, since: float) -> None:
        took = hook.seconds_until(alarm, since)
        print(f"| {fault} | `{alarm}` | {'never' if took is None else f'{took:.0f} s'} |", flush=True)

    site.add(NEVER)
    site.doit(may_fail=True)
    row("a service that never runs, from the end of its run on", "ServiceDown", time.time())
    since = time.time()
    subprocess.run(["docker", "kill", site.container("hive2")], check=True, capture_output=True)
    row("`docker kill` of a hive", "HostSilent", since)
    since = time.time()
    subprocess.run(
        ["docker", "exec", site.container(REPOSITORY), "systemctl", "stop", "prometheus"], check=True
    )
    time.sleep(_PATIENCE)
    print(f"| Prometheus is stopped | the watchdog's last ping | {max(hook.pings) - since:.0f} s |")


def main() -> None:
    """Measure everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cidr", default="172.31.249.0/24", help="a network that is free on this machine")
    parser.add_argument("--minutes", type=float, default=60, help="how long somebody works on the site")
    parser.add_argument("--pause", type=float, default=2.5, help="minutes from one work to the next")
    options = parser.parse_args()
    hook = Webhook()
    try:
        with built(options.cidr, hook.port) as site:
            hour(site, hook, options.minutes, options.pause)
            faults(site, hook)
    finally:
        hook.close()


if __name__ == "__main__":
    main()
