"""Provider kickstart on this machine: images, devices, the server, hosts that were installed."""

import contextlib
import http.client
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model import install
from model import site as types
from model.errors import ProviderError
from model.install import boot, preseed
from model.secrets.secret import Secret
from model.stage import Stage
from providers.base import Provider
from providers.kickstart import block_device
from providers.kickstart import iso as kickstart_iso
from providers.kickstart.host_keys import HostKeyStore
from providers.kickstart.http_server import InstallServer
from providers.kickstart.provider import KickstartProvider
from remote.ssh.login import log_in
from remote.ssh.ssh_files import SshFiles
from tests import rig as make
from tests.contract.rigs import PreparedRig
from tests.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]
NETWORK = types.InstallNetwork(interface="ens3", gateway="192.0.2.1", nameservers=["192.0.2.2"])
MACS = {f"hive{n}": types.InstallHost(mac=f"52:54:00:00:00:0{n}") for n in range(2)}


def stage_of(**config: Any) -> Stage:
    """Return a stage of two hosts."""
    table = types.KickstartStage(
        **{
            "ip_address_list": ["192.0.2.11", "192.0.2.12"],
            "cidr": "192.0.2.0/24",
            "networks": [NETWORK],
            "target": "/dev/vda",
            "hosts": MACS,
            **config,
        }
    )
    site = types.Site(site=make.site_name("kickstart"), stages={"production": table})
    return Stage(site, "production", table)


def provider_of(stage: Stage, directory: Path, secret: str = "") -> tuple[KickstartProvider, SshFiles]:
    """Return the provider of a stage whose site's directory is this."""
    files = make.ssh_files(directory / "state" / "production" / "secrets")
    made = KickstartProvider(stage, files, directory / "state" / "production", lambda _name: Secret(secret))
    return made, files


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return an image that is laid out as Debian's, and that nothing could be installed from."""
    tree = tmp_path / "tree"
    for name in (
        "install.amd/vmlinuz",
        "install.amd/initrd.gz",
        "isolinux/isolinux.cfg",
        "boot/grub/grub.cfg",
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"the distribution's {name}\n")
    (tree / "isolinux/isolinux.bin").write_bytes(os.urandom(4096))
    (tree / "boot/grub/efi.img").write_bytes(os.urandom(65536))
    (tree / ".disk").mkdir()
    (tree / ".disk/info").write_text("Debian GNU/Linux 12\n")
    made = tmp_path / "in.iso"
    boots = [
        "-b",
        "isolinux/isolinux.bin",
        "-c",
        "isolinux/boot.cat",
        "-no-emul-boot",
        "-boot-load-size",
        "4",
    ]
    boots += ["-boot-info-table", "-eltorito-alt-boot", "-e", "boot/grub/efi.img", "-no-emul-boot"]
    command = [
        "xorriso",
        "-as",
        "mkisofs",
        "-quiet",
        "-V",
        "Debian 12 n",
        "-o",
        str(made),
        *boots,
        "-isohybrid-gpt-basdat",
    ]
    subprocess.run([*command, str(tree)], check=True, capture_output=True)
    return made


def read(image: Path, path: str, directory: Path) -> bytes:
    """Return a file of an image."""
    kickstart_iso.extract(image, path, directory / "extracted")
    return (directory / "extracted").read_bytes()


def unpacked(archive: bytes, directory: Path) -> dict[str, str]:
    """Return the files of an archive, as cpio unpacks it."""
    directory.mkdir()
    subprocess.run(["cpio", "-idm", "--quiet"], input=archive, cwd=directory, check=True)
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    return {path.name: path.read_text() for path in directory.iterdir()}


