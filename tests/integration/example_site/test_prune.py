"""A run removes nothing by itself: orphans go by `doit prune`, a network in use by `replace=`."""

import pytest

from tests.integration.example_site.example import HOSTS, Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


def test_service_added_and_pruned(site: Example) -> None:
    """An added service is deployed alone; taken out again, it is named by each run, and goes by `doit prune` alone.

    Its network changes no other service, though these name none. A volume stays until it is named. What else there is,
    is left alone.
    """
    added = """
[setup_hosts.users.alice]
[networks.aside]
[volumes.aside_data]
hosts = ["hive1"]
[services.aside]
image = "proxy"
endpoint_mode = "dnsrr"
entrypoint = ["sleep", "infinity"]
healthcheck = { test = "true", interval = "1s" }
stop_grace_period = "5s"
networks = ["aside"]
volumes = [{ source = "aside_data", target = "/data" }]
[networks.dns]
"""
    before = site.identity()
    users = {f"setup_hosts:{host}.users" for host in HOSTS}
    new = {"build_networks:aside", "build_volumes:aside_data@hive1", "deploy_services:aside"}
    with site.edited("[networks.dns]\n", added):
        assert set(site.settle()) == {*new, *users, "setup_hosts:hive1.node_labels"}
        assert site.run("prune").status == 0
        _network_replaced(site)
    ended = site.run().well()
    assert set(ended.ran) == {*users, "setup_hosts:hive1.node_labels"}
    left = "no longer in site.toml, but still there: service aside; network aside; account alice on hive0"
    assert left in ended.text, ended.text
    assert site.on("hive0", "docker service ls -qf name=aside") != "", "a run removed something"

    asked = site.run("prune")
    assert asked.status == 2, asked.text
    assert "service aside" in asked.text
    assert f"doit prune confirm={site.name}" in asked.text
    assert site.run("prune", "confirm=another").failed()
    pruned = site.run("prune", f"confirm={site.name}")
    assert pruned.status == 0, pruned.text
    assert "volume aside_data on hive1 stays" in pruned.text
    for text in site.everywhere(HOSTS, "getent passwd alice || true; ls -d /home/alice").values():
        assert text == "/home/alice\n", text
    named = site.run("prune", f"confirm={site.name}", "volumes=aside_data")
    assert "removed volume aside_data on hive1" in named.text, named.text
    assert before == site.identity()
    again = site.run()
    assert again.did_nothing, again.text
    assert "no longer in site.toml" not in again.text


def _network_replaced(site: Example) -> None:
    """A network in use is replaced only when that is asked for; killed in the middle, the next run finishes it.

    The service is stopped in order and stays the same one; no other is touched.
    """
    service = "docker service ls -f name=aside --format '{{.ID}} {{.Replicas}}'"
    there = site.on("hive0", service)
    subnet = 'ipam = { subnet = "10.63.7.0/25", config = [{ subnet = "10.63.7.128/25" }] }'
    with site.edited("[networks.aside]\n", f"[networks.aside]\n{subnet}\n"):
        assert "doit replace=aside" in site.run().failed()
        assert there == site.on("hive0", service)
        site.forget_log("build_networks:aside")
        with site.start("replace=aside") as running:
            running.wait_for(lambda: "stopping aside" in site.log("build_networks:aside"), "a replacement")
            assert running.kill()
        # Nobody is in the network any more, so that nothing has to be asked for. The phase alone stops no service.
        site.run("build_networks").well()
        assert "connecting aside to the new network" in site.log("build_networks:aside")
        assert site.settle() == ["deploy_services:aside"]
        assert there == site.on("hive0", service)
        found = site.on(
            "hive0", "docker network inspect aside -f '{{range .IPAM.Config}}{{.Subnet}} {{end}}'"
        )
        assert found.split() == ["10.63.7.0/25", "10.63.7.128/25"]
