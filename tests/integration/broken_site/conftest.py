"""The one site that all of these tests share, and the order in which they go through it."""

from collections.abc import Iterator

import pytest

from tests.integration.example_site.example import Example
from tests.integration.example_site.shared import as_it_should_be, built_example, put_in_order

ORDER = {
    "test_rollback": "adds services, and goes through their revisions",
    "test_failed_builds": "a build fails, and nothing else of the site suffers",
    "test_failed_deployments": "a service fails, and comes back",
    "test_hosts_away": "hosts are frozen, killed and without a network for a while",
    "test_outages": "an engine or a host is away for a while",
    "test_changed_by_hand": "a host or a service is not as it was left",
    "test_killed_runs": "runs are killed, and nothing is lost",
    "test_backups": "the database goes back to backups, and its service moves meanwhile",
    "test_moved_volume": "a volume goes to another hive and back, with kills on the way",
    "test_upgraded_hosts": "a host's packages are upgraded, and it is restarted",
    "test_losses": "state, services and whole hosts are lost, and made anew",
    "test_disasters": "what docs/backup.md says of each disaster: hosts are lost, and the data comes back",
    "test_replaced_hosts": "hosts are dead, frozen or healthy, and made anew by a command",
    "test_recovered_swarm": "two of three hives are lost, and join a new swarm",
}
"""The files, with what each does to the site: what breaks most last.

Once a command has replaced the repository host, no checkout but this one knows the base that images are built on: one
without state/ builds them anew.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that share the site in their order."""
    put_in_order(items, __file__, ORDER)


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """Build the site from nothing."""
    with built_example(tmp_path_factory.mktemp("broken") / "site", "broken") as site:
        yield site


@pytest.fixture
def site(built: Example, request: pytest.FixtureRequest) -> Iterator[Example]:
    """Give the site as it should be."""
    with as_it_should_be(built, request.node) as site:
        yield site
