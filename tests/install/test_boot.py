"""Machines that boot skep's media, until their installers work by their own answers. Minutes each."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from model import site as types
from model.secrets.secret import Secret
from model.stage import Stage
from providers.kickstart.http_server import InstallServer
from providers.kickstart.provider import KickstartProvider
from tests import rig
from tests.install import qemu

pytestmark = [pytest.mark.timeout(3600)]
PATIENCE = 1500
"""Seconds: software emulation, on a machine that may do other things."""
MAC = "52:54:00:00:00:01"
MOTHER = "10.0.2.2"
"""This machine, as QEMU's own network shows it."""


class Mirror:
    """A package mirror that has nothing, and keeps the paths that the installer asks for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            """Keeps the path."""

            def do_GET(self) -> None:
                """Have nothing."""
                mirror.asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """Give a mirror that listens."""
    made = Mirror()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="session")
def netinst(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the distribution's image, made of its installer."""
    qemu.install_packages()
    return qemu.netinst(tmp_path_factory.mktemp("netinst"))


def provider_of(directory: Path, mirror: Mirror, **config: object) -> KickstartProvider:
    """Return the provider of a stage of two hosts, of which the second boots; its medium is made."""
    table = types.KickstartStage(
        ip_address_list=["10.0.2.21", "10.0.2.22"],
        cidr="10.0.2.0/24",
        networks=[types.InstallNetwork(interface="ens3", gateway=MOTHER, nameservers=["10.0.2.3"])],
        target="/dev/vda",
        kernel_arguments=["console=ttyS0,115200", "mitigations=off"],
        mirror=f"http://{MOTHER}:{mirror.port}/of-this-stage",
        hosts={
            "hive0": types.InstallHost(mac="52:54:00:00:00:99"),
            "hive1": types.InstallHost(mac=MAC),
        },
        **config,  # type: ignore[arg-type]
    )
    stage = Stage(
        types.Site(site=rig.site_name("install"), stages={"production": table}), "production", table
    )
    state = directory / "state" / "production"
    made = KickstartProvider(stage, rig.ssh_files(state / "secrets"), state, lambda _name: Secret(""))
    rig.ensure(made, "medium", rig.quiet)
    return made


def network() -> list[str]:
    """Return QEMU's arguments for a network in which this machine can be reached."""
    return ["-netdev", "user,id=net", "-device", f"virtio-net-pci,netdev=net,mac={MAC},addr=3,bootindex=1"]


def works_by_answers(machine: qemu.Machine, mirror: Mirror) -> None:
    """Wait until the installer asks the mirror that only the answers name, by the network that only they have."""
    machine.wait(
        lambda: any("/of-this-stage/dists/" in path for path in mirror.asked), "the mirror is asked", PATIENCE
    )


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_image_boots_into_a_hosts_answers(
    firmware: str, netinst: Path, mirror: Mirror, tmp_path: Path
) -> None:
    """The menu is there, and the host that is chosen in it is installed by its own answers without a question."""
    out = tmp_path / "out.iso"
    provider_of(tmp_path, mirror, iso_src=str(netinst), iso_dest=str(out))
    drive = ["-drive", f"if=none,id=cd,media=cdrom,readonly=on,file={out}"]
    drive += ["-device", "ide-cd,drive=cd,bootindex=0"]

    with qemu.machine(tmp_path / "vm", *drive, *network(), firmware=firmware) as machine:
        machine.wait_for("Install hive1.", PATIENCE)
        # One down is the first host: the menu stands on the disk.
        machine.press("down", "down", "ret")
        works_by_answers(machine, mirror)


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_network_boots_into_a_hosts_answers(firmware: str, mirror: Mirror, tmp_path: Path) -> None:
    """Booted by iPXE, a machine comes from its MAC to this host's answers, and `serve_install` saw it."""
    qemu.install_packages()
    with socket.socket() as found:
        found.bind(("", 0))
        url = f"http://{MOTHER}:{found.getsockname()[1]}"
    provider = provider_of(tmp_path, mirror, netboot_url=url, netboot_src=str(qemu.INSTALLER))
    log: list[str] = []
    server = InstallServer(provider.served, url, log.append, lambda _short: False)
    net = network()
    net[1] += f",bootfile={url}/start.ipxe"

    with server.serving(), qemu.machine(tmp_path / "vm", *net, firmware=firmware) as machine:
        works_by_answers(machine, mirror)

    assert "hive1: has its answers (answers.img)" in log
    assert not any("hive0" in line for line in log)
