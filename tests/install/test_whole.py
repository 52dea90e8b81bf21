"""A whole unattended installation, from iPXE to a host that skep has taken over. An hour or more: `tox -e install`.

Where the package mirror lacks components of the installer, those are left out or repacked (`overlay.py`), and the log
says which. Root, on Debian: it makes a network interface of its own.
"""

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model import site as types
from model.secrets.secret import Secret
from model.stage import Stage
from providers.kickstart.http_server import InstallServer
from providers.kickstart.provider import KickstartProvider
from remote.ssh.login import log_in
from tests import rig
from tests.install import qemu
from tests.install.overlay import UPSTREAM, Overlay, fetch, field, stanzas

if TYPE_CHECKING:
    from model.keys.record import HostRecord

pytestmark = [pytest.mark.timeout(6 * 3600)]
MAC = "52:54:00:00:00:01"
RELEASE, SUITE = "debian-13", "trixie"
PACKAGE = "debian-installer-13-netboot-amd64"
PASSWORD = "a long one, for root"


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory of the release's own installer, out of its package."""
    import lzma

    qemu.install_packages()
    directory = tmp_path_factory.mktemp("installer")
    listed = stanzas(lzma.decompress(fetch(f"dists/{SUITE}/main/binary-amd64/Packages.xz")).decode())
    package = directory / "installer.deb"
    package.write_bytes(fetch(field(listed[PACKAGE], "Filename")))
    subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
    return directory / "usr/lib/debian-installer/images/13/amd64/text"


@pytest.fixture
def network() -> Iterator[tuple[str, str]]:
    """Give a network of this machine's own: the name of the interface, and its first three numbers."""
    prefix, name = rig.free_cidr("install").rpartition(".")[0], f"sk{rig.CHECKOUT}"
    subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)
    qemu.run(["ip", "tuntap", "add", "dev", name, "mode", "tap"])
    try:
        qemu.run(["ip", "address", "add", f"{prefix}.1/24", "dev", name])
        qemu.run(["ip", "link", "set", name, "up"])
        yield name, prefix
    finally:
        qemu.run(["ip", "link", "del", name])


