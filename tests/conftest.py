"""Which tests stay together where several processes share them (`pytest -n 2 --dist loadgroup`)."""

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
SITE = ("test_1_", "test_2_", "test_3_", "test_4_", "test_5_", "test_6_")
"""The files of tests/integration that share the one site, in order."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep together what shares hosts: the contract suite, the files of the one site, else each file.

    Here and not when the collection is whole: by then pytest-xdist has looked.
    """
    suite, *_, file = item.path.relative_to(TESTS).parts
    if suite == "contract":
        item.add_marker(pytest.mark.xdist_group(suite))
    elif suite == "integration":
        item.add_marker(pytest.mark.xdist_group("site" if file.startswith(SITE) else file))
