"""A service that can't run: the message says why, and the one that ran goes on."""

import re

import pytest

from tests import rig
from tests.integration import queries
from tests.integration.example_site.example import Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_services_that_can_not_run(site: Example) -> None:
    """All that would keep services from running is said at once, before the first is touched; mended, it goes on.

    The path to hive1 is closed, that to hive2 takes less than overlay networks send: found by sending.
    """
    before = site.identity()
    added = """
[services.strange]
image = "proxy"
ports = ["323:80/udp"]
placement = { constraints = ["node.labels.disk==ssd"] }
[networks.dns]
"""
    closed = "INPUT -p udp --dport 4789 -j DROP"
    site.on("hive1", f"iptables -I {closed}")
    site.on("hive2", "ip link set eth0 mtu 1400")
    (site.state / "preflight.json").unlink(missing_ok=True)
    old = 'SITE_NAME = "example"'
    try:
        with site.edited("[networks.dns]\n", added), site.edited(old, 'SITE_NAME = "never"'):
            text = site.run("deploy_services:strange", "deploy_services:proxy").failed()
    finally:
        site.on("hive1", f"iptables -D {closed}")
        site.on("hive2", "ip link set eth0 mtu 1500")
    assert len(re.findall("no service was touched, since", text)) == 1, text
    assert len(re.findall(r"no service was touched: see the error of deploy_services:\w+", text)) == 1, text
    for message in (
        'services.strange: the kernel of hive0, hive1, hive2 has no ip_vs, .* set "dnsrr"',
        'services.strange.ports: the kernel of .* set mode = "host"',
        "services.strange.ports: 323/udp is taken on hive0 by chronyd",
        "services.strange.placement.constraints: no hive meets node.labels.disk==ssd",
        r"hive0 → hive1: nothing arrives that overlay networks send \(VXLAN, udp/4789\)",
        r"hive0 → hive2: packets of 1500 bytes do not arrive, those of 140\d do: .* = \"1400\"",
    ):
        assert re.search(message, text), f"{message}\n{text}"
    assert before == site.identity()
    with site.edited(old, 'SITE_NAME = "once"'):
        site.run("deploy_services:proxy").well()
        assert "arrive between hive0, hive1, hive2" in site.log("deploy_services:proxy")
    # Sent once, until a host or an engine is started anew.
    assert "were sent between the hives since" in _log_after_settling(site)
    site.is_whole()


def _log_after_settling(site: Example) -> str:
    """Return the log of the proxy's deployment by a run after which nothing is left to do."""
    site.settle()
    return site.log("deploy_services:proxy")


def test_service_that_crashes(site: Example) -> None:
    """A new version of a service that crashes: its task's error and its last words; the old version runs again."""
    crash = 'command = "x"\nentrypoint = "echo I give up; sleep 0.5; exit 3"\nimage = "proxy"'
    with site.edited('image = "proxy"', crash):
        text = site.run().failed()
        assert "FAILED  deploy_services:proxy" in text, text
        assert "service proxy: the update failed and was undone" in text, text
        assert "I give up" in text, text
        assert re.search("non-zero exit|exit status|\\(3\\)", text), text

        def old_one_answers() -> bool:
            try:
                return queries.http_get(site.proxy(), "/healthz") == (200, "ok\n")
            except (OSError, StopIteration):
                return False

        rig.wait_until(old_one_answers, "the old version to run again")
    assert site.settle() == ["deploy_services:proxy"]
    site.is_whole()
