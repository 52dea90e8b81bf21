"""Which tests stay together where two processes share them (`pytest -n 2 --dist loadscope`)."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

SITE = ("test_1_", "test_2_", "test_3_", "test_4_", "test_5_", "test_6_")
"""The files of tests/integration that share the one site, in order."""


class TogetherScheduling(LoadScopeScheduling):
    """Keeps together what shares hosts: OpenStack, the contract suite, the one site's files; else each file."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of a test's group."""
        if "openstack" in nodeid:
            return "openstack"
        path = PurePosixPath(nodeid.partition("::")[0])
        if path.parent.name == "contract":
            return "contract"
        if path.parent.name == "integration" and path.name.startswith(SITE):
            return "site"
        return str(path)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Path]:
    """Give OpenStack's services, which takes half a minute, and minutes the first time on a machine."""
    from tests.openstack import cloud

    with cloud.started() as clouds:
        yield clouds


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Put ours in the place of pytest-xdist's own `loadscope`.

    Not by marks and `loadgroup`, which pytest-xdist 3.8 does not keep under pytest 9.2.
    """
    return TogetherScheduling(config, log) if config.getoption("dist") == "loadscope" else None
