"""Numbered lines of a container through shipper and collector: `./setup python bench/logs.py IMAGE`. Prints a table.

As root, on a machine with a Docker Engine and Debian's rsyslog and rsyslog-relp; the image has `python3`. Shipper and
collector are those of hosts, with the collector's own configuration, on the loopback; they are killed as a row says.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from agent.logs import ship
from agent.logs.lines import CentralLine
from agent.logs.relp import Relp
from agent.logs.ship import ShipConfig, Shipper
from agent.logs.troubles import Troubles
from model.secrets.certificate import issue, make_ca
from remote.hostsetup.logs import collector_conf

LINES, PORT, NAME = 200_000, 25_140, "localhost"
_TASK = "com.docker.swarm.task.name"
_SETTLED = 15.0
"""Seconds without a new line after which no more is expected."""
_PROGRAM = """\
import sys, time
count, rate, begun = int(sys.argv[1]), int(sys.argv[2]), time.time()
for number in range(count):
    sys.stdout.write(f"{number:07d} the quick brown fox jumps over the lazy dog and says so\\n")
    if number % 200 == 199:
        sys.stdout.flush()
        time.sleep(max(0, begun + number / rate - time.time()))
"""


class NoJournal:
    """In the place of the machine's journal, whose lines are not measured."""

    def __init__(self, _host: str, cursor: str, _troubles: Troubles) -> None:
        self.cursor = cursor

    def read(self, _most: int) -> list[CentralLine]:
        """Return nothing."""
        return []

    def close(self) -> None:
        """Do nothing."""


def shipping(directory: Path, containers: str) -> None:
    """Be the shipper, until the process is ended."""
    ship.HostJournal = NoJournal  # type: ignore[misc, assignment] # only here
    files = (directory / "ca.crt", directory / "ship.crt", directory / "ship.key")
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    config = ShipConfig("hive0", NAME, PORT, containers, *map(str, files))
    Shipper(config, Relp(NAME, PORT, *files), directory / "sent.json", stopped).run()


class Pair:
    """A shipper and a collector in a directory of their own.

    Args:
        directory: The directory.
        rsyslogd: The command of rsyslog.

    """

    def __init__(self, directory: Path, rsyslogd: Sequence[str]) -> None:
        self._directory, self._rsyslogd = directory, rsyslogd
        self.containers = directory / "containers"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for part in ("services", "hosts", "work", "containers"):
            (directory / part).mkdir()
        key, ca = make_ca("bench")
        (directory / "ca.crt").write_text(ca)
        for name, is_client in (("tls", False), ("ship", True)):
            private, certificate = issue(key, ca, [NAME], is_client=is_client)
            (directory / f"{name}.crt").write_text(certificate)
            (directory / f"{name}.key").write_text(private.reveal())
        conf = collector_conf([NAME], str(directory), str(directory / "ca.crt"), PORT)
        conf = conf.replace("/var/log/", f"{directory}/").replace("/var/lib/skep-logs", f"{directory}/work")
        (directory / "rsyslog.conf").write_text(conf)

    def start(self, *names: str) -> None:
        """Start `shipper` or `collector`, or both."""
        words = {
            "collector": [*self._rsyslogd, "-n", "-iNONE", "-f", str(self._directory / "rsyslog.conf")],
            "shipper": [sys.executable, __file__, "--ship", str(self._directory), str(self.containers)],
        }
        for name in names:
            with (self._directory / f"{name}.txt").open("ab") as output:
                self._running[name] = subprocess.Popen(words[name], stdout=output, stderr=output)

    def end(self, *names: str, number: int = signal.SIGKILL) -> None:
        """End them, by default by a kill."""
        for name in names:
            self._running[name].send_signal(number)
        for name in names:
            self._running[name].wait()

    def close(self) -> None:
        """End what runs."""
        self.end(*self._running)

    def numbers(self) -> Counter[int]:
        """Return how often each number is in the file that came out."""
        path = self._directory / "services" / "web.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return Counter(int(line.split(" ")[4]) for line in lines)

    def settled(self) -> Counter[int]:
        """Wait until no more comes, and return how often each number is there."""
        found, changed = self.numbers(), time.monotonic()
        while len(found) < LINES and time.monotonic() - changed < _SETTLED:
            time.sleep(1)
            newer = self.numbers()
            if newer.total() != found.total():
                found, changed = newer, time.monotonic()
        return found


