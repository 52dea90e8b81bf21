"""Losses behind skep's back (state/, a service, a host) are found again or made anew, with all that depends on them."""

import shutil
import subprocess

import pytest

from tests import rig
from tests.integration.example_site.example import HIVES, REPOSITORY, Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_state_deleted(site: Example) -> None:
    """With `state/` gone, as in a fresh clone, nothing is replaced: all is found by its label, data included."""
    before = site.identity()
    shutil.rmtree(site.directory / "state")
    ended = site.run()
    ended.well()
    built = (
        site.log("build_images:proxy") + site.log("build_images:powerdns") + site.log("build_images:pdnsdb")
    )
    assert "building" not in built
    assert before == site.identity()
    again = site.run()
    assert again.did_nothing, again.text
    site.answers()


def test_service_removed(site: Example) -> None:
    """A service that somebody removed comes back with its initialization; its data was never gone."""
    site.on("hive0", "docker service rm pdnsdb")
    assert site.settle() == ["deploy_services:pdnsdb", "initialize_services:pdnsdb.pdns-schema"]
    site.answers()
    site.is_whole()


def test_host_restarted(site: Example) -> None:
    """A host that was restarted comes back as the same node of the swarm, with its services."""
    node = "docker info -f '{{.Swarm.NodeID}}'"
    before = site.on("hive1", node)
    site.restart("hive1")
    ran = site.settle()
    assert not [task for task in ran if task.startswith(("build_images", "initialize_services"))], ran
    assert before == site.on("hive1", node)
    site.is_whole()
    site.answers()


def test_repository_restarted(site: Example) -> None:
    """The repository host restarted: its registry answers again, and nothing is built."""
    site.restart("hive3")
    ran = site.settle()
    assert not [task for task in ran if not task.startswith("setup_hosts:hive3.")], ran
    site.is_whole()


@pytest.mark.full
def test_killed_while_a_host_is_made(site: Example) -> None:
    """Killed while a deleted host is replaced, and again while it joins the swarm: the third run converges."""
    delete(site, "hive2")
    for task in ("build_infra:hive2", "setup_hosts:hive2.swarm"):
        site.forget_log(task)
        with site.start() as running:
            running.wait_for(lambda task=task: site.log(task).count("\n") > 1, task)  # type: ignore[misc]
            assert running.kill()
    site.settle()
    site.is_whole()
    site.answers()


@pytest.mark.full
def test_leader_and_repository_killed_during_a_deployment(site: Example) -> None:
    """Services on the other hives go on, no run ends with a traceback, and the next one brings all back."""
    lead = site.leader("hive1")
    others = tuple(host for host in HIVES if host != lead)
    running_now = "docker ps -q --no-trunc --filter label=com.docker.swarm.service.name={} | sort"
    site.forget_log("deploy_services:proxy")
    with site.edited('SITE_NAME = "example"', 'SITE_NAME = "elsewhere"'), site.start() as running:
        running.wait_for(
            lambda: "changed service" in site.log("deploy_services:proxy"), "the proxy to be deployed"
        )
        before = site.everywhere(others, running_now.format("powerdns"))
        assert all(before.values())
        killed = [site.container(host) for host in (lead, REPOSITORY)]
        subprocess.run(["docker", "kill", *killed], check=True, capture_output=True, timeout=240)
        assert "Traceback" not in running.wait().text
        assert site.everywhere(others, running_now.format("powerdns")) == before
        ran = site.settle()
        assert {f"build_infra:{lead}", f"build_infra:{REPOSITORY}"} <= set(ran)
        assert not [task for task in ran if task.startswith(("build_images", "initialize_services"))], ran
        site.is_whole()
    assert site.settle() == ["deploy_services:proxy"]
    site.answers()


def test_host_deleted(site: Example) -> None:
    """A host deleted with its volumes comes back by one run with all that depends on it; no other host is touched."""
    delete(site, "hive1")
    ran = site.settle()
    others = [
        task for task in ran if task.startswith(("build_infra:", "setup_hosts:")) and ":hive1" not in task
    ]
    assert others == []
    assert {"build_infra:hive1", "setup_hosts:hive1.swarm", "setup_hosts:hive1.node_labels"} <= set(ran)
    assert not [task for task in ran if task.startswith(("build_images", "initialize_services"))], ran
    site.is_whole()
    site.answers()


def delete(site: Example, host: str) -> None:
    """Delete a host with its volumes."""
    name = site.container(host)
    subprocess.run(["docker", "rm", "-f", "-v", name], check=True, capture_output=True, timeout=240)
    subprocess.run(
        ["docker", "volume", "rm", f"{name}.docker", f"{name}.containerd"],
        check=True,
        capture_output=True,
        timeout=240,
    )
    assert f"container /{name}" not in rig.labelled(site.name)
