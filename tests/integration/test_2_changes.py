"""What a change makes stale is done, and nothing else."""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import pytest

from tests.integration import ask
from tests.integration.live import HIVES, HOSTS, SERVICES, ZONE, ZONE_ADDRESS, Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ENVIRONMENT = 'SITE_NAME = "example"'


def test_environment_of_a_service(site: Site) -> None:
    """A service's environment changed: only that service is deployed, without any work on its image; likewise back."""
    with site.edited(ENVIRONMENT, 'SITE_NAME = "changed & <new>"'):
        assert site.settle() == ["deploy_services:proxy"]
        assert "<h1>changed &amp; &lt;new&gt;</h1>" in page(site)
    assert site.settle() == ["deploy_services:proxy"]
    assert "<h1>example</h1>" in page(site)


def test_line_of_a_role(site: Site) -> None:
    """A line of a role's file removed: one image's layers from that role on and its service, nothing else.

    The edit undone: nothing is built, since the registry has it under its key, and the old content is back.
    """
    line = '  <link rel="icon" href="data:,">\n'.strip()
    assert line in page(site)
    tasks = ["build_images:proxy", "deploy_services:proxy"]
    with site.edited(f"{line}\n", "", site.role("nginx/files/index.html")):
        assert tasks == site.settle()
        built = site.log("build_images:proxy")
        assert re.search(r"role debian: layer \w+ is there", built), built
        assert re.search(r"role nginx: building layer \w+", built), built
        assert line not in page(site)
    assert tasks == site.settle()
    built = site.log("build_images:proxy")
    assert "found " in built
    assert "building" not in built
    assert line in page(site)


def test_config_of_an_image(site: Site) -> None:
    """An image's configuration changed: a new image, of which no layer is built."""
    with site.edited('stop_signal = "SIGQUIT"', 'stop_signal = "SIGTERM"'):
        assert site.run("build_images").well().ran == ["build_images:proxy"]
        assert "building" not in site.log("build_images:proxy")
    # Back before it was deployed: the service never knows.
    assert site.settle() == ["build_images:proxy"]


def test_ntp_servers(site: Site) -> None:
    """Other NTP servers: one step a host."""
    with site.edited('"0.debian.pool.ntp.org", ', '"ntp.invalid", '):
        assert sorted(f"setup_hosts:{host}.chrony" for host in HOSTS) == site.run().well().ran
        for host, text in site.everywhere(HOSTS, "cat /etc/chrony/chrony.conf").items():
            assert "server ntp.invalid iburst" in text, host
            assert "0.debian.pool" not in text, host
    assert sorted(f"setup_hosts:{host}.chrony" for host in HOSTS) == site.settle()


def test_configuration_of_the_engines(site: Site) -> None:
    """The engines' configuration changed: one step a host; hives stop their engines in turn, and all comes back."""
    steps = sorted(f"setup_hosts:{host}.docker" for host in HOSTS)
    with site.edited("[setup_hosts]\n", "[setup_hosts]\ndaemon = { max-concurrent-uploads = 3 }\n"):
        ran = site.run().well().ran
        assert steps == sorted(task for task in ran if task.startswith("setup_hosts:"))
        assert not [task for task in ran if not task.startswith(("setup_hosts:", "deploy_services:"))], ran
        for host, text in site.everywhere(HOSTS, "docker info && cat /etc/docker/daemon.json").items():
            assert '"max-concurrent-uploads": 3' in text, host
        # All hosts have this machine's clock.
        script = "systemctl show docker --value -p InactiveEnterTimestampMonotonic -p ActiveEnterTimestampMonotonic"
        times = [sorted(map(int, said.split())) for said in site.everywhere(HIVES, script).values()]
        downs = sorted(times)
        assert all(back < gone for (_, back), (gone, _) in pairwise(downs)), downs
        site.answers()
        assert site.run().well().did_nothing
    assert steps == sorted(task for task in site.settle() if task.startswith("setup_hosts:"))
    site.answers()


