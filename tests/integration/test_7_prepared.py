"""The same example on hosts that somebody else prepared: reached with root's password, nothing of skep on them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rig
from tests.contract.rigs import DockerRig, PreparedRig
from tests.integration import ask

PURPOSE = "onprepared"
HOSTS = ("hive0", "hive1")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreparedRig]:
    """Make two machines with systemd, sshd and root's password, and no trace of skep's admin user."""
    stage = rig.docker_stage(PURPOSE, len(HOSTS))
    with rig.own(stage.site_name):
        below = DockerRig(stage, rig.ssh_files(tmp_path_factory.mktemp("below")))
        rig.ensure_all(below.provider())
        prepared = PreparedRig(below, rig.ssh_files(tmp_path_factory.mktemp("prepared")))
        for host in HOSTS:
            prepared.prepare(host)
        yield prepared


def write_site(directory: Path, hosts: PreparedRig) -> None:
    """Write the example with two prepared hosts."""
    shutil.copytree(rig.ROOT / "roles", directory / "roles", symlinks=True)
    text = (rig.ROOT / "site.toml").read_text()
    addresses = ", ".join(f'"{host.address}"' for host in hosts.stage.hosts)
    stage = f"""[stages.staging]
provider = "prepared"
cidr = "{hosts.stage.config.cidr}"
ip_address_list = [{addresses}]
root_password = "root"

[setup_hosts]"""
    text = re.sub(r"\[stages\.private\].*?\[setup_hosts\]", stage, text, flags=re.DOTALL)
    text = text.replace("[secrets]", '[secrets]\nroot = { env = "ROOT_PASSWORD" }', 1)
    (directory / "site.toml").write_text(
        text.replace('site = "example"', f'site = "{rig.site_name(PURPOSE)}"')
    )


def doit(directory: Path, *words: str) -> str:
    """Run doit there; return what it printed."""
    path = os.environ.get("SKEP_DOIT") or str(Path(sys.executable).with_name("doit"))
    environment = {
        **os.environ,
        "DOIT_FILE": str(rig.ROOT / "dodo.py"),
        "ROOT_PASSWORD": PreparedRig.PASSWORD,
    }
    done = subprocess.run(
        [path, *words],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answers(address: str) -> list[str]:
    """Return what a name server says of the zone; nothing while it does not answer."""
    try:
        return ask.dns(address, "www.example.test")
    except OSError:
        return []


@pytest.mark.integration
@pytest.mark.timeout(900)
def test_all_seven_phases_on_prepared_hosts(hosts: PreparedRig, tmp_path: Path) -> None:
    """From a root password to answered queries; again it does nothing; destroy takes off what skep put on."""
    write_site(tmp_path, hosts)
    address = hosts.stage.hosts[0].address

    doit(tmp_path, "run")
    # The name server sees its schema a second after it was loaded.
    rig.wait_until(lambda: answers(address) == ["192.0.2.10"], "the name server to answer", 30)

    assert re.search(r"^all \d+ resources are up to date", doit(tmp_path, "run"), re.MULTILINE)
    assert PreparedRig.PASSWORD not in "".join(
        path.read_text(errors="replace") for path in (tmp_path / "state").rglob("*") if path.is_file()
    )

    doit(tmp_path, "destroy", f"confirm={rig.site_name(PURPOSE)}", "volumes=all")
    left = rig.run_in(
        hosts.below.container("hive0"), "docker service ls -q 2>/dev/null || true; docker volume ls -q"
    )
    assert left.strip() == ""
    assert not (tmp_path / "state" / "staging").exists()
