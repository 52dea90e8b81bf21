"""The stage's lock: one run at a time."""

import json

import pytest

from tests.integration.example_site.example import HIVES, Example
from tests.integration.typed import typed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

ENVIRONMENT = 'environment = { SITE_NAME = "example",'
HELD = f"""\
healthcheck = {{ test = "test -e /tmp/go", interval = "1s", retries = 1000 }}
{ENVIRONMENT.replace("example", "held")}"""
"""A deployment that ends when it is told to."""


def test_second_run_is_turned_away(site: Example) -> None:
    """Of two runs at once the second ends at once, naming the first's process; the first is not disturbed.

    Commands that only look take no lock and wait for none.
    """
    site.forget_log("deploy_services:proxy")
    with site.edited(ENVIRONMENT, HELD), site.start() as first:
        first.wait_for(lambda: site.log("deploy_services:proxy").count("changed service") > 0, "a deployment")
        second = site.run()
        holder = json.loads((site.state / "lock").read_text())["pid"]
        assert f"process {holder}" in second.failed(), second.text
        assert typed(site, "status").returncode in {0, 2}
        assert first.process.poll() is None, "they ended when the first had"
        first.wait_for(lambda: lets_go(site), "the new task")
        assert first.wait().well().ran == ["deploy_services:proxy"]
    assert site.settle() == ["deploy_services:proxy"]


def lets_go(site: Example) -> bool:
    """Have the new task be healthy, and return whether it is there; the one before it ends at any moment."""
    script = 'if [ "$SITE_NAME" = held ]; then touch /tmp/go; echo gone; fi'
    containers = "docker ps -qf label=com.docker.swarm.service.name=proxy"
    asked = f"for each in $({containers}); do docker exec $each sh -c '{script}' 2>/dev/null || :; done"
    return "gone\n" in site.everywhere(HIVES, asked).values()
