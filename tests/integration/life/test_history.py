"""A site with a life: drawn changes of a running site, one after another, each with a run that may be killed in it.

`SKEP_LIFE_SEED` chooses one history, `SKEP_LIFE_SEEDS` says how many there are, `SKEP_LIFE_LENGTH` how many changes
each has (or `all`). A shorter history of a seed is the beginning of a longer one.
"""

import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import rig
from tests.integration.doit_run import Ended
from tests.integration.life.changes import CHANGES, OF_MEMBERS, Change
from tests.integration.life.checks import hold, snapshot
from tests.integration.life.lived_site import PURPOSE, RUN, LivedSite, Shape, remove_other_image
from tests.integration.life.prepared_site import prepared
from tests.integration.life.witnesses import Reader, Writer

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(5400)]

QUICK = 1
"""The history of which CI plays the beginning: it takes no hosts down, which `test_rolling.py` does, and is quick."""
LENGTH = os.environ.get("SKEP_LIFE_LENGTH", "4")
AT_MOST = 8
"""The most tasks that have begun when a run is killed."""


@dataclass(frozen=True)
class Kill:
    """The moment at which a run is killed.

    Args:
        begun: How many of its tasks have begun.
        pause: Seconds after that.

    """

    begun: int
    pause: float


def histories() -> list[tuple[str, int]]:
    """Return the histories to play: of both providers where they are whole."""
    one, many = os.environ.get("SKEP_LIFE_SEED"), os.environ.get("SKEP_LIFE_SEEDS")
    seeds = [int(one)] if one else range(int(many)) if many else [QUICK]
    return [(provider, seed) for provider in (PROVIDERS if LENGTH == "all" else ["docker"]) for seed in seeds]


@contextmanager
def docker_site(directory: Path) -> Iterator[LivedSite]:
    """Give the site as it is when its life begins; leave nothing of it."""
    shape = Shape(rig.free_cidr(PURPOSE))
    made = LivedSite(directory / "first", shape)
    with rig.own(made.name):
        try:
            made.run(timeout=RUN).well()
            yield made
        finally:
            made.run("destroy", f"confirm={made.name}", "volumes=all")
            remove_other_image(shape.cidr)


@contextmanager
def prepared_site(directory: Path) -> Iterator[LivedSite]:
    """Give the site on hosts that somebody else has made; leave nothing of it."""
    with rig.own(rig.site_name(PURPOSE)):
        made = prepared(directory, rig.free_cidr(PURPOSE))
        made.run(timeout=RUN).well()
        yield made


PROVIDERS = {"docker": docker_site, "prepared": prepared_site}


@pytest.mark.parametrize(("provider", "seed"), histories())
def test_life(provider: str, seed: int, tmp_path: Path) -> None:
    """After each change the site is as site.toml says, in two runs at most; no row is lost, no page missed.

    Hosts that skep has not made go through what it can take them through.
    """
    with PROVIDERS[provider](tmp_path) as site:
        lives(site, seed, OF_MEMBERS if provider == "prepared" else CHANGES)


def lives(site: LivedSite, seed: int, changes: Sequence[type[Change]]) -> None:
    """Take a site through changes, in an order that a seed draws."""
    say(f"{type(site).__name__}, to play it again: SKEP_LIFE_SEED={seed} SKEP_LIFE_LENGTH={LENGTH}")
    # A further kind of change takes its place among the others, whose order stays.
    left = sorted(changes, key=lambda kind: chance(seed, kind).random())
    with Reader(lambda: site.shape.addresses) as reader, Writer(site.container("hive0")) as writer:
        for _ in range(len(changes) if LENGTH == "all" else int(LENGTH)):
            drawn = [kind(site, chance(seed, kind)) for kind in left]
            change = next((each for each in drawn if each.possible), None)
            if change is None:
                break
            left.remove(type(change))
            live(site, change, reader, writer)


def chance(seed: int, kind: type[Change]) -> random.Random:
    """Return what draws for a change of a history: the same each time."""
    return random.Random(f"{seed} {kind.__name__}")  # noqa: S311 - no secret


def live(site: LivedSite, change: Change, reader: Reader, writer: Writer) -> None:
    """Make a change, run doit, and look at all that must be true afterwards."""
    name = type(change).__name__
    kill = drawn_kill(change.chance)
    before = snapshot(site)
    reader.share()
    writer.share()
    began = time.monotonic()
    say(f"{name}: {kill or 'no kill'}")
    change.begin()
    ended = None if kill is None else run_killed(change.runs_in, kill)
    killed = kill is not None and ended is None
    runs = change.runs_in.settle(ended)
    change.end()
    took = time.monotonic() - began
    hold(site, change, before, writer)

    (missed, asked), (unwritten, tried) = reader.share(), writer.share()
    say(
        f"{name} {change.detail}: {took:.0f} s, {'killed, ' if killed else ''}{len(runs)} runs; "
        f"page {missed} of {asked} missed, rows {unwritten} of {tried} refused"
    )
    assert missed == 0, f"{missed} of {asked} requests failed"


def drawn_kill(chance: random.Random) -> Kill | None:
    """Draw whether and when a run is killed."""
    kill = Kill(chance.randint(1, AT_MOST), chance.uniform(0, 3))
    return kill if chance.random() < 0.5 else None


def run_killed(site: LivedSite, kill: Kill) -> Ended | None:
    """Start doit and kill it at a moment; return the run if it ended before that, which counts as any other."""
    began = time.time()

    def begun() -> int:
        return sum(path.stat().st_mtime >= began for path in site.state.glob("logs/*/*.log"))

    with site.start() as running:
        rig.wait_until(
            lambda: begun() >= kill.begun or running.process.poll() is not None, "tasks to begin", RUN
        )
        time.sleep(kill.pause)
        return None if running.kill() else running.wait()


def say(line: str) -> None:
    """Add a line to the report, which pytest shows with `-s`, and where the test fails."""
    sys.stdout.write(f"{time.strftime('%T')} {line}\n")
    sys.stdout.flush()
