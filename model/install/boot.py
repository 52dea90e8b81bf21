"""Boot the installer with one host's answers: boot menus, iPXE scripts, an archive for the initrd."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.install.install_plan import BOND, Answers, InstallPlan, primary_interface
from model.secrets.secret import Secret

ARCHIVE = "answers.img"
"""The archive of answers that go into the initrd."""
MENU_SECONDS = 60
"""After this time a menu boots the disk, so that an installed host comes up with the image still in its drive."""
KERNELS = {
    "debian": (
        ("install.amd/vmlinuz", "install.amd/initrd.gz"),
        ("linux", "initrd.gz"),
        ("debian-installer/amd64/linux", "debian-installer/amd64/initrd.gz"),
    ),
    "ubuntu": (("casper/vmlinuz", "casper/initrd"),),
    "rhel": (("images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"),),
}
"""The paths of kernel and initrd in each family's images and directories, the most common first."""


@dataclass(frozen=True)
class MenuEntry:
    """A host in a boot menu.

    Args:
        label: The name to type, also the first word of the title.
        title: The title in the menu.
        kernel: The kernel's path.
        initrds: The initrds' paths, in order.
        arguments: The kernel's arguments.

    """

    label: str
    title: str
    kernel: str
    initrds: tuple[str, ...]
    arguments: tuple[str, ...]


def kernel_of(family: str, files: Sequence[str]) -> tuple[str, str] | None:
    """Return the paths of kernel and initrd among an image's files, without a leading `/`; None if they are missing."""
    there = set(files)
    return next((pair for pair in KERNELS[family] if there.issuperset(pair)), None)


def entry(
    host: InstallPlan, answers: Answers, *, kernel: tuple[str, str], place: str, label: str
) -> MenuEntry:
    """Return a host's entry in the menu of an image.

    Args:
        host: The host.
        answers: Its answers.
        kernel: Kernel and initrd, as `kernel_of` returns them.
        place: The directory of its answers on the image, with no `/` at either end.
        label: The image's volume label.

    """
    initrds: tuple[str, ...] = (kernel[1],)
    if host.family == "debian":
        initrds, arguments = (kernel[1], f"{place}/{ARCHIVE}"), answers.arguments
    elif host.family == "ubuntu":
        arguments = tuple(word.format(url=f"/cdrom/{place}") for word in answers.arguments)
    else:
        where = "hd:LABEL=" + label.replace(" ", r"\x20")
        words = (word.format(url=f"{where}:/{place}") for word in answers.arguments)
        arguments = (f"inst.stage2={where}", *words)
    title = f"Install {host.name} ({host.release}): erases {host.target}"
    return MenuEntry(host.short, title, kernel[0], initrds, arguments)


def serial_of(entries: Sequence[MenuEntry]) -> int | None:
    """Return the number of the serial line that the kernels use as console; None if they use none."""
    for word in (word for each in entries for word in each.arguments):
        if word.startswith("console=ttyS"):
            digits = word.removeprefix("console=ttyS").partition(",")[0]
            return int(digits) if digits.isdigit() else None
    return None


def isolinux(entries: Sequence[MenuEntry], *, has_menu: bool) -> str:
    """Return the menu of ISOLINUX (BIOS). Without `menu.c32` the user types the host's name."""
    serial = serial_of(entries)
    lines = [] if serial is None else [f"SERIAL {serial} 115200"]
    lines += ["UI menu.c32", "MENU TITLE skep: which host is this?"] if has_menu else ["PROMPT 1"]
    lines += [f"SAY {each.label}: {each.title}" for each in entries if not has_menu]
    lines += ["DEFAULT disk", f"TIMEOUT {MENU_SECONDS * 10}", ""]
    lines += ["LABEL disk", "  MENU LABEL Boot from the disk, and install nothing", "  LOCALBOOT -1", ""]
    for each in entries:
        lines += [
            f"LABEL {each.label}",
            f"  MENU LABEL {each.label}: {each.title}",
            f"  KERNEL /{each.kernel}",
            f"  APPEND initrd={','.join(f'/{path}' for path in each.initrds)} {' '.join(each.arguments)}",
            "",
        ]
    return "\n".join(lines)


