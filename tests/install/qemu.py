"""A machine without an operating system: QEMU with software emulation, watched over its serial line."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import debian

INSTALLER = Path("/usr/lib/debian-installer/images/12/amd64/text")
PACKAGES = (
    *(
        "debian-installer-12-netboot-amd64",
        "qemu-system-x86",
        "ovmf",
        "ipxe-qemu",
        "dnsmasq-base",
        "cpio",
        "mtools",
    ),
    *(
        "xorriso",
        "isolinux",
        "syslinux-common",
        "grub-common",
        "grub-efi-amd64-bin",
        "dosfstools",
        "iproute2",
    ),
)
_CODE, _VARS = Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
_ASKED = re.compile(r"Prompt: |!! ERROR|\[!!\]|^-{8,}\r?$", re.MULTILINE)
"""What the installer shows when it asks or fails: the title of a question is underlined, that of progress is not."""


def install_packages() -> None:
    """Install the packages that these tests need; root, on Debian."""
    debian.install(PACKAGES)


def netinst(directory: Path) -> Path:
    """Make an image as the distribution's, from its installer's kernel and initrd: ISOLINUX for BIOS, GRUB for UEFI."""
    tree = directory / "tree"
    for name in ("install.amd", "isolinux", "boot/grub"):
        (tree / name).mkdir(parents=True)
    below = INSTALLER / "debian-installer" / "amd64"
    shutil.copy(below / "linux", tree / "install.amd" / "vmlinuz")
    shutil.copy(below / "initrd.gz", tree / "install.amd" / "initrd.gz")
    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", tree / "isolinux")
    for name in ("ldlinux", "menu", "libutil", "libcom32"):
        shutil.copy(f"/usr/lib/syslinux/modules/bios/{name}.c32", tree / "isolinux")
    for name in ("isolinux/isolinux.cfg", "boot/grub/grub.cfg"):
        (tree / name).write_text("# the distribution's\n")
    first = directory / "first.cfg"
    first.write_text(
        "search --no-floppy --set=root --file /install.amd/vmlinuz\n"
        "set prefix=($root)/boot/grub\nconfigfile /boot/grub/grub.cfg\n"
    )
    modules = (
        "part_gpt iso9660 fat search search_label search_fs_file configfile normal linux serial terminal"
    )
    loader, efi = directory / "bootx64.efi", tree / "boot" / "grub" / "efi.img"
    command = ["grub-mkstandalone", "-O", "x86_64-efi", "-o", str(loader), f"--modules={modules}"]
    run([*command, f"boot/grub/grub.cfg={first}"])
    with efi.open("wb") as image:
        image.truncate(16 * 1024**2)
    run(["mkfs.vfat", str(efi)])
    run(["mmd", "-i", str(efi), "::/EFI", "::/EFI/BOOT"])
    run(["mcopy", "-i", str(efi), str(loader), "::/EFI/BOOT/BOOTX64.EFI"])
    made = directory / "netinst.iso"
    boots = [
        "-b",
        "isolinux/isolinux.bin",
        "-c",
        "isolinux/boot.cat",
        "-no-emul-boot",
        "-boot-load-size",
        "4",
    ]
    boots += ["-boot-info-table", "-isohybrid-mbr", "/usr/lib/ISOLINUX/isohdpfx.bin"]
    boots += ["-eltorito-alt-boot", "-e", "boot/grub/efi.img", "-no-emul-boot", "-isohybrid-gpt-basdat"]
    run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "Debian 12 test", "-o", str(made), *boots, str(tree)])
    return made


def run(command: list[str]) -> None:
    """Run a command that must end well."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


class Machine:
    """A running machine.

    Args:
        directory: Where its socket and logs are.
        process: QEMU.

    """

    def __init__(self, directory: Path, process: "subprocess.Popen[bytes]") -> None:
        self.directory = directory
        self.process = process
        self.log = directory / "serial.log"

    @property
    def shown(self) -> str:
        """The text on its serial line so far, without a terminal's control sequences."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]", "", text)

    def press(self, *keys: str) -> None:
        """Press keys (`down`, `ret`), one a second: firmware loses faster ones, and gives no sign to wait for."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.directory / "monitor"))
            for key in keys:
                monitor.sendall(f"sendkey {key}\n".encode())
                time.sleep(1)

    def wait(self, until: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until something holds; a machine that ended, or an installer that asks, is a failure at once."""
        deadline = time.monotonic() + seconds
        while not until():
            tail = self.shown[-2500:]
            assert self.process.poll() is None, f"{what}: the machine ended: {tail}"
            assert not _ASKED.search(self.shown), f"{what}: the installer asks: {tail}"
            assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s: {tail}"
            time.sleep(1)

    def wait_for(self, text: str, seconds: float) -> None:
        """Wait until it shows a text."""
        self.wait(lambda: text in self.shown, text, seconds)

    def reason(self) -> str:
        """Return why it stopped, as QEMU says."""
        output = (self.directory / "qmp.log").read_text() if (self.directory / "qmp.log").exists() else ""
        events = [json.loads(line) for line in output.splitlines() if '"SHUTDOWN"' in line]
        return str(events[-1]["data"]["reason"]) if events else ""


@contextlib.contextmanager
def machine(directory: Path, *words: str, firmware: str, memory: int = 1024) -> Iterator[Machine]:
    """Start a machine of a firmware, and pull its plug at the end.

    Args:
        directory: Of its own.
        words: Further arguments of QEMU: disks and networks.
        firmware: `bios` or `uefi`.
        memory: MiB.

    """
    directory.mkdir(exist_ok=True)
    command = ["qemu-system-x86_64", "-machine", "pc", "-cpu", "max,la57=off", "-smp", "1", "-m", str(memory)]
    command += [
        "-accel",
        "tcg,thread=multi,tb-size=512",
        "-display",
        "none",
        "-monitor",
        "none",
        "-nodefaults",
    ]
    line, log = directory / "serial", directory / "serial.log"
    command += [
        "-chardev",
        f"socket,id=line,path={line},server=on,wait=off,logfile={log}",
        "-serial",
        "chardev:line",
    ]
    command += ["-monitor", f"unix:{directory / 'monitor'},server=on,wait=off"]
    if firmware == "uefi":
        own = directory / "vars.fd"
        shutil.copy(_VARS, own)
        command += ["-drive", f"if=pflash,format=raw,readonly=on,file={_CODE}"]
        command += ["-drive", f"if=pflash,format=raw,file={own}"]
    with (directory / "qemu.log").open("wb") as output:
        process = subprocess.Popen([*command, *words], stdout=output, stderr=output)
    try:
        yield Machine(directory, process)
    finally:
        process.terminate()
        process.wait(60)
