"""The one site that all of these tests share. They run in the order of their files: cheap first, destroy last."""

import subprocess
from collections.abc import Generator, Iterator

import pytest

from tests import rig
from tests.integration.live import HOSTS, Processes, Site

BUILD_TIMEOUT = 900.0


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """Watch command lines from before the site is built."""
    watch = Processes()
    yield watch
    watch.stop()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, processes: Processes) -> Iterator[Site]:
    """Build the site from nothing; whatever happens, nothing of it is left at the end."""
    del processes
    root = tmp_path_factory.mktemp("integration")
    site = Site(root / "site", root / "scratch")
    with rig.own(site.name):
        try:
            site.run(timeout=BUILD_TIMEOUT).well()
            yield site
        finally:
            _unpause(site)
            # In order while doit can: it also ends the ssh connections. What it leaves goes by label.
            site.run("destroy", f"confirm={site.name}", "volumes=all", timeout=120)


@pytest.fixture
def site(built: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
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


def _unpause(site: Site) -> None:
    """Wake the hosts that a test left paused."""
    for host in HOSTS:
        subprocess.run(["docker", "unpause", site.container(host)], capture_output=True, check=False)
