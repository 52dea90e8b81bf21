"""A change that replaces every host of a running site: one run, one host after the other, services go on."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rig
from tests.integration.life.lived_site import SERVE
from tests.integration.life.witnesses import Reader
from tests.integration.site import Site

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]

PURPOSE = "rolling"
RUN = 900.0
"""Seconds for a run that makes the site, or takes all of its hosts down."""
HIVES = ("hive0", "hive1", "hive2")
TOML = """\
site = "{name}"
[stages.private]
provider = "docker"
cidr = "{cidr}"
separate_repository = false
number_of_hosts = 3
host_image = "debootstrap:bookworm"
[volumes.data]
hosts = ["hive0"]
[bases."debian:12"]
debootstrap = "bookworm"
[images.idle]
from = "debian:12"
roles = ["idle"]
entrypoint = ["/usr/bin/perl", "/serve"]
[services.web]
image = "idle"
endpoint_mode = "dnsrr"
replicas = 2
placement = {{ max_replicas_per_node = 1 }}
ports = [{{ target_port = 8080, published_port = 8080, mode = "host" }}]
[services.db]
image = "idle"
endpoint_mode = "dnsrr"
volumes = [{{ source = "data", target = "/data" }}]
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a site of three hives, one of which is the repository; leave nothing of it."""
    made = Site(tmp_path / "site", PURPOSE)
    made.toml.write_text(TOML.format(name=made.name, cidr=rig.free_cidr(PURPOSE)))
    made.write_role("idle", SERVE)
    with rig.own(made.name):
        try:
            made.run(timeout=RUN).well()
            yield made
        finally:
            made.run("destroy", f"confirm={made.name}", "volumes=all")


def test_all_hosts_go_one_after_the_other(site: Site) -> None:
    """Debian 13 in place of 12 replaces every host: a run is killed meanwhile, the next one takes the rest through.

    The service that has a task on another hive answers all the time; the data stays. Until site.toml says it, nothing
    is done: Debian 12 was the default once, and a newer default changes no hosts that are there.
    """
    with site.edited('host_image = "debootstrap:bookworm"\n', ""):
        assert site.run().did_nothing
    site.on("hive0", "echo kept >/var/lib/docker/volumes/data/_data/kept")
    addresses = [record(site, hive)["address"] for hive in HIVES]
    before = {record(site, hive)["id"] for hive in HIVES}
    with (
        site.edited('host_image = "debootstrap:bookworm"', 'host_image = "debootstrap:trixie"'),
        Reader(lambda: addresses) as reader,
    ):
        with site.start() as running:
            # The repository goes first; the next one is killed in the middle of its own replacement.
            running.wait_for(
                lambda: "is drained" in site.log("build_infra:hive0"), "hive0 to be drained", timeout=RUN
            )
            assert "setup_hosts:hive2.node_labels" in running.text, running.text
            assert "build_images:" not in running.text, running.text  # the registry outlived its host
            running.kill()

        text = site.run(timeout=RUN).well().text

        # hive0 was drained, and maybe removed already: then it is simply made.
        assert "build_infra:hive1" in text, text
        assert site.run().did_nothing
        assert site.run("plan").status == 0
    assert {site.on(hive, "cat /etc/debian_version").partition(".")[0] for hive in HIVES} == {"13"}
    assert before.isdisjoint(record(site, hive)["id"] for hive in HIVES)
    listing = "docker node ls --format '{{.Status}} {{.Availability}} {{.ManagerStatus}}' 2>/dev/null || :"

    def are_three() -> bool:
        nodes = sorted(site.on("hive0", listing).splitlines())
        return nodes == ["Ready Active Leader", "Ready Active Reachable", "Ready Active Reachable"]

    rig.wait_until(are_three, "three managers that are ready and reached")
    assert site.on("hive0", "cat /var/lib/docker/volumes/data/_data/kept").strip() == "kept"
    missed, asked = reader.share()
    assert asked > 100
    assert missed == 0, f"{missed} of {asked} requests failed"


def record(site: Site, hive: str) -> dict[str, str]:
    """Return the record of a hive."""
    found: dict[str, str] = json.loads((site.state / "build_infra" / f"{hive}.json").read_text())
    return found
