"""A build from nothing that is killed again and again; example_site/ has kills of runs on a site that is there."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from tests import rig
from tests.integration.site import Site

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]

PURPOSE = "nothing"
TOML = """\
site = "{name}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
internal_cidr = "172.29.16.0/20"
number_of_hosts = 2
"""
MOMENTS: dict[str, Callable[[Site], bool]] = {
    "hosts are made": lambda site: site.log("build_infra:hive1").count("\n") > 1,
    "hosts are set up": lambda site: "because" in site.log("setup_hosts:hive0.docker"),
    "the base is made": lambda site: site.log("build_images:base.debian-13").count("\n") > 1,
}
"""In the order in which a run comes to them."""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Site]:
    """Give a site of one hive, a repository host and one service, of which nothing is there; leave nothing of it."""
    site = Site(tmp_path / "site", PURPOSE)
    site.write_idle(TOML.format(name=site.name, cidr=rig.free_cidr(PURPOSE)))
    with rig.own(site.name):
        try:
            yield site
        finally:
            site.run("destroy", f"confirm={site.name}", "volumes=all")


def test_killed_three_times_from_nothing(small: Site) -> None:
    """Killed while hosts are made, while they are set up and while a base is made, the build still converges.

    What was finished before a kill is not done again, each thing is there once, and the run after has nothing to do.
    """
    finished: set[str] = set()
    for moment, now in MOMENTS.items():
        with small.start() as running:
            running.wait_for(lambda now=now: now(small), moment)  # type: ignore[misc]
            running.kill()
        traces = small.state / "traces"
        done = {f"{path.parent.name}:{path.stem}" for path in traces.glob("*/*.json")}
        assert finished <= done
        finished = done

    ran = small.run().well().ran

    assert finished
    assert not finished & set(ran)
    again = small.run()
    assert again.did_nothing, again.text
    hosts = [f"container /{small.container(host)}" for host in ("hive0", "hive1")]
    assert hosts == [thing for thing in rig.labelled(small.name) if thing.startswith("container")]
    assert small.on("hive0", "docker service ls --format '{{.Name}} {{.Replicas}}'").split() == [
        "idle",
        "1/1",
    ]
    assert small.on("hive0", "docker node ls -q | wc -l").strip() == "1"
    assert small.on("hive1", "docker ps -aq") == "", "build containers are left"
    # Docker's own networks have the addresses that they are to have, wherever it was killed.
    subnets = (
        "docker network inspect ingress docker_gwbridge bridge site -f '{{(index .IPAM.Config 0).Subnet}}'"
    )
    *dockers, own = small.on("hive0", subnets).split()
    assert dockers == ["172.29.20.0/22", "172.29.24.0/23", "172.29.26.0/23"]
    assert IPv4Network(own).subnet_of(IPv4Network("172.29.16.0/22")), own
