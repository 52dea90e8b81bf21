"""What goes wrong is said so that a person can act on it, nothing is lost, and the next run goes on from there."""

import re
import subprocess
import time

import pytest

from tests import rig
from tests.integration import ask
from tests.integration.live import REGISTRY, REPOSITORY, Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

BOUNDED = 60.0
"""Seconds in which a run must have given up a host that does not answer."""


def test_role_that_fails(site: Site) -> None:
    """A role whose script fails: host, role, exit status, its last lines and the log's path; the rest is done."""
    setup = site.role("nginx/setup.sh")
    with (
        site.edited("set -eu\n", "set -eu\necho the brown fox\necho jumps >&2\nexit 7\n", setup),
        site.edited('"0.debian.pool.ntp.org", ', '"ntp.invalid", '),
    ):
        text = site.run().failed()
        assert re.search(r"^FAILED  build_images:proxy on hive3", text, re.MULTILINE), text
        for said in ("hive3: role nginx: setup.sh: exit status 7", "the brown fox", "jumps"):
            assert said in text, text
        assert "state/private/logs/build_images/proxy.log" in text
        assert "failed: build_images:proxy" in text.splitlines()[-1]
        # What had nothing to do with it was done, and stays done.
        assert len(re.findall(r"^setup_hosts:hive\d\.chrony ", text, re.MULTILINE)) == 4, text
        site.answers()
        again = site.run().failed()
        assert "chrony" not in again
        assert "failed" in site.run("list").text
    with site.edited('"0.debian.pool.ntp.org", ', '"ntp.invalid", '):
        assert site.settle() == ["build_images:proxy"]
    site.settle()


def test_base_that_cannot_be_had(site: Site) -> None:
    """A base image that can't be pulled: the message says which, and what to write instead."""
    added = """
[images.strange]
from = "127.0.0.1:9/strange:1"
[services.strange]
image = "strange"
endpoint_mode = "dnsrr"
[networks.dns]
"""
    with site.edited("[networks.dns]\n", added):
        text = site.run("build_images").failed()
    assert "127.0.0.1:9/strange:1" in text
    assert "hive3" in text
    assert '[bases."127.0.0.1:9/strange:1"]' in text
    assert "debootstrap" in text
    assert site.run().did_nothing


def test_services_that_can_not_run(site: Site) -> None:
    """What would keep services from running is said all at once, before the first is touched; mended, it goes on.

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
    assert len(re.findall(r"no service was touched: deploy_services:\w+ says why", text)) == 1, text
    for said in (
        'services.strange: the kernel of hive0, hive1, hive2 has no ip_vs, .* set "dnsrr"',
        'services.strange.ports: the kernel of .* set mode = "host"',
        "services.strange.ports: 323/udp is taken on hive0 by chronyd",
        "services.strange.placement.constraints: no hive meets node.labels.disk==ssd",
        r"hive0 → hive1: nothing arrives that overlay networks send \(VXLAN, udp/4789\)",
        r"hive0 → hive2: packets of 1500 bytes do not arrive, those of 140\d do: .* = \"1400\"",
    ):
        assert re.search(said, text), f"{said}\n{text}"
    assert before == site.identity()
    with site.edited(old, 'SITE_NAME = "once"'):
        site.run("deploy_services:proxy").well()
        assert "arrive between hive0, hive1, hive2" in site.log("deploy_services:proxy")
    # Sent once, until a host or an engine is started anew.
    assert "were sent between the hives since" in _log_after_settling(site)
    site.is_whole()


def _log_after_settling(site: Site) -> str:
    """Return the log of the proxy's deployment by a run after which nothing is left to do."""
    site.settle()
    return site.log("deploy_services:proxy")


def test_service_that_crashes(site: Site) -> None:
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
                return ask.http_get(site.proxy(), "/healthz") == (200, "ok\n")
            except (OSError, StopIteration):
                return False

        rig.wait_until(old_one_answers, "the old version to run again")
    assert site.settle() == ["deploy_services:proxy"]
    site.is_whole()


