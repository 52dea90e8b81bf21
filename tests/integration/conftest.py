"""What all tests on real sites need."""

from collections.abc import Generator

import pytest

from tests.integration.example_site.shared import FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep whether a test failed, for its fixtures."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report
