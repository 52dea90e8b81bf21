"""A change is followed by the tasks that it makes stale, and by no others."""

import re
from itertools import pairwise

import pytest

from tests.integration import queries
from tests.integration.example_site.example import HIVES, HOSTS, ZONE, ZONE_ADDRESS, Example

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

ENVIRONMENT = 'SITE_NAME = "example"'


def test_environment_of_a_service(site: Example) -> None:
    """A service's environment changed: only that service is deployed, without any work on its image; likewise back."""
    with site.edited(ENVIRONMENT, 'SITE_NAME = "changed & <new>"'):
        assert site.settle() == ["deploy_services:proxy"]
        assert "<h1>changed &amp; &lt;new&gt;</h1>" in page(site)
    assert site.settle() == ["deploy_services:proxy"]
    assert "<h1>example</h1>" in page(site)


def test_line_of_a_role(site: Example) -> None:
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


def test_config_of_an_image(site: Example) -> None:
    """An image's configuration changed: a new image, of which no layer is built."""
    with site.edited('stop_signal = "SIGQUIT"', 'stop_signal = "SIGTERM"'):
        assert site.run("build_images").well().ran == ["build_images:proxy"]
        assert "building" not in site.log("build_images:proxy")
    # Back before it was deployed: the service never knows.
    assert site.settle() == ["build_images:proxy"]


def test_ntp_servers(site: Example) -> None:
    """Other NTP servers: one step a host."""
    with site.edited('"0.debian.pool.ntp.org", ', '"ntp.invalid", '):
        assert sorted(f"setup_hosts:{host}.chrony" for host in HOSTS) == site.run().well().ran
        for host, text in site.everywhere(HOSTS, "cat /etc/chrony/chrony.conf").items():
            assert "server ntp.invalid iburst" in text, host
            assert "0.debian.pool" not in text, host
    assert sorted(f"setup_hosts:{host}.chrony" for host in HOSTS) == site.settle()


@pytest.mark.full
def test_configuration_of_the_engines(site: Example) -> None:
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
        times = [sorted(map(int, stamps.split())) for stamps in site.everywhere(HIVES, script).values()]
        downs = sorted(times)
        assert all(back < gone for (_, back), (gone, _) in pairwise(downs)), downs
        site.answers()
        site.is_whole()
        assert site.run().well().did_nothing
    assert steps == sorted(task for task in site.settle() if task.startswith("setup_hosts:"))
    site.answers()


def test_published_port(site: Example) -> None:
    """Another published port: its service and the firewalls of the hives, and then it answers, and the old one not."""
    old, new = (f"ports = [{{ target_port = 80, published_port = {port}" for port in (80, 8080))
    tasks = ["deploy_services:proxy", *(f"setup_hosts:{host}.firewall" for host in HIVES)]
    with site.edited(old, new):
        assert site.settle() == tasks
        assert queries.http_get(site.proxy(), "/healthz", port=8080) == (200, "ok\n")
        with pytest.raises(OSError, match=r"refused|timed out"):
            queries.http_get(site.proxy(), "/healthz", timeout=2)
    assert site.settle() == tasks
    site.answers()
    with pytest.raises(OSError, match=r"refused|timed out"):
        queries.http_get(site.proxy(), "/healthz", port=8080, timeout=2)


def test_whom_a_port_is_open_to(site: Example) -> None:
    """The firewalls alone change: the stage's hosts reach the port of a container, this machine does not."""
    named = "ports = [{ target_port = 80, published_port = 80"
    tasks = [f"setup_hosts:{host}.firewall" for host in HIVES]
    with site.edited(named, f'{named}, open_to = "stage"'):
        assert site.settle() == tasks
        with pytest.raises(OSError, match=r"refused|timed out"):
            queries.http_get(site.proxy(), "/healthz", timeout=2)
        site.everywhere(HOSTS, f"timeout 60 bash -c 'exec 3<>/dev/tcp/{site.proxy()}/80'")
    assert site.settle() == tasks
    site.answers()


def test_variables_of_an_initialization(site: Example) -> None:
    """An initialization's variables changed: it alone runs again, and its new data is served."""
    other = "192.0.2.20"
    with site.edited(f'ZONE_ADDRESS = "{ZONE_ADDRESS}"', f'ZONE_ADDRESS = "{other}"'):
        assert site.settle() == ["initialize_services:pdnsdb.pdns-schema"]
        site.answers(other)
    assert site.settle() == ["initialize_services:pdnsdb.pdns-schema"]
    site.answers()


def test_early_cutoff(site: Example) -> None:
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


def page(site: Example) -> str:
    """Return the status page."""
    status, text = queries.http_get(site.proxy(), "/")
    assert status == 200
    return text


def set_address(site: Example, address: str) -> None:
    """Change a record in the database by hand."""
    sql = f"UPDATE records SET content = '{address}' WHERE name = 'www.{ZONE}' AND type = 'A'"  # noqa: S608 - ours
    database = "$(docker ps -qf label=com.docker.swarm.service.name=pdnsdb)"
    client = "mariadb --no-defaults --socket=/run/mysqld/mysqld.sock pdns"
    site.on("hive0", f'docker exec {database} {client} -e "{sql}"')