def test_full_disk_on_the_repository(site: Site) -> None:
    """The registry's disk is full: the message says so and on which host; with room again the next run goes on."""
    site.on(
        REPOSITORY,
        f"""
        rm -rf /run/registry; cp -a {REGISTRY} /run/registry
        used=$(du -sk /run/registry | cut -f1)
        mount -t tmpfs -o size=$((used + 400))k,mode=755 tmpfs {REGISTRY}
        cp -a /run/registry/. {REGISTRY}/
        rm -rf /run/registry
        systemctl restart docker-registry
        """,
    )
    try:
        big = "head -c 3000000 /dev/urandom >/usr/local/share/big\n"
        with site.role_edited(big):
            text = site.run().failed()
            assert "FAILED  build_images:proxy on hive3" in text, text
            assert re.search(rf"the disk under {REGISTRY} on p-hive3\S* is full", text), text
    finally:
        site.on(REPOSITORY, f"umount -l {REGISTRY}; systemctl restart docker-registry")
    assert site.settle() == ["build_images:proxy"]
    site.answers()


def test_engine_stops_during_a_build(site: Site) -> None:
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


def test_engine_stops_during_a_deployment(site: Site) -> None:
    """A hive's engine stops while a service is deployed: the run says so in bounded time; the next one goes on."""
    old = 'environment = { PDNS_DB_HOST = "pdnsdb",'
    site.forget_log("deploy_services:powerdns")
    with site.edited(old, f'converge_timeout = "15s"\n{old} ONCE = "more",'), site.start() as running:
        running.wait_for(lambda: "changed service" in site.log("deploy_services:powerdns"), "a deployment")
        site.on("hive2", "systemctl stop docker.socket docker.service")
        text = running.wait(BOUNDED).failed()
    assert "FAILED  deploy_services:powerdns" in text, text
    ran = site.settle()
    assert "deploy_services:powerdns" in ran
    # Beside it only what was lost with the engine: services that ran there are waited for.
    rest = [task for task in ran if not task.startswith("deploy_services:")]
    assert rest == ["setup_hosts:hive2.docker", "setup_hosts:hive2.swarm"]
    site.is_whole()
    site.answers()


def test_host_that_does_not_answer(site: Site) -> None:
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


def test_host_paused(site: Site) -> None:
    """A host that somebody paused runs again, and nothing else is done."""
    before = site.identity()
    subprocess.run(["docker", "pause", site.container("hive2")], check=True, capture_output=True, timeout=90)
    ran = site.settle()
    assert set(ran) <= {"build_infra:hive2", "setup_hosts:hive2.swarm"}, ran
    assert before == site.identity()


def test_file_changed_by_hand(site: Site) -> None:
    """A file that was changed on a host by hand is put back, by its step alone."""
    was = site.on(
        "hive1", "cat /etc/chrony/chrony.conf; sed -i 's/^server 0/server 9/' /etc/chrony/chrony.conf"
    )
    assert site.settle() == ["setup_hosts:hive1.chrony"]
    assert was == site.on("hive1", "cat /etc/chrony/chrony.conf")


def test_unit_stopped_by_hand(site: Site) -> None:
    """A unit that somebody stopped is started again, by its step alone."""
    site.on("hive1", "systemctl stop chrony")
    assert site.settle() == ["setup_hosts:hive1.chrony"]
    assert site.on("hive1", "systemctl is-active chrony") == "active\n"


def test_service_changed_by_hand(site: Site) -> None:
    """A service that somebody else changed is put back, alone."""
    site.on("hive0", "docker service update --detach --env-add BY=hand proxy >/dev/null")
    assert site.settle() == ["deploy_services:proxy"]
    assert "BY=hand" not in site.on("hive0", "docker service inspect proxy -f '{{.Spec.TaskTemplate}}'")


def building(site: Site) -> bool:
    """Return whether a build container is at work on the repository host."""
    return "building layer" in site.log("build_images:proxy") and bool(
        site.on(REPOSITORY, "docker ps -q -f name=skep-build")
    )
