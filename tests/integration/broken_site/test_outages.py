"""An engine or a host stops answering: the run names it and ends in bounded time, and the next one goes on."""

import re
import time

import pytest

from tests.integration.example_site.example import REPOSITORY, Example

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]

BOUNDED = 180.0
"""Seconds in which a run must have given up a host that does not answer."""


def test_engine_stops_during_a_build(site: Example) -> None:
    """The repository host's engine stops while it builds: a message that names the host; the next run goes on."""
    site.forget_log("build_images:proxy")
    with site.role_edited("sleep 2\n"):
        with site.start("build_images") as running:
            running.wait_for(lambda: building(site), "a build")
            site.on(REPOSITORY, "systemctl stop docker.socket docker.service")
            text = running.wait(BOUNDED).failed()
        assert "FAILED  build_images:proxy on hive3" in text, text
        assert "its Docker Engine does not answer" in text, text
        assert "404" not in text, text
        again = site.redone(site.run("build_images").well())
        assert again == {"build_images:proxy", "setup_hosts:hive3.docker"}
    assert site.settle() == ["build_images:proxy"]
    site.is_whole()


def building(site: Example) -> bool:
    """Return whether a build container is at work on the repository host."""
    return "building layer" in site.log("build_images:proxy") and bool(
        site.on(REPOSITORY, "docker ps -q -f name=skep-build")
    )


def test_engine_stops_during_a_deployment(site: Example) -> None:
    """A hive's engine stops while a service is deployed: the run says so in bounded time; the next one goes on."""
    old = 'environment = { PDNS_DB_HOST = "pdnsdb",'
    # Its own times need less than that, so the swarm has not yet given up the hive when the time is over.
    short = 'converge_timeout = "15s"\nstop_grace_period = "1s"'
    site.forget_log("deploy_services:powerdns")
    with site.edited(old, f'{short}\n{old} ONCE = "more",'), site.start() as running:
        running.wait_for(lambda: "changed service" in site.log("deploy_services:powerdns"), "a deployment")
        site.on("hive2", "systemctl stop docker.socket docker.service")
        text = running.wait(BOUNDED).failed()
    assert "FAILED  deploy_services:powerdns" in text, text
    ran = site.settle()
    assert "deploy_services:powerdns" in ran
    # Beside it only what was lost with the engine: services that ran there are waited for.
    rest = {task for task in ran if not task.startswith("deploy_services:")}
    # The swarm may see the hive as ready again when the run looks anew at what it started.
    assert rest - {"setup_hosts:hive2.swarm"} == {"setup_hosts:hive2.docker"}
    site.is_whole()
    site.answers()


def test_host_that_does_not_answer(site: Example) -> None:
    """A host that answers no ssh: the run names it and ends in bounded time; when it is back, all is as it was."""
    before = site.identity()
    rule = "INPUT -p tcp --dport 22 -j DROP"
    site.on("hive2", f"iptables -I {rule}")
    try:
        began = time.monotonic()
        text = site.run().failed()
        took = time.monotonic() - began
    finally:
        site.on("hive2", f"iptables -D {rule}")
    assert took < BOUNDED
    assert re.search(r"^FAILED  \S*hive2", text, re.MULTILINE), text
    assert re.search(r"^    (p-)?hive2\S*: .*ssh", text, re.MULTILINE), text
    # Nothing of it is said of any other host.
    assert not re.search(r"^FAILED  \S*hive[013]", text, re.MULTILINE), text
    site.settle()
    assert before == site.identity()
