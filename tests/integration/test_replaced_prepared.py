"""`doit replace_host` where machines are somebody else's: out of the swarm, then whatever machine is there next."""

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import rig
from tests.contract.rigs import DockerRig, PreparedRig
from tests.integration.site import Site

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1800)]

PURPOSE = "replaced"
HOSTS = ("hive0", "hive1", "hive2")
NODES = "docker node ls --format '{{.Hostname}} {{.Status}}' | sort"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreparedRig]:
    """Make three machines with systemd, sshd and root's password."""
    stage = rig.docker_stage(PURPOSE, len(HOSTS), separate_repository=False)
    with rig.own(stage.site_name):
        below = DockerRig(stage, rig.ssh_files(tmp_path_factory.mktemp("below")))
        rig.ensure_all(below.provider())
        prepared = PreparedRig(below, rig.ssh_files(tmp_path_factory.mktemp("prepared")))
        for host in HOSTS:
            prepared.prepare(host)
        yield prepared


@pytest.fixture
def site(hosts: PreparedRig, tmp_path: Path) -> Iterator[Site]:
    """Build a small site on them."""
    site = Site(tmp_path / "site", PURPOSE)
    addresses = ", ".join(f'"{host.address}"' for host in hosts.stage.hosts)
    site.write_tiny(f"""site = "{site.name}"
[secrets]
root = {{ env = "ROOT_PASSWORD" }}
[stages.private]
provider = "prepared"
cidr = "{hosts.stage.config.cidr}"
ip_address_list = [{addresses}]
separate_repository = false
root_password = "root"
""")
    site.toml.write_text(site.toml.read_text() + 'mode = "global"\n')
    site.variables["ROOT_PASSWORD"] = PreparedRig.PASSWORD
    site.run().well()
    yield site
    site.run("destroy", f"confirm={site.name}", "volumes=all")


def another_machine(hosts: PreparedRig, name: str) -> None:
    """Put another machine in a host's place, with an empty disk and another ssh host key."""
    below = hosts.below.provider()
    below.remove(name, lambda _line: None)
    below.ensure(rig.resource(below, name), lambda _line: None)
    hosts.prepare(name)


def test_machines_of_somebody_else(site: Site, hosts: PreparedRig) -> None:
    """A dead one is out of the swarm at once, and the next step is said; the next machine is made a host.

    Where another machine is there already, that is done at once. One that answers ends its containers.
    """

    def all_are_ready() -> None:
        expected = [f"p-{host}.{site.name} Ready" for host in HOSTS]
        rig.wait_until(lambda: site_nodes() == expected, "all nodes to be ready")

    def site_nodes() -> list[str]:
        return rig.run_in(hosts.below.container("hive2"), NODES).splitlines()

    container = hosts.below.container("hive1")
    subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    out = site.run("replace_host", "hive1")
    assert out.status == 0, out.text
    assert "hive1 is not skep's to switch off: keep it off until it is installed anew" in out.text
    assert "hive1 is out of the swarm: install it anew, or put another machine at" in out.text
    assert f"p-hive1.{site.name} " not in "".join(site_nodes())
    assert "! hive1: is removed, and not made again yet" in site.run("status").text
    early = site.run("replace_host", "hive1")
    assert early.status == 1, early.text
    another_machine(hosts, "hive1")
    again = site.run("replace_host", "hive1")
    assert again.status == 0, again.text
    assert "hive1 is made anew, and all services run" in again.text
    all_are_ready()
    # It answers: the swarm is left in order.
    left = site.run("replace_host", "hive0")
    assert left.status == 0, left.text
    assert "hive0 left the swarm" in left.text
    running = partial(rig.run_in, hosts.below.container("hive0"), "docker ps -q")
    rig.wait_until(lambda: running() == "", "the containers to end")
    same = site.run("replace_host", "hive0")
    assert same.status == 0, same.text
    all_are_ready()
    # Its owner was quicker.
    another_machine(hosts, "hive0")
    at_once = site.run("replace_host", "hive0")
    assert at_once.status == 0, at_once.text
    assert "hive0 is made anew, and all services run" in at_once.text
    all_are_ready()
    assert site.run().did_nothing
