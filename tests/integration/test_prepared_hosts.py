"""The example on hosts that somebody else prepared: reached with root's password, nothing of skep on them.

They have Debian 12, and so have the images.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rig
from tests.contract.rigs import DockerRig, PreparedRig
from tests.integration import queries
from tests.integration.site import Site

PURPOSE = "onprepared"
HOSTS = ("hive0", "hive1")
RUN = 600.0
"""Seconds that a run may take."""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreparedRig]:
    """Make two machines with systemd, sshd and root's password, and no trace of skep's admin user."""
    stage = rig.docker_stage(PURPOSE, len(HOSTS), host_image="debootstrap:bookworm")
    with rig.own(stage.site_name):
        below = DockerRig(stage, rig.ssh_files(tmp_path_factory.mktemp("below")))
        rig.ensure_all(below.provider())
        prepared = PreparedRig(below, rig.ssh_files(tmp_path_factory.mktemp("prepared")))
        for host in HOSTS:
            prepared.prepare(host)
        yield prepared


def site_on(hosts: PreparedRig, directory: Path) -> Site:
    """Return the example with a stage of two prepared hosts."""
    site = Site(directory, PURPOSE, "staging")
    site.copy_roles()
    addresses = ", ".join(f'"{host.address}"' for host in hosts.stage.hosts)
    stage = f"""[stages.staging]
provider = "prepared"
cidr = "{hosts.stage.config.cidr}"
ip_address_list = [{addresses}]
root_password = "root"

[setup_hosts]"""
    text = re.sub(r"\[stages\.private\].*?\[setup_hosts\]", stage, site.example_toml(), flags=re.DOTALL)
    text = text.replace("debian:13", "debian:12").replace("trixie", "bookworm")
    site.toml.write_text(text.replace("[secrets]", '[secrets]\nroot = { env = "ROOT_PASSWORD" }', 1))
    site.variables["ROOT_PASSWORD"] = PreparedRig.PASSWORD
    return site


def answers(address: str) -> list[str]:
    """Return a name server's addresses for the zone; none while it does not answer."""
    try:
        return queries.dns(address, "www.example.test")
    except OSError:
        return []


@pytest.mark.integration
@pytest.mark.timeout(900)
def test_all_seven_phases_on_prepared_hosts(hosts: PreparedRig, tmp_path: Path) -> None:
    """From a root password to answered queries; again it does nothing; destroy removes all of skep's."""
    site = site_on(hosts, tmp_path / "site")
    address = hosts.stage.hosts[0].address

    site.run(timeout=RUN).well()
    # The name server sees its schema a second after it was loaded.
    rig.wait_until(lambda: answers(address) == ["192.0.2.10"], "the name server to answer", 30)

    again = site.run(timeout=RUN)
    assert again.did_nothing, again.text
    assert PreparedRig.PASSWORD not in "".join(
        path.read_text(errors="replace") for path in (site.directory / "state").rglob("*") if path.is_file()
    )

    ended = site.run("destroy", f"confirm={site.name}", "volumes=all", timeout=RUN)
    assert ended.status == 0, ended.text
    left = rig.run_in(
        hosts.below.container("hive0"), "docker service ls -q 2>/dev/null || true; docker volume ls -q"
    )
    assert left.strip() == ""
    assert not site.state.exists()