def grub(entries: Sequence[MenuEntry], *, volume: str) -> str:
    """Return the menu of GRUB (UEFI, and BIOS where the image has GRUB for it)."""
    serial = serial_of(entries)
    lines = [f"search --no-floppy --set=root --label {shlex.quote(volume)}"]
    if serial is not None:
        lines += [
            f"serial --unit={serial} --speed=115200",
            "terminal_input console serial",
            "terminal_output console serial",
        ]
    lines += ["set default=disk", f"set timeout={MENU_SECONDS}", ""]
    lines += ['menuentry "Boot from the disk, and install nothing" --id disk {', "    exit", "}"]
    for each in entries:
        # In GRUB's language single quotes keep every character as it is.
        arguments = " ".join(f"'{word}'" if set(word) & set(';\\$"') else word for word in each.arguments)
        initrds = " ".join(f"/{path}" for path in each.initrds)
        lines += [
            f"menuentry '{each.label}: {each.title}' --id {each.label} {{",
            f"    linux /{each.kernel} {arguments}",
            f"    initrd {initrds}",
            "}",
        ]
    return "\n".join(lines) + "\n"


def ipxe_start(url: str) -> str:
    """Return the script that every host starts with; it loads the script for the host's MAC address."""
    return f"#!ipxe\nchain --autofree {url}/mac/${{netX/mac:hexhyp}}.ipxe || shell\n"


def ipxe(
    host: InstallPlan, answers: Answers, *, kernel: tuple[str, str], url: str, place: str, image: str
) -> str:
    """Return the iPXE script of one host.

    Args:
        host: The host.
        answers: Its answers.
        kernel: Kernel and initrd, below `url`.
        url: The server.
        place: The directory of its answers there.
        image: The distribution's image there, for an installer that needs it whole.

    """
    names = [path.rpartition("/")[2] for path in kernel]
    arguments = [word.format(url=f"{url}/{place}") for word in answers.arguments]
    # UEFI finds initrds by these arguments, BIOS by the commands below.
    initrds, loaded = [names[1]], [f"initrd {url}/{kernel[1]}"]
    if answers.in_initrd:
        initrds.append(ARCHIVE)
        loaded.append(f"initrd {url}/{place}/{ARCHIVE}")
    if host.family == "rhel":
        arguments = [f"inst.stage2={host.mirror}/BaseOS/x86_64/os", *dracut(host), *arguments]
    elif host.family == "ubuntu":
        net = primary_interface(host.nets)
        port = (net.ports or (net.interface,))[0]
        address = f"ip={net.ip}::{net.gateway}:{net.netmask}:{host.short}:{port}:off"
        arguments = [address, f"url={url}/{image}", *arguments]
    words = [*(f"initrd={name}" for name in initrds), *arguments]
    return "\n".join(
        [
            "#!ipxe",
            f"echo skep: installs {host.name}",
            f"kernel {url}/{kernel[0]} {' '.join(words)}",
            *loaded,
            "boot",
            "",
        ]
    )


IPXE_DISK = "#!ipxe\necho skep: boots the disk\nexit\n"
"""The script of a host that was given its answers already."""


def dracut(host: InstallPlan) -> tuple[str, ...]:
    """Return the kernel arguments by which Red Hat's initrd sets up the network to fetch the kickstart file."""
    net = primary_interface(host.nets)
    words = [f"ip={net.ip}::{net.gateway}:{net.netmask}:{host.name}:{net.device}:none"]
    words += [f"nameserver={server}" for server in net.nameservers]
    if net.ports:
        options = ",".join(f"{name}={value}" for name, value in BOND.items())
        words.append(f"bond={net.interface}:{','.join(net.ports)}:{options}")
    if net.vlan is not None:
        words.append(f"vlan={net.device}:{net.interface}")
    return tuple(words)


def archive(files: Mapping[str, Secret]) -> Secret:
    """Return files as an archive for the kernel (cpio, `newc`), in latin-1: one character a byte.

    They are root's, and nobody else's to read. https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
    """
    made = b""
    for number, (name, text) in enumerate(sorted(files.items()), start=1):
        made += _member(number, name, text.reveal().encode())
    made += _member(0, "TRAILER!!!", b"")
    return Secret(_padded(made, 512).decode("latin-1"))


def _member(number: int, name: str, content: bytes) -> bytes:
    """Return a file of an archive."""
    mode = 0 if not number else 0o100600
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % value for value in fields) + name.encode() + b"\0"
    return _padded(head, 4) + _padded(content, 4)


def _padded(content: bytes, size: int) -> bytes:
    """Return bytes, padded to a multiple of a size."""
    return content + b"\0" * (-len(content) % size)
