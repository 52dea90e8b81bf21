"""A stage that has fewer hosts than before: `doit prune` takes out those that left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rig
from tests.integration.site import Site

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]

PURPOSE = "smaller"
RUN = 900.0
"""Seconds that a run may take which makes a base, or moves the registry."""
TOML = """\
site = "{name}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
separate_repository = false
number_of_hosts = 3
[volumes.data]
hosts = ["hive0", "hive2"]
[services.each]
image = "idle"
mode = "global"
endpoint_mode = "dnsrr"
volumes = [{{ source = "data", target = "/data" }}]
"""


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Site]:
    """Give a site of three hives, with a volume on the first and the last one; leave nothing of it."""
    site = Site(tmp_path / "site", PURPOSE)
    site.write_idle(TOML.format(name=site.name, cidr=rig.free_cidr(PURPOSE)))
    with rig.own(site.name):
        try:
            site.run(timeout=RUN).well()
            yield site
        finally:
            site.run("destroy", f"confirm={site.name}", "volumes=all")


def test_host_that_left_goes_by_prune(three: Site) -> None:
    """A run takes a host that the stage no longer has out of the swarm; prune removes it if its volume is named.

    It had the registry, whose images went along. What runs elsewhere, and the volume's other half, stay as they are.
    """
    assert managers(three) == 3
    with (
        three.edited("number_of_hosts = 3", 'number_of_hosts = 2\nrepository = "hive1"'),
        three.edited(', "hive2"]', "]"),
    ):
        ran = three.run(timeout=RUN).well().text
        assert "host hive2" in ran
        assert "debootstrap" not in ran
        assert managers(three) == 2
        kept = three.on("hive0", "docker ps -q --no-trunc | sort; docker volume inspect data")
        words = ("prune", f"confirm={three.name}")

        output = three.run(*words).text

        assert "hive2" in output
        assert "volumes=data" in output, output

        assert three.run(*words, "volumes=data").status == 0

        assert managers(three) == 2
        hosts = [thing for thing in rig.labelled(three.name) if thing.startswith("container")]
        assert hosts == [f"container /{three.container(host)}" for host in ("hive0", "hive1")]
        assert three.on("hive0", "docker ps -q --no-trunc | sort; docker volume inspect data") == kept
        assert three.run().did_nothing
        assert three.run("prune").status == 0


def managers(site: Site) -> int:
    """Return how many managers the swarm has, once all of its nodes are such that are ready and reached."""
    nodes: list[str] = []
    listing = "docker node ls --format '{{.Status}} {{.ManagerStatus}}' 2>/dev/null || :"

    def are_reached() -> bool:
        nodes[:] = site.on("hive0", listing).splitlines()
        return bool(nodes) and {*nodes} <= {"Ready Leader", "Ready Reachable"}

    rig.wait_until(are_reached, "managers that are ready and reached")
    return len(nodes)
