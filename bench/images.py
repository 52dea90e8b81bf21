"""Three images, built side by side by skep and by others: `./setup python bench/images.py`. Prints a table.

All build on one repository host of a site of the bench's own, a container on this machine, and push to its registry.
They take turns within every row, so that what else the machine does, and the package mirror, is the same for all. After
each build it is looked into the images: whether they are what the sources say, and which digests are new.
"""

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from image_builders import IMAGES, ROOT, SITE_TOML, Builder, Docker, Hive, Host, Skep, Texts, write_site

# Of this checkout's own, so that two can be measured on one machine, though not at the same time.
SITE = f"bench-images-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
DOIT = [str(ROOT / "setup"), "doit"]
FIRST = {
    f"{word}.{name}": f"{word} of {name}"
    for word in ("config", "content", "word", "extra")
    for name in IMAGES
}
FIRST |= {"packages": "packages", "common": "common"}
FIRST |= {f"word.{name}": name for name in IMAGES}
REMOVED, REVERTED = "a line removed from a role", "that edit reverted"
_LOOK = 3.0
"""Seconds that it takes to look at three images after a build, at most."""
NUMBERS = iter(range(1, 1 << 30))


@dataclass(frozen=True)
class Row:
    """One kind of edit.

    Args:
        name: What is done.
        edit: Makes new texts of the present ones.
        new: How many images ought to be new ones afterwards.
        fresh: Whether what builders have built is forgotten first.

    """

    name: str
    edit: Callable[[Texts], Texts]
    new: int
    fresh: bool = False


@dataclass
class Cell:
    """One builder's figures in one row.

    Args:
        seconds: How long each build took.
        new: How many images were new ones after each.
        wrong: What was not as the sources say.

    """

    seconds: list[float] = field(default_factory=list)
    new: set[int] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)


def changed(*names: str) -> Callable[[Texts], Texts]:
    """Return an edit that gives some texts another content, such as never was before."""
    return lambda texts: {
        **texts,
        **{name: f"{FIRST[name]} {next(NUMBERS)}".replace(" ", "-") for name in names},
    }


def rows() -> Iterator[Row]:
    """Yield the rows, each after those that it builds on."""
    yield Row("from nothing", changed(*FIRST), len(IMAGES), fresh=True)
    yield Row("nothing to do", dict, 0)
    yield Row("last layer changed", changed("content.web"), 1)
    yield Row("first layer changed", changed("packages"), len(IMAGES))
    yield Row("config only", changed("word.web"), 1)
    kept: dict[str, str] = {}

    def remove(texts: Texts) -> Texts:
        kept.update(texts)
        return {**texts, "extra.web": ""}

    yield Row(REMOVED, remove, 1)
    yield Row(REVERTED, lambda _texts: dict(kept), 1)


class Bench:
    """The builders, and the figures of each.

    Args:
        host: The repository host.
        builders: All that are measured.

    """

    def __init__(self, host: Host, builders: list[Builder]) -> None:
        """Begin with nothing built."""
        self.host, self.builders = host, builders
        self.cells: dict[tuple[str, str], Cell] = defaultdict(Cell)
        self._references: dict[str, dict[str, str]] = {builder.name: {} for builder in builders}
        self._kept: dict[str, dict[str, str]] = {}

    def play(self, texts: Texts, only: Mapping[str, int]) -> Texts:
        """Have all builders go through all rows, in turns; return the last texts.

        Args:
            texts: The present ones.
            only: Builder to the number of rows, from the first, that it takes part in.

        """
        for number, row in enumerate(rows()):
            texts = row.edit(texts)
            builders = [each for each in self.builders if number < only.get(each.name, number + 1)]
            if not builders:
                break
            first = number % len(builders)
            for builder in [*builders[first:], *builders[:first]]:
                self.measure(builder, row, texts)
        return texts

    def round(self, builders: list[Builder]) -> float:
        """Return about how many seconds one more round of some builders would take, with the looks into images."""
        names = {builder.name for builder in builders}
        took = [cell.seconds[-1] for (_, name), cell in self.cells.items() if name in names and cell.seconds]
        return sum(took) + _LOOK * len(took)

    def measure(self, builder: Builder, row: Row, texts: Texts) -> None:
        """Measure one build, and look into its images."""
        builder.write(texts)
        if row.fresh:
            builder.forget()
        began = time.perf_counter()
        builder.build()
        took = time.perf_counter() - began
        cell = self.cells[row.name, builder.name]
        cell.seconds.append(took)
        references = {name: builder.reference(name) for name in IMAGES}
        before = self._references[builder.name]
        cell.new.add(sum(references[name] != before.get(name) for name in IMAGES))
        self._references[builder.name] = references
        if row.name == REVERTED and references != self._kept[builder.name]:
            cell.wrong.add("not the image that it was")
        if row.name != REMOVED:
            self._kept[builder.name] = references
        for name, reference in references.items():
            found = self.host.look(reference)
            for what, text in expected(texts, name).items():
                if found.get(what) != text:
                    cell.wrong.add(f"{what} is {'still there' if not text else 'not as it should be'}")
        print(
            f"{row.name}: {builder.name}: {took:.2f} s, {max(cell.new)} new; {', '.join(cell.wrong)}",
            flush=True,
        )

    def table(self) -> Iterator[str]:
        """Yield the lines of a table, one row a job, one column a builder."""
        names = [builder.name for builder in self.builders]
        yield "| | " + " | ".join(names) + " |"
        yield "|---" * (len(names) + 1) + "|"
        for row in rows():
            cells = [self.cells[row.name, name] for name in names]
            yield f"| {row.name} | " + " | ".join(cell_text(cell, row) for cell in cells) + " |"


