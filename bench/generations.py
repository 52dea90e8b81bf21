"""How long a repository host takes to list many generations, and a hive to add one: `bench/generations.py DIRECTORY`.

The repository in the directory is filled up to --generations, which takes a second for each; --times N looks N times.
"""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.backup import restic
from agent.backup.config import RepositoryConfig
from agent.backup.notes import SEAL, add_note, data_tags
from agent.backup.repository.generations import listing
from agent.backup.repository.policy import Stored, kept
from agent.backup.repository.repositories import known, of_hive

HIVE = "hive0"
KEEP = {"last": 3, "daily": 7, "weekly": 4, "monthly": 6}


def main() -> None:
    """Fill the repository, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--generations", type=int, default=500)
    parser.add_argument("--times", type=int, default=5)
    words = parser.parse_args()
    root: Path = words.directory.resolve()
    restic._CACHE = str(root / "cache")  # noqa: SLF001 - beside those of this machine's own repositories
    config = RepositoryConfig(
        root=root / "repositories", user="", hives={HIVE: "of-the-bench"}, password="", keep=KEEP, copies=()
    )
    config.root.mkdir(parents=True, exist_ok=True)
    if not known(config):
        of_hive(config, HIVE).init()
    missing = words.generations - len(listing(config).generations)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda number: add(config, root / "data" / str(number)), range(missing)))

    def forget_the_cache() -> None:
        shutil.rmtree(root / "cache", ignore_errors=True)

    found = listing(config).generations
    stored = [Stored(each.id, each.arrived, each.kind, each.is_good) for each in found]
    now = datetime.now(UTC)
    rows: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "list": (lambda: listing(config), lambda: None),
        "list, without restic's cache": (lambda: listing(config), forget_the_cache),
        "decide what is kept": (lambda: kept(stored, KEEP, now), lambda: None),
        "add one, and its seal": (lambda: add(config, root / "data" / "more"), lambda: None),
    }
    print(f"| {len(found)} generations | seconds: median (largest of {words.times}) |\n|---|---|")
    for name, (do, before) in rows.items():
        taken = [timed(do, before) for _ in range(words.times)]
        print(f"| {name} | {statistics.median(taken):.2f} ({max(taken):.2f}) |")


def add(config: RepositoryConfig, data: Path) -> None:
    """Make a generation, as a hive does."""
    data.mkdir(parents=True)
    (data / "rows").write_text(f"{data}{time.time()}")
    repository = of_hive(config, HIVE)
    made = repository.backup(data, HIVE, data_tags("bench", "db", "scheduled"), lambda _line: None)
    facts = {"bytes": 1, "files": 1, "added": 1, "seconds": 1, "scripts": {"db": "db.dump"}}
    identity = repository.identity(str(made["snapshot_id"]))
    add_note(repository, HIVE, SEAL, identity, facts, data)
    shutil.rmtree(data)


def timed(do: Callable[[], Any], before: Callable[[], Any]) -> float:
    """Return how many seconds something takes, what is done before not counted."""
    before()
    began = time.monotonic()
    do()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
