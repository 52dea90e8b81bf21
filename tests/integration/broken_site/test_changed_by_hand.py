"""Changes by hand (a file, a unit, a service, a paused host) are put back, and nothing else is done."""

import pytest

from tests import rig
from tests.integration.example_site.example import Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_host_paused(site: Example) -> None:
    """A host that somebody paused runs again, and nothing else is done.

    On a busy machine that takes so long that the swarm puts other tasks in the place of those there.
    """
    before = lasting(site)
    rig.freeze(site.container("hive2"))
    ran = site.settle()
    waited_for = {"deploy_services:powerdns", "deploy_services:proxy"}
    assert set(ran) <= {"build_infra:hive2", "setup_hosts:hive2.swarm", *waited_for}, ran
    assert before == lasting(site)


def lasting(site: Example) -> list[str]:
    """Return all that exists but for the tasks that the swarm may have moved by itself: the database's is bound."""
    return [line for line in site.identity() if " container " not in line or "/pdnsdb" in line]


def test_file_changed_by_hand(site: Example) -> None:
    """A file that was changed on a host by hand is put back, by its step alone."""
    was = site.on(
        "hive1", "cat /etc/chrony/chrony.conf; sed -i 's/^server 0/server 9/' /etc/chrony/chrony.conf"
    )
    assert site.settle() == ["setup_hosts:hive1.chrony"]
    assert was == site.on("hive1", "cat /etc/chrony/chrony.conf")


def test_unit_stopped_by_hand(site: Example) -> None:
    """A unit that somebody stopped is started again, by its step alone."""
    site.on("hive1", "systemctl stop chrony")
    assert site.settle() == ["setup_hosts:hive1.chrony"]
    assert site.on("hive1", "systemctl is-active chrony") == "active\n"


def test_service_changed_by_hand(site: Example) -> None:
    """A service that somebody else changed is put back, alone."""
    site.on("hive0", "docker service update --detach --env-add BY=hand proxy >/dev/null")
    assert site.settle() == ["deploy_services:proxy"]
    assert "BY=hand" not in site.on("hive0", "docker service inspect proxy -f '{{.Spec.TaskTemplate}}'")