def cell_text(cell: Cell, row: Row) -> str:
    """Return a cell's text."""
    if not cell.seconds:
        return "-"
    took = f"{statistics.median(cell.seconds):.2f} s (n={len(cell.seconds)})"
    restarts = "" if row.fresh else f"; {'/'.join(map(str, sorted(cell.new)))} new"
    if cell.new != {row.new}:
        restarts += f", **{row.new} would do**"
    return took + restarts + "".join(f"; **wrong: {what}**" for what in sorted(cell.wrong))


def expected(texts: Texts, name: str) -> dict[str, str]:
    """Return the files that an image is to have, by path, and its variable."""
    return {
        "/etc/bench/packages": texts["packages"],
        "/etc/bench/common": texts["common"],
        "/etc/bench/config": texts[f"config.{name}"],
        "/srv/content": texts[f"content.{name}"],
        "/srv/extra": texts[f"extra.{name}"],
        "WORD": texts[f"word.{name}"],
    }


def doit(directory: Path, *arguments: str) -> None:
    """Run doit there; it must end well."""
    environment = {**os.environ, "CI": "true"}
    done = subprocess.run(
        [*DOIT, *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"doit {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cidr", default="172.31.251.0/24", help="a network that is free on this machine")
    parser.add_argument("--times", type=int, default=3, help="how often all rows are gone through")
    parser.add_argument(
        "--hive-times", type=int, default=1, help="how often of these with hive-builder's method"
    )
    parser.add_argument(
        "--hive-rows", type=int, default=len(list(rows())), help="how many rows these have, from the first"
    )
    parser.add_argument(
        "--rows", type=int, default=len(list(rows())), help="how many rows are gone through, from the first"
    )
    parser.add_argument(
        "--minutes", type=float, default=60, help="no round is begun that would end after this time"
    )
    parser.add_argument(
        "--ansible", type=Path, default=ROOT / "bench" / ".venv", help="a virtual environment for Ansible"
    )
    options = parser.parse_args()
    start = time.perf_counter()
    # Some machines have it set. A person's Python keeps what it has compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as name:
        directory = Path(name)
        head = SITE_TOML.format(site=SITE, cidr=options.cidr)
        write_site(directory, head, FIRST)
        try:
            doit(directory, "build_images:base.debian-12")
            host = Host(directory, SITE)
            try:
                others = [
                    Docker(host, "buildkit", buildkit=True),
                    Docker(host, "lean", buildkit=True, removes_caches=True),
                    Docker(host, "classic", buildkit=False),
                ]
                builders: list[Builder] = [Skep(host), *others, Hive(host, options.ansible)]
                bench = Bench(host, builders)
                texts: Texts = FIRST
                for number in range(options.times):
                    hive_rows = options.hive_rows if number < options.hive_times else 0
                    only = dict.fromkeys((builder.name for builder in builders), options.rows)
                    texts = bench.play(texts, {**only, builders[-1].name: min(hive_rows, options.rows)})
                    spent = time.perf_counter() - start
                    if spent + bench.round(builders[:-1]) > options.minutes * 60:
                        print(f"the time is up after {number + 1} of {options.times} rounds", flush=True)
                        break
            finally:
                host.close()
        finally:
            doit(directory, "destroy", f"confirm={SITE}", "volumes=all")
    print()
    print("\n".join(bench.table()))


if __name__ == "__main__":
    main()
