"""The one site that all of these tests share, and the order in which they go through it."""

import subprocess
from collections.abc import Generator, Iterator

import pytest

from tests import rig
from tests.integration.example_site.example import HOSTS, Example
from tests.integration.example_site.leaks import Processes

ORDER = {
    "test_built_site": "what was built from nothing, before anything is changed",
    "test_nothing_to_do": "the second run does nothing",
    "test_list": "reads",
    "test_mistakes": "touches nothing",
    "test_lock": "the first change, of one service",
    "test_changes": "changes that are done in seconds, and taken back",
    "test_prune": "adds services, and removes them",
    "test_service_attributes": "adds services, and looks for secrets in all that the site has told so far",
    "test_rollback": "adds services, and goes through their revisions",
    "test_failed_builds": "a build fails, and nothing else of the site suffers",
    "test_failed_deployments": "a service fails, and comes back",
    "test_outages": "an engine or a host is away for a while",
    "test_changed_by_hand": "a host or a service is not as it was left",
    "test_killed_runs": "runs are killed, and nothing is lost",
    "test_losses": "state, services and whole hosts are lost, and made anew",
    "test_footprint": "reads how much memory each run so far has taken",
    "test_destroy": "nothing is left",
}
"""The files, with what each does to the site: what costs least first, what breaks most last."""
BUILD_TIMEOUT = 900.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that share the site in their order.

    Raises:
        UsageError: A file has no place in the order.

    """
    here = {item.path for item in items if item.path.parent == rig.ROOT / "tests/integration/example_site"}
    if unknown := sorted(path.name for path in here if path.stem not in ORDER):
        msg = f"{', '.join(unknown)}: say in {__file__} when it has its turn with the site, and why (ORDER)"
        raise pytest.UsageError(msg)
    places = [number for number, item in enumerate(items) if item.path in here]
    turns = sorted((items[number] for number in places), key=lambda item: [*ORDER].index(item.path.stem))
    for number, item in zip(places, turns, strict=True):
        items[number] = item


@pytest.fixture(scope="package")
def processes() -> Iterator[Processes]:
    """Watch command lines from before the site is built."""
    watch = Processes()
    yield watch
    watch.stop()


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory, processes: Processes) -> Iterator[Example]:
    """Build the site from nothing; whatever happens, nothing of it is left at the end."""
    del processes
    site = Example(tmp_path_factory.mktemp("integration") / "site")
    with rig.own(site.name):
        try:
            site.run(timeout=BUILD_TIMEOUT).well()
            yield site
        finally:
            _unpause(site)
            # In order while doit can: it also ends the ssh connections. What it leaves goes by label.
            site.run("destroy", f"confirm={site.name}", "volumes=all", timeout=120)


@pytest.fixture
def site(built: Example, request: pytest.FixtureRequest) -> Iterator[Example]:
    """Give the site as it should be; a test that failed leaves nothing of its doing to the next."""
    yield built
    if request.node.stash.get(_FAILED, False):
        built.restore()
        _unpause(built)
        built.run()


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep whether a test failed, for its fixtures."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


def _unpause(site: Example) -> None:
    """Wake the hosts that a test left paused."""
    for host in HOSTS:
        subprocess.run(["docker", "unpause", site.container(host)], capture_output=True, check=False)
