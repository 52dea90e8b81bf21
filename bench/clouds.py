"""A stage of four hosts in each cloud, as the tests have them: `./setup python bench/clouds.py`. Prints a table.

Counted are the requests that leave the process, by any SDK: signing in and asking after operations count. Timed is what
skep and the SDK do, with pauses as long as in earnest, and with what the stand-in or OpenStack's own services need on
the same cores. Nothing answers ssh, so nobody waits for that; a real cloud takes minutes where these take moments.

Resources are made and removed as a run does it: each as soon as what it needs is there, and hosts beside each other.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from model.stage import Stage  # noqa: E402
from providers.base import Provider, Resource  # noqa: E402
from providers.cloud.retry import PACE  # noqa: E402
from tests import rig  # noqa: E402

THREADS = 12
WORDS: dict[str, Any] = {"number_of_hosts": 4, "mirrored_disk_size": 5}
Reached = Iterator[Stage]


@contextmanager
def aws(directory: Path) -> Reached:
    """Give a stage at Amazon as moto has it."""
    from tests.doubles.aws import cloud

    with cloud.started(directory) as server, cloud.used(server, pace=PACE):
        server.ask(reset=True)
        yield cloud.stage_of(**WORDS)


@contextmanager
def azure(_: Path) -> Reached:
    """Give a stage at Azure as it is published."""
    from tests.doubles.azure import cloud, server

    server.PAGE = 1000  # as Azure's are, and not of two things
    with server.started() as started, cloud.used(started, pace=PACE):
        yield cloud.stage_of(**WORDS)


@contextmanager
def gcp(_: Path) -> Reached:
    """Give a stage at Google as it is published."""
    from tests.doubles.gcp import cloud

    with cloud.started() as (_google, url), cloud.used(url, pace=PACE):
        yield cloud.stage_of(**WORDS)


@contextmanager
def openstack(_: Path) -> Reached:
    """Give a stage at OpenStack's own services."""
    from tests.openstack import cloud

    with cloud.started() as clouds, cloud.used(clouds, pace=PACE):
        yield cloud.stage_of(**WORDS, disk_size=10)


CLOUDS: Mapping[str, Callable[[Path], AbstractContextManager[Stage]]] = {
    "aws": aws,
    "azure": azure,
    "gcp": gcp,
    "openstack": openstack,
}


class Requests:
    """Counts the requests of this process."""

    def __init__(self) -> None:
        self.count = 0
        self._guard = threading.Lock()
        put = HTTPConnection.putrequest

        def counted(connection: HTTPConnection, *words: Any, **more: Any) -> None:
            with self._guard:
                self.count += 1
            put(connection, *words, **more)

        HTTPConnection.putrequest = counted  # type: ignore[assignment,method-assign]


def in_order(needs: Mapping[str, set[str]], do: Callable[[str], object]) -> None:
    """Do something to each name, as soon as it is done to all that the name needs."""
    left, done = dict(needs), set[str]()
    going: dict[Future[object], str] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        while left or going:
            for name in [name for name, wanted in left.items() if wanted <= done]:
                del left[name]
                going[pool.submit(do, name)] = name
            for each in wait(going, return_when=FIRST_COMPLETED).done:
                each.result()
                done.add(going.pop(each))


def create(provider: Provider) -> None:
    """Make all resources as a run does."""
    problems = provider.check()
    if problems:
        sys.exit("\n".join(problems))
    wanted = {resource.name: resource for resource in provider.resources()}
    in_order({name: set(one.needs) for name, one in wanted.items()}, partial(_ensure, provider, wanted))
    found = provider.found()
    if set(found) != set(wanted) or not all(one.running and not one.drift for one in found.values()):
        sys.exit(f"not all is as it should be: {found}")


def _ensure(provider: Provider, wanted: Mapping[str, Resource], name: str) -> object:
    """Ensure one resource."""
    return provider.ensure(wanted[name], rig.quiet)


def look(provider: Provider) -> None:
    """Ask the cloud as a run does that has nothing to do."""
    provider.found()


def destroy(provider: Provider) -> None:
    """Remove all as `doit destroy` does: hosts beside each other, then the rest one after another."""
    found = provider.found()
    hosts = [name for name, one in found.items() if one.is_host]
    in_order({name: set() for name in hosts}, lambda name: provider.remove(name, rig.quiet))
    for name in reversed([name for name in found if name not in hosts]):
        provider.remove(name, rig.quiet)
    if provider.found():
        sys.exit(f"not all is removed: {list(provider.found())}")


WORK = {"create": create, "no-op": look, "destroy": destroy}


def measure(cloud: str, times: int, requests: Requests) -> dict[str, str]:
    """Return the seconds and requests of each piece of work in a cloud."""
    seconds: dict[str, list[float]] = {name: [] for name in WORK}
    counts: dict[str, set[int]] = {name: set() for name in WORK}
    with tempfile.TemporaryDirectory() as place, CLOUDS[cloud](Path(place)) as stage:
        files = rig.ssh_files(Path(place) / "ssh")
        for _ in range(times):
            for name, work in WORK.items():
                provider = rig.provider_of(stage, files)
                before, began = requests.count, time.monotonic()
                work(provider)
                seconds[name].append(time.monotonic() - began)
                counts[name].add(requests.count - before)
    return {
        name: f"{' to '.join(map(str, sorted({min(counts[name]), max(counts[name])})))} calls, "
        f"{statistics.median(seconds[name]):.1f} s"
        for name in WORK
    }


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clouds", nargs="*", default=[*CLOUDS], help=f"some of {', '.join(CLOUDS)}")
    parser.add_argument("--times", type=int, default=3, help="how often; the median counts")
    given = parser.parse_args()
    requests = Requests()
    print(f"| | {' | '.join(f'four hosts: {name}' if name == 'create' else name for name in WORK)} |")
    print(f"|---|{'---|' * len(WORK)}")
    for cloud in given.clouds:
        found = measure(cloud, given.times, requests)
        print(f"| {cloud} | {' | '.join(found.values())} |", flush=True)


if __name__ == "__main__":
    main()
