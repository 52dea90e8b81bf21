"""One site for all tests of a folder: built from nothing, taken through them in an order, and removed at the end."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import rig
from tests.integration.example_site.example import HOSTS, Example

BUILD_TIMEOUT = 1500.0
FAILED = pytest.StashKey[bool]()
"""Whether a test failed, kept in its item's stash for its fixtures (tests/integration/conftest.py)."""


def put_in_order(items: list[pytest.Item], conftest: str, order: Mapping[str, str]) -> None:
    """Put the files that share the site into their order.

    Args:
        items: All tests.
        conftest: The path of the folder's conftest.py.
        order: Its files, without their ending, each with what it does to the site.

    Raises:
        UsageError: A file has no place in the order.

    """
    here = {item.path for item in items if item.path.parent == Path(conftest).parent}
    if unknown := sorted(path.name for path in here if path.stem not in order):
        msg = f"{', '.join(unknown)}: say in {conftest} when it has its turn with the site, and why (ORDER)"
        raise pytest.UsageError(msg)
    places = [number for number, item in enumerate(items) if item.path in here]
    turns = sorted((items[number] for number in places), key=lambda item: [*order].index(item.path.stem))
    for number, item in zip(places, turns, strict=True):
        items[number] = item


@contextmanager
def built_example(directory: Path, purpose: str) -> Iterator[Example]:
    """Build the example from nothing; whatever happens, nothing of it is left at the end."""
    site = Example(directory, purpose)
    with rig.own(site.name):
        try:
            site.run(timeout=BUILD_TIMEOUT).well()
            yield site
        finally:
            _unpause(site)
            # In order while doit can: it also ends the ssh connections. What it leaves goes by label.
            site.run("destroy", f"confirm={site.name}", "volumes=all")


@contextmanager
def as_it_should_be(built: Example, node: pytest.Item) -> Iterator[Example]:
    """Give the site to a test; if that fails, it leaves nothing of its doing to the next."""
    yield built
    if node.stash.get(FAILED, False):
        built.restore()
        _unpause(built)
        built.run()


def _unpause(site: Example) -> None:
    """Wake the hosts that a test left paused."""
    for host in HOSTS:
        subprocess.run(["docker", "unpause", site.container(host)], capture_output=True, check=False)