def test_published_port(site: Site) -> None:
    """Another published port: its service and the firewalls of the hives, and then it answers, and the old one not."""
    old, new = (f"ports = [{{ target_port = 80, published_port = {port}" for port in (80, 8080))
    tasks = ["deploy_services:proxy", *(f"setup_hosts:{host}.firewall" for host in HIVES)]
    with site.edited(old, new):
        assert site.settle() == tasks
        assert ask.http_get(site.proxy(), "/healthz", port=8080) == (200, "ok\n")
        with pytest.raises(OSError, match=r"refused|timed out"):
            ask.http_get(site.proxy(), "/healthz", timeout=2)
    assert site.settle() == tasks
    site.answers()
    with pytest.raises(OSError, match=r"refused|timed out"):
        ask.http_get(site.proxy(), "/healthz", port=8080, timeout=2)


def test_variables_of_an_initialization(site: Site) -> None:
    """An initialization's variables changed: it alone runs again, and its new data is served."""
    other = "192.0.2.20"
    with site.edited(f'ZONE_ADDRESS = "{ZONE_ADDRESS}"', f'ZONE_ADDRESS = "{other}"'):
        assert site.settle() == ["initialize_services:pdnsdb.pdns-schema"]
        site.answers(other)
    assert site.settle() == ["initialize_services:pdnsdb.pdns-schema"]
    site.answers()


def test_early_cutoff(site: Site) -> None:
    """A database service deployed anew is the same service on the same volume: nothing is initialized again."""
    by_hand = "192.0.2.99"
    set_address(site, by_hand)
    old = 'stop_grace_period = "60s"'
    with site.edited(old, f'{old}\nlabels = {{ a = "b" }}'):
        assert site.settle() == ["deploy_services:pdnsdb"]
        site.answers(by_hand)
    set_address(site, ZONE_ADDRESS)
    assert site.settle() == ["deploy_services:pdnsdb"]
    site.answers()


def test_service_added_and_pruned(site: Site) -> None:
    """What is added is deployed alone; what is taken out again is named by each run, and goes by `doit prune` alone.

    A volume stays until it is named. What else there is, is left alone.
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
stop_grace_period = "1s"
networks = ["aside"]
volumes = [{ source = "aside_data", target = "/data" }]
[networks.dns]
"""
    before = site.identity()
    users = {f"setup_hosts:{host}.users" for host in HOSTS}
    new = {"build_networks:aside", "build_volumes:aside_data@hive1", "deploy_services:aside"}
    with _in_dns_only(site), site.edited("[networks.dns]\n", added):
        assert set(site.settle()) == {*new, *users, "setup_hosts:hive1.node_labels"}
        assert site.run("prune").status == 0
        _network_replaced(site)
    ended = site.run().well()
    assert set(ended.ran) == {*users, "setup_hosts:hive1.node_labels"}
    left = "no longer in site.toml, and left: service aside; network aside; account alice on hive0"
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


def test_state_deleted(site: Site) -> None:
    """With `state/` gone, as in a fresh clone, nothing is made anew: all is found by its label, data included."""
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


def _network_replaced(site: Site) -> None:
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
        assert "putting aside into the new network" in site.log("build_networks:aside")
        assert site.settle() == ["deploy_services:aside"]
        assert there == site.on("hive0", service)
        found = site.on(
            "hive0", "docker network inspect aside -f '{{range .IPAM.Config}}{{.Subnet}} {{end}}'"
        )
        assert found.split() == ["10.63.7.0/25", "10.63.7.128/25"]


@contextmanager
def _in_dns_only(site: Site) -> Iterator[None]:
    """Have the example's services name the network that they are in anyway, so that a further one is not theirs."""
    with ExitStack() as edits:
        for name in SERVICES:
            line = f'image = "{name}"\n'
            edits.enter_context(site.edited(line, f'{line}networks = ["dns"]\n'))
        yield


def page(site: Site) -> str:
    """Return the status page."""
    status, text = ask.http_get(site.proxy(), "/")
    assert status == 200
    return text


def set_address(site: Site, address: str) -> None:
    """Change a record in the database by hand."""
    sql = f"UPDATE records SET content = '{address}' WHERE name = 'www.{ZONE}' AND type = 'A'"  # noqa: S608 - ours
    database = "$(docker ps -qf label=com.docker.swarm.service.name=pdnsdb)"
    client = "mariadb --no-defaults --socket=/run/mysqld/mysqld.sock pdns"
    site.on("hive0", f'docker exec {database} {client} -e "{sql}"')