class TestImage:
    """The image, read back with xorriso."""

    def test_holds_answers_and_menus_and_boots_as_before(self, image: Path, tmp_path: Path) -> None:
        """Every host's answers are there, both menus name each host, and BIOS and UEFI boot as before.

        ISOLINUX sees other names than those of Rock Ridge: they stay as well.
        """
        stage = stage_of(iso_src=str(image), iso_dest=str(tmp_path / "out.iso"))
        provider, _ = provider_of(stage, tmp_path)
        make.ensure(provider, "medium", make.quiet)
        out = tmp_path / "out.iso"

        def boots(path: Path) -> list[str]:
            report = kickstart_iso.xorriso("-indev", f"stdio:{path}", "-report_el_torito", "plain")
            # What follows the path is where it lies, which may change.
            return [line for line in report.splitlines() if "img path" in line or "img opts" in line]

        assert boots(out) == boots(image) != []
        assert (
            read(out, "isolinux/isolinux.bin", tmp_path)[64:]
            == read(image, "isolinux/isolinux.bin", tmp_path)[64:]
        )
        assert read(out, "boot/grub/efi.img", tmp_path) == read(image, "boot/grub/efi.img", tmp_path)
        assert kickstart_iso.volume_of(out) == "Debian 12 n"
        assert set(kickstart_iso.listing(image)) < set(kickstart_iso.listing(out))
        for n, host in enumerate(stage.hosts):
            files = unpacked(read(out, f"skep/{n}/answers.img", tmp_path), tmp_path / f"unpacked{n}")
            assert f"netcfg/get_ipaddress string {host.address}\n" in files[preseed.FILE]
            for menu in ("isolinux/isolinux.cfg", "boot/grub/grub.cfg"):
                text = read(out, menu, tmp_path).decode()
                assert f"/skep/{n}/answers.img" in text
                assert f"Install {host.name} (debian-12): erases /dev/vda" in text
        assert out.stat().st_mode & 0o777 == 0o600
        names = kickstart_iso.xorriso(
            "-read_fs", "norock", "-indev", f"stdio:{out}", "-find", "/", "-type", "f"
        )
        assert "'/INSTALL.AMD/VMLINUZ'" in names.splitlines()

    def test_of_another_distribution_is_refused(self, image: Path, tmp_path: Path) -> None:
        """An image without the release's installer is no source, and nothing is written."""
        stage = stage_of(iso_src=str(image), iso_dest=str(tmp_path / "out.iso"), release="almalinux-9")
        provider, _ = provider_of(stage, tmp_path)

        with pytest.raises(
            ProviderError, match=r"has no images/pxeboot/vmlinuz, so it is not an installation image"
        ):
            make.ensure(provider, "medium", make.quiet)
        assert not (tmp_path / "out.iso").exists()


@contextlib.contextmanager
def loop(directory: Path, size: int = 16, name: str = "disk") -> Iterator[Path]:
    """Give a loop device of so many MiB."""
    file = directory / name
    with file.open("wb") as disk:
        disk.truncate(size * 1024**2)
    command = ["losetup", "--find", "--show", "--partscan", str(file)]
    device = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield Path(device)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@contextlib.contextmanager
