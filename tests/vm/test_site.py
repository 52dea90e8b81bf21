"""A site on a real virtual machine, for the features that container hosts lack. An hour or more: `tox -e vm`.

The kernel of the machine that the tests run on may have neither ip_vs nor NFS; the virtual machine's own has both.
"""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from model import site as types
from model.stage import Stage
from tests import debian, rig
from tests.contract.test_vagrant import INTERFACE, sites_provider, validated
from tests.integration.doit_run import Ended
from tests.integration.site import Site
from tests.vm import libvirt

pytestmark = [pytest.mark.timeout(4 * 3600)]
RUN_TIMEOUT = 3 * 3600.0
CIDR, ADDRESS, PORT = "10.231.11.0/24", "10.231.11.11", 8080
NFS_SERVER = """\
export DEBIAN_FRONTEND=noninteractive
apt-get update -q && apt-get install -q -y --no-install-recommends nfs-kernel-server
mkdir -p /srv/pages
echo '/srv/pages *(rw,no_root_squash,no_subtree_check)' >/etc/exports
exportfs -ra
"""
TOML = f"""\
[bases."tiny:1"]
tarball = "tiny.tar"

[images.web]
from = "tiny:1"
roles = ["web"]

[networks.inner]

[volumes.pages]
driver_opts = {{ type = "nfs", o = "addr={ADDRESS},nfsvers=4,rw", device = ":/srv/pages" }}

[services.web]
image = "web"
command = ["/bin/httpd", "-f", "-p", "80", "-h", "/pages"]
replicas = 2
ports = [{{ target_port = 80, published_port = {PORT} }}]
volumes = [{{ source = "pages", target = "/pages" }}]
stop_signal = "SIGKILL"
initialize_roles = ["page"]

[services.client]
image = "web"
command = ["/bin/sleep", "1000000"]
stop_signal = "SIGKILL"
"""


@dataclass
class Live:
    """The site.

    Args:
        site: Its directory, and runs in it.
        began: When the first run began.

    """

    site: Site
    began: float

    def run(self, *words: str) -> Ended:
        """Run doit to its end, and say how long it took."""
        began = time.monotonic()
        ended = self.site.run(*words, timeout=RUN_TIMEOUT)
        self.tell(f"doit {' '.join(words)}: {time.monotonic() - began:.0f} s\n{ended.text}")
        return ended

    def tell(self, text: str) -> None:
        """Print, for the log of the run."""
        sys.stdout.write(f"{(time.monotonic() - self.began) / 60:6.1f} min  {text}\n")
        sys.stdout.flush()

    def on(self, script: str) -> str:
        """Run a script as root in the machine, and return its output; it must end well."""
        words = ["ssh", "-F", str(self.site.state / "ssh_config"), "hive0", "sudo -n sh -eu -s"]
        done = subprocess.run(words, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def inside(self, service: str, command: str) -> str:
        """Run a command in the first container of a service."""
        found = f"docker ps -q -f label=com.docker.swarm.service.name={service} | head -n 1"
        return self.on(f'docker exec "$({found})" {command}')


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """Give a site of one machine, with nothing made yet; whatever happens, no machine is left."""
    with libvirt.running():
        config = {**libvirt.config(tmp_path), "memory_size": 1536}
        site = Site(tmp_path / "site", "onvm")
        settings = "\n".join(f"{key} = {value!r}".replace("'", '"') for key, value in config.items())
        site.toml.write_text(
            f'site = "{site.name}"\n[stages.private]\nprovider = "vagrant"\n{settings}\ncidr = "{CIDR}"\n'
            f'ip_address_list = ["{ADDRESS}"]\nnumber_of_hosts = 1\nseparate_repository = false\n{TOML}'
        )
        programs = debian.unpacked(tmp_path / "debian", "busybox-static")
        tiny = debian.busybox_root(programs / "bin" / "busybox", "tiny")
        (site.directory / "tiny.tar").write_bytes(tiny)
        for role, script in (
            ("web", "mkdir -p /pages && chmod 0755 /pages\n"),
            ("page", "echo by-skep >/pages/index.html\n"),
        ):
            site.write_role(role, script)
        table = types.VagrantStage(
            cidr=CIDR, ip_address_list=[ADDRESS], number_of_hosts=1, separate_repository=False, **config
        )
        stage = Stage(types.Site(site=site.name, stages={"private": table}), "private", table)
        provider = rig.provider_of(stage, rig.ssh_files(tmp_path / "ssh"))
        libvirt.remove(provider)
        try:
            yield Live(site, time.monotonic())
        finally:
            libvirt.remove(provider)


def page(address: str, port: int) -> str:
    """Return the page that is served there; empty while none is."""
    connection = http.client.HTTPConnection(address, port, timeout=20)
    try:
        connection.request("GET", "/index.html")
        return connection.getresponse().read().decode().strip()
    except OSError:
        return ""
    finally:
        connection.close()


def test_all_seven_phases_with_a_virtual_ip_an_ingress_port_and_nfs(
    live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    """The routing mesh, a virtual IP and a volume on an NFS server work; again there is nothing to do."""
    with capsys.disabled():
        live.run("build_infra").well()
        live.on(NFS_SERVER)
        live.tell("the NFS server is there")
        live.run().well()

        # The routing mesh, from outside; the page is what the initialization wrote into the volume.
        rig.wait_until(lambda: page(ADDRESS, PORT) == "by-skep", "the page by the ingress port", 300)
        assert live.on("cat /srv/pages/index.html").strip() == "by-skep"
        assert "type nfs4" in live.on("mount | grep /pages")
        # The name has one address, which is the service's, and none of the two tasks'.
        look = "docker service inspect web -f '{{range .Endpoint.VirtualIPs}}{{println .Addr}}{{end}}'"
        virtual = [line.partition("/")[0] for line in live.on(look).split()]
        resolved = live.inside("client", "nslookup web")
        assert any(f"Address: {ip}\n" in resolved.replace(":53", "") for ip in virtual), resolved
        assert live.inside("client", "wget -q -O - http://web/index.html").strip() == "by-skep"
        live.tell(f"web is at {' '.join(virtual)}; ip_vs: {live.on('grep -c ip_vs /proc/modules').strip()}")

        assert live.run().did_nothing

        live.run("destroy", f"confirm={live.site.name}", "volumes=all").well()


@pytest.mark.parametrize("key", ["bridge", "dev"])
def test_libvirt_takes_an_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """`vagrant validate` finds nothing wrong in an interface to bridge to, for which vagrant-libvirt asks libvirt."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    with libvirt.running():
        assert validated(sites_provider(tmp_path, **{key: INTERFACE}), "libvirt") == ""