@contextlib.contextmanager
def dhcp(interface: str, prefix: str, url: str) -> Iterator[None]:
    """Have iPXE get an address and where to go on."""
    command = ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", f"--interface={interface}"]
    command += ["--bind-interfaces", f"--dhcp-range={prefix}.50,{prefix}.60,1h", "--dhcp-leasefile=/dev/null"]
    command += [f"--dhcp-boot={url}/start.ipxe"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def overlay_of(installer: Path, directory: Path) -> Overlay:
    """Return the mirror for this installer, probed."""
    initrd = installer / "debian-installer" / "amd64" / "initrd.gz"
    unpacked = directory / "initrd"
    unpacked.mkdir()
    status = "var/lib/dpkg/status"
    command = f"zcat {initrd} | cpio -idm --quiet --no-absolute-filenames {status} '*/modules.dep'"
    subprocess.run(["sh", "-c", command], cwd=unpacked, check=True)
    installed = set(re.findall(r"^Package: (.*)$", (unpacked / status).read_text(), re.MULTILINE))
    image = next(name for name in installed if name.startswith("kernel-image-"))
    kernel = image.removeprefix("kernel-image-").removesuffix("-di")
    made = Overlay(SUITE, kernel, directory / "overlay")
    made.prepare(installed)
    return made


def stage_of(prefix: str, mirror: str, url: str, installer: Path) -> Stage:
    """Return a stage of one host."""
    arguments = ["console=ttyS0,115200", "mitigations=off", "debian-installer/allow_unauthenticated=true"]
    arguments += ["base-installer/kernel/image=linux-image-cloud-amd64", "apt-setup/services-select=none"]
    table = types.KickstartStage(
        release=RELEASE,
        ip_address_list=[f"{prefix}.11"],
        cidr=f"{prefix}.0/24",
        separate_repository=False,
        networks=[types.InstallNetwork(interface="ens3", gateway=f"{prefix}.1", nameservers=[f"{prefix}.1"])],
        target="/dev/vda",
        partitions=[types.Partition(mount="swap", size=256), types.Partition(mount="/")],
        mirror=mirror,
        netboot_url=url,
        netboot_src=str(installer),
        kernel_arguments=arguments,
        hosts={"hive0": types.InstallHost(mac=MAC)},
        root_password="root",
        install_timeout=5 * 3600,
    )
    site = types.Site(site=rig.site_name("install"), stages={"production": table})
    return Stage(site, "production", table)


def taken_over(provider: KickstartProvider) -> "Future[HostRecord]":
    """Begin to wait for the host, by no pool: that would wait on where the installation has failed, for hours."""
    made: Future[HostRecord] = Future()

    def wait() -> None:
        try:
            made.set_result(rig.ensure_host(provider, "hive0"))
        except Exception as error:  # noqa: BLE001 - raised again by `result`
            made.set_exception(error)

    threading.Thread(target=wait, daemon=True).start()
    return made


@pytest.mark.parametrize("firmware", ["bios"])
def test_a_machine_installs_itself_and_is_taken_over(
    firmware: str,
    installer: Path,
    network: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No key is typed; the installed system has the pinned host key, the stage's key, and no password but the given."""
    began = time.monotonic()
    interface, prefix = network
    log: list[str] = []

    def tell(line: str) -> None:
        minutes = (time.monotonic() - began) / 60
        log.append(line)
        with capsys.disabled():
            sys.stdout.write(f"{minutes:6.1f} min  {line}\n")
            sys.stdout.flush()

    overlay = overlay_of(installer, tmp_path)
    tell(f"{UPSTREAM} lacks {len(overlay.missing)} components of {SUITE}: {' '.join(overlay.missing)}")
    tell(f"repacked from ordinary packages: {' '.join(overlay.repacked)}")
    url = f"http://{prefix}.1:{8000 + int(rig.CHECKOUT, 16) % 1000}"
    with overlay.serving(f"{prefix}.1") as port:
        stage = stage_of(prefix, f"http://{prefix}.1:{port}/debian", url, installer)
        state = tmp_path / "site" / "state" / "production"
        files = rig.ssh_files(state / "secrets")
        provider = KickstartProvider(stage, files, state, lambda _name: Secret(PASSWORD))
        rig.ensure(provider, "medium", tell)
        disk = tmp_path / "disk"
        with disk.open("wb") as file:
            file.truncate(6 * 1024**3)
        words = ["-drive", f"file={disk},if=none,id=disk,format=raw,cache=unsafe"]
        words += ["-device", "virtio-blk-pci,drive=disk,bootindex=2,addr=5"]
        words += ["-netdev", f"tap,id=net,ifname={interface},script=no,downscript=no"]
        nic = f"virtio-net-pci,netdev=net,mac={MAC},addr=3"
        server = InstallServer(provider.served, url, tell, lambda _short: False)
        with server.serving(), dhcp(interface, prefix, url):
            wanted = [*words, "-device", f"{nic},bootindex=1"]
            with qemu.machine(tmp_path / "vm", *wanted, firmware=firmware, memory=1536) as machine:
                waiting = taken_over(provider)
                for mark in (
                    "Partitions formatting",
                    "Installing the base system",
                    "Installing GRUB boot loader",
                ):
                    machine.wait(lambda mark=mark: mark in machine.shown, mark, 3 * 3600)  # type: ignore[misc]
                    tell(mark)
                machine.wait(waiting.done, "the host answers", 3 * 3600)
                record = waiting.result()
                tell("build_infra has taken it over")
                look = (
                    "cat /etc/os-release; findmnt -no FSTYPE /; sudo getent shadow root skep; cat /proc/swaps"
                )
                answer = log_in(record, files.key, look)

    tell(answer.output)
    assert answer.worked
    assert f"VERSION_CODENAME={SUITE}" in answer.output
    assert "\next4\n" in answer.output
    assert re.search(r"^root:\$y\$", answer.output, re.MULTILINE)
    assert re.search(r"^skep:\*:", answer.output, re.MULTILINE)
    assert "hive0: has its answers (answers.img)" in log
    assert "hive0: boots its disk, as it has had its answers; to install it again, serve again" in log
