"""The site of one host that all of these tests share, in any order."""

from collections.abc import Iterator

import pytest

from tests import rig
from tests.integration.one_host_site.one_host import OneHost


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHost]:
    """Give a site whose host is set up, with an upstream on it; whatever happens, nothing of it is left at the end."""
    made = OneHost(tmp_path_factory.mktemp("one-host") / "site")
    with rig.own(made.name):
        try:
            made.ran("setup_hosts")
            made.make_upstream()
            yield made
        finally:
            made.run("destroy", f"confirm={made.name}", "volumes=all")