def mounted(device: Path, directory: Path) -> Iterator[None]:
    """Have a device mounted."""
    directory.mkdir()
    subprocess.run(["mount", device, directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", directory], check=True)


class TestDevice:
    """Writing to devices, with loop devices: one that is in use is left alone."""

    def test_free_one_is_written_whole(self, image: Path, tmp_path: Path) -> None:
        """It holds the image afterwards, from its first byte."""
        with loop(tmp_path) as device:
            stage = stage_of(iso_src=str(image), iso_dest=str(device))
            provider, _ = provider_of(stage, tmp_path)
            assert provider.check() == []
            make.ensure(provider, "medium", make.quiet)

            assert "skep/1/answers.img" in kickstart_iso.listing(device)
        assert not list(tmp_path.rglob("image.iso"))

    def test_mounted_one_is_left_alone(self, image: Path, tmp_path: Path) -> None:
        """Neither check nor write touches it, and its content stays as it is."""
        with loop(tmp_path) as device:
            subprocess.run(["mkfs.ext2", "-q", str(device)], check=True)
            with mounted(device, tmp_path / "mnt"):
                (tmp_path / "mnt" / "precious").write_text("data")
                stage = stage_of(iso_src=str(image), iso_dest=str(device))
                provider, _ = provider_of(stage, tmp_path)
                problem = provider.check()
                with pytest.raises(ProviderError, match="is mounted at"):
                    make.ensure(provider, "medium", make.quiet)
                with pytest.raises(ProviderError, match="is mounted at"):
                    block_device.write(image, device)

            assert [f"umount {tmp_path}/mnt" in line for line in problem] == [True]
            with mounted(device, tmp_path / "again"):
                assert (tmp_path / "again" / "precious").read_text() == "data"

    def test_what_another_device_is_made_of_is_left_alone(self, tmp_path: Path) -> None:
        """A loop device on it holds it."""
        with loop(tmp_path) as below:
            command = ["losetup", "--find", "--show", str(below)]
            above = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
            try:
                assert f"{above} is made of it" in block_device.why_not(below)
            finally:
                subprocess.run(["losetup", "--detach", above], check=True)
            assert block_device.why_not(below) == ""

    def test_too_small_a_one_is_left_alone(self, tmp_path: Path) -> None:
        """An image that does not fit is not begun with."""
        image = tmp_path / "image"
        image.write_bytes(b"x" * 3 * 1024**2)
        with loop(tmp_path, size=2) as device:
            with pytest.raises(ProviderError, match="has 2 MiB; the image needs 3"):
                block_device.write(image, device)
            assert device.read_bytes()[:8] == bytes(8)

    def test_nothing_but_a_disk_is_written_to(self, tmp_path: Path) -> None:
        """A path that is no device, or none that lsblk knows, is refused by its name."""
        link = tmp_path / "link"
        link.symlink_to("/dev/null")

        assert "is not a block device" in block_device.why_not(link)
        assert "plug it in" in block_device.why_not(Path("/dev/nothing-of-the-kind"))

    def test_this_machines_own_system_is_left_alone(self) -> None:
        """Each disk that something on this machine is mounted from is refused, whatever it is called."""
        command = ["lsblk", "--list", "--noheadings", "--paths", "--output", "NAME,MOUNTPOINTS"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        used = [line.split()[0] for line in lines if len(line.split()) > 1]

        assert [name for name in used if not block_device.why_not(Path(name))] == []


class TestServing:
    """The answers to hosts that boot from the network."""

    def test_each_host_is_installed_once(self, image: Path, tmp_path: Path) -> None:
        """A host gets its own answers, and boots its disk from then on; strangers boot theirs."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        stage = stage_of(iso_src=str(image), netboot_url=url)
        provider, _ = provider_of(stage, tmp_path)
        make.ensure(provider, "medium", make.quiet)
        said: list[str] = []
        server = InstallServer(provider.served, url, said.append, lambda short: short == "hive1")

        with server.serving():
            start = ask(port, "/start.ipxe")
            script = ask(port, "/mac/52-54-00-00-00-00.ipxe")
            archive = ask(port, "/0/answers.img")
            again = ask(port, "/mac/52-54-00-00-00-00.ipxe")
            done = ask(port, "/mac/52-54-00-00-00-01.ipxe")
            stranger = ask(port, "/mac/52-54-00-00-00-09.ipxe")
            hidden = [
                ask(port, path) for path in ("/hosts.json", "/../hive0.json", "/%2e%2e/hive0.json", "/0", "/")
            ]

        assert f"{url}/mac/${{netX/mac:hexhyp}}.ipxe" in start.decode()
        assert f"initrd {url}/0/answers.img\n" in script.decode()
        assert "192.0.2.11" in unpacked(archive, tmp_path / "unpacked")[preseed.FILE]
        assert again == done == stranger == boot.IPXE_DISK.encode()
        assert hidden == [b""] * 5
        assert "hive0: asks how to boot, from 127.0.0.1" in said
        assert "hive0: has its answers (answers.img)" in said
        assert any("52:54:00:00:00:09, which no host in site.toml has" in line for line in said)

    def test_a_port_that_is_taken_is_said(self, image: Path, tmp_path: Path) -> None:
        """Who listens there already is not pushed aside."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        provider, _ = provider_of(stage_of(iso_src=str(image), netboot_url=url), tmp_path)
        make.ensure(provider, "medium", make.quiet)

        def server() -> InstallServer:
            return InstallServer(provider.served, url, make.quiet, lambda _short: False)

        with (
            server().serving(),
            pytest.raises(ProviderError, match=f"can't listen on port {port}"),
            server().serving(),
        ):
            pass


def ask(port: int, path: str) -> bytes:
    """Return a served file; nothing where it is not there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=240)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        content = answer.read()
        return content if answer.status == http.HTTPStatus.OK else b""
    finally:
        connection.close()


class Installed:
    """A host as an installation leaves it: a container in which the answers' own script has run."""

    PASSWORD = "correct horse 'battery\" $taple"

    def __init__(self, rig: PreparedRig, directory: Path) -> None:
        host = rig.stage.host("hive0")
        self.container = rig.below.container("hive0")
        config = types.KickstartStage(
            cidr=rig.below.stage.config.cidr,
            ip_address_list=[host.address],
            separate_repository=False,
            networks=[types.InstallNetwork(interface="eth0")],
            target="/dev/vda",
            root_password="root",
            install_timeout=120,
        )
        site = types.Site(site=rig.stage.site_name, stages={"private": config})
        self.stage = Stage(site, "private", config)
        self.state = directory / "state" / "private"
        self.files = make.ssh_files(self.state / "secrets")
        self.keeper = HostKeyStore(self.state / "secrets" / "install")

    def provider(self) -> Provider:
        """Return a new provider, as another run would have."""
        return KickstartProvider(self.stage, self.files, self.state, lambda _name: Secret(self.PASSWORD))

    def install(self) -> str:
        """Run the last script of an installation, with the medium's new key, and return that."""
        make.ensure(self.provider(), "medium", make.quiet)
        kept = self.keeper.read("hive0")
        public = self.files.key.with_suffix(".pub").read_text()
        plan = install.plan(self.stage, self.stage.host("hive0"), public, kept.private, kept.pending)
        make.run_in(self.container, install.script.access_script(plan).reveal() + "systemctl restart ssh\n")
        return kept.pending

    def log_in(self, host_key: str) -> bool:
        """Return whether the host answers with a key, and lets the stage's in."""
        record = make.ensure_host(self.provider(), "hive0")
        pinned = type(record)(
            **{name: getattr(record, name) for name in record.__struct_fields__} | {"host_keys": (host_key,)}
        )
        return log_in(pinned, self.files.key, "true").worked


@pytest.fixture
def installed(prepared_rig: PreparedRig, tmp_path: Path) -> Iterator[Installed]:
    """Give a host that is installed; afterwards this machine is as it was."""
    rig = prepared_rig
    container = rig.below.container("hive0")
    make.run_in(container, "rm -rf /root/was && cp -a /etc/ssh /root/was\n")
    try:
        yield Installed(rig, tmp_path)
    finally:
        make.run_in(
            container, "cp -a /root/was/ssh_host_* /etc/ssh/ && systemctl restart ssh && rm -rf /root/was\n"
        )
        rig.prepare("hive0")


def test_an_installed_host_is_taken_over(installed: Installed) -> None:
    """It is known by the medium's key, gets one of its own, root's password, and is then the same one for ever.

    A run that was killed in the exchange knows both keys, and a host that was installed again is taken over again.
    """
    medium = installed.install()
    first = make.ensure_host(installed.provider(), "hive0")
    shadow = make.run_in(installed.container, "getent shadow root skep\n")

    assert first.host_keys[0] != medium
    assert first.user == "skep"
    assert not installed.log_in(medium)
    assert make.ensure_host(installed.provider(), "hive0") == first
    assert installed.keeper.read("hive0").pending == ""
    assert "root:$" in shadow
    assert "skep:*:" in shadow

    another = installed.install()
    # As a run that was killed leaves it: the host made a key, and does not use it yet.
    make.run_in(
        installed.container, "ssh-keygen -q -t ed25519 -N '' -C '' -f /etc/ssh/skep_next_ed25519_key\n"
    )
    told = make.run_in(installed.container, "cut -d' ' -f1,2 /etc/ssh/skep_next_ed25519_key.pub\n").strip()
    installed.keeper.write("hive0", installed.keeper.read("hive0").exchanged(told))
    second = make.ensure_host(installed.provider(), "hive0")

    assert second.host_keys == (told,)
    assert second.host_keys[0] not in {medium, another, first.host_keys[0]}


def test_a_host_that_is_not_there_is_waited_for_and_named(tmp_path: Path) -> None:
    """The wait ends with the host, the reason, and the medium to install it from."""
    stage = stage_of(ip_address_list=["127.0.0.2", "127.0.0.3"], cidr="127.0.0.0/24", install_timeout=0.001)
    provider, _ = provider_of(stage, tmp_path)

    with pytest.raises(ProviderError, match=r"hive0.*does not answer as installed within 1ms"):
        make.ensure_host(provider, "hive0")
