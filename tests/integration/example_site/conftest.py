"""The one site that all of these tests share, and the order in which they go through it."""

from collections.abc import Iterator

import pytest

from tests.integration.example_site.example import Example
from tests.integration.example_site.leaks import Processes
from tests.integration.example_site.shared import as_it_should_be, built_example, put_in_order

ORDER = {
    "test_built_site": "what was built from nothing, before anything is changed",
    "test_nothing_to_do": "the second run does nothing",
    "test_list": "reads",
    "test_mistakes": "touches nothing",
    "test_lock": "the first change, of one service",
    "test_changes": "changes that are done in seconds, and taken back",
    "test_prune": "adds services, and removes them",
    "test_operate": "adds services, and restarts, scales and removes them",
    "test_service_attributes": "adds services, and looks for secrets in all that the site has told so far",
    "test_footprint": "reads how much memory each run so far has taken",
    "test_destroy": "nothing is left",
}
"""The files, with what each does to the site: what costs least first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that share the site in their order."""
    put_in_order(items, __file__, ORDER)


@pytest.fixture(scope="package")
def processes() -> Iterator[Processes]:
    """Watch command lines from before the site is built."""
    watch = Processes()
    yield watch
    watch.stop()


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory, processes: Processes) -> Iterator[Example]:
    """Build the site from nothing."""
    del processes
    with built_example(tmp_path_factory.mktemp("integration") / "site", "example") as site:
        yield site


@pytest.fixture
def site(built: Example, request: pytest.FixtureRequest) -> Iterator[Example]:
    """Give the site as it should be."""
    with as_it_should_be(built, request.node) as site:
        yield site