def nothing(_pair: Pair) -> None:
    """Let them run."""


def outages(pair: Pair) -> None:
    """Kill the collector for eight seconds, and stop it for six."""
    for number, pause in ((signal.SIGKILL, 8), (signal.SIGTERM, 6)):
        time.sleep(4)
        pair.end("collector", number=number)
        time.sleep(pause)
        pair.start("collector")


def kills(*names: str) -> Callable[[Pair], None]:
    """Return what kills them three times, and starts them a second later."""

    def act(pair: Pair) -> None:
        for _ in range(3):
            time.sleep(3)
            pair.end(*names)
            time.sleep(1)
            pair.start(*names)

    return act


ROWS: Sequence[tuple[str, str, int, Callable[[Pair], None]]] = (
    ("nothing else happens, files of 10 MB", "json-file max-size=10m", 8000, nothing),
    ("files of 1 MB: 40 rotations", "json-file max-size=1m", 8000, nothing),
    (
        "the collector is killed, and back after 8 s; stopped, and back after 6 s",
        "json-file max-size=10m",
        6000,
        outages,
    ),
    ("the shipper is killed three times", "json-file max-size=10m", 6000, kills("shipper")),
    (
        "shipper and collector are killed three times, both at once",
        "json-file max-size=10m",
        6000,
        kills("shipper", "collector"),
    ),
    ("the same with files of 1 MB", "json-file max-size=1m", 8000, kills("shipper", "collector")),
    (
        "files of 1 MB, compressed; the shipper is killed three times",
        "json-file max-size=1m compress=true",
        8000,
        kills("shipper"),
    ),
    ("the same with driver local", "local max-size=1m compress=true", 8000, kills("shipper")),
)
"""What happens, the logging driver with its options, lines a second, what is done."""


def measured(
    image: str, rsyslogd: Sequence[str], files: str, rate: int, act: Callable[[Pair], None]
) -> Counter[int]:
    """Return how often each number came out."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        pair = Pair(directory, rsyslogd)
        driver, *options = files.split()
        log = [f"--log-driver={driver}", *(f"--log-opt={option}" for option in [*options, "max-file=50"])]
        words = ["--network=none", f"--label={_TASK}=web.1.bench", *log, "--entrypoint=python3", image]
        made = docker("create", *words, "-c", _PROGRAM, str(LINES), str(rate))
        try:
            root = json.loads(docker("info", "--format", "{{json .DockerRootDir}}"))
            (pair.containers / made).symlink_to(f"{root}/containers/{made}")
            pair.start("collector", "shipper")
            docker("start", made)
            act(pair)
            docker("wait", made)
            return pair.settled()
        finally:
            pair.close()
            docker("rm", "--force", made)


def docker(*words: str) -> str:
    """Run docker, and return what it says."""
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Measure each row, or be a shipper."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("containers", nargs="?")
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--rsyslogd", default="/usr/sbin/rsyslogd")
    parser.add_argument("--only", default="", help="measure the rows alone that have this in their names")
    words = parser.parse_args()
    if words.ship:
        shipping(Path(words.image), words.containers)
        return
    sys.stdout.write("| | lines a second | missing | twice |\n|---|---|---|---|\n")
    for row, files, rate, act in ROWS:
        if words.only not in row:
            continue
        found = measured(words.image, [words.rsyslogd], files, rate, act)
        sys.stdout.write(f"| {row} | {rate:,} | {LINES - len(found):,} | {found.total() - len(found):,} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
