"""Which tests stay together where two processes share them (`pytest -n 2 --dist loadscope`)."""

from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

SITE = ("test_1_", "test_2_", "test_3_", "test_4_", "test_5_", "test_6_")
"""The files of tests/integration that share the one site, in order."""


class TogetherScheduling(LoadScopeScheduling):
    """Keeps together what shares hosts: the contract suite, the files of the one site, else each file."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of a test's group."""
        path = PurePosixPath(nodeid.partition("::")[0])
        if path.parent.name == "contract":
            return "contract"
        if path.parent.name == "integration" and path.name.startswith(SITE):
            return "site"
        return str(path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Put ours in the place of pytest-xdist's own `loadscope`.

    Not by marks and `loadgroup`, which pytest-xdist 3.8 does not keep under pytest 9.2.
    """
    return TogetherScheduling(config, log) if config.getoption("dist") == "loadscope" else None
