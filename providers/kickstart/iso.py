"""The distribution's image with the hosts' answers and a menu of them, made by xorriso."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.errors import ProviderError
from model.install import Answers, InstallPlan, boot
from remote.mother import process

PLACE = "skep"
"""The directory of the answers on the image."""
TIMEOUT = 1800.0
_MENUS = ("boot/grub/grub.cfg", "boot/grub2/grub.cfg", "EFI/BOOT/grub.cfg", "EFI/BOOT/BOOT.cfg")
_ISOLINUX = ("isolinux/isolinux.cfg", "isolinux.cfg", "boot/isolinux/isolinux.cfg", "syslinux/syslinux.cfg")
_EFI = ("images/efiboot.img", "boot/grub/efi.img")


def xorriso(*words: str | Path) -> str:
    """Run xorriso and return its output.

    Raises:
        ProviderError: It failed.

    """
    command = ["xorriso", "-abort_on", "FAILURE", "-return_with", "SORRY", "32", *map(str, words)]
    try:
        done = process.run(command, timeout=TIMEOUT)
    except FileNotFoundError:
        raise ProviderError("xorriso: not found: install it (apt-get install xorriso)") from None
    if done.status is None:
        raise ProviderError(f"xorriso: {done.ending}")
    if not done.ok:
        lines = done.errors.splitlines()
        problems = [line for line in lines if re.search(r": (SORRY|FAILURE|FATAL) :", line)]
        raise ProviderError("xorriso: " + "; ".join(problems or lines[-3:]))
    return done.output


def listing(image: Path) -> tuple[str, ...]:
    """Return the files of an image, with no `/` before them."""
    text = xorriso("-indev", f"stdio:{image}", "-find", "/", "-type", "f", "-exec", "echo")
    return tuple(line.strip().strip("'").removeprefix("/") for line in text.splitlines() if line.strip())


def volume_of(image: Path) -> str:
    """Return an image's volume label."""
    text = xorriso("-indev", f"stdio:{image}", "-pvd_info")
    found = re.search(r"^Volume [Ii]d +: *'?(.*?)'?\s*$", text, re.MULTILINE)
    return found.group(1) if found else ""


def extract(image: Path, path: str, to: Path) -> None:
    """Copy a file out of an image."""
    to.parent.mkdir(parents=True, exist_ok=True)
    xorriso("-osirrox", "on", "-indev", f"stdio:{image}", "-extract", f"/{path}", to)
    to.chmod(0o600)


def remaster(source: Path, target: Path, hosts: Sequence[tuple[InstallPlan, Answers]]) -> None:
    """Write the image that installs these hosts, from the distribution's.

    How the distribution's image boots stays as it is, and so does all that is on it: answers are added, and its menus
    are replaced.

    Args:
        source: The distribution's image.
        target: A file, which is written whole or not at all.
        hosts: The hosts and their answers.

    Raises:
        ProviderError: The source is no image of that distribution, or xorriso failed.

    """
    family, release = hosts[0][0].family, hosts[0][0].release
    files, volume = listing(source), volume_of(source)
    kernel = boot.kernel_of(family, files)
    if kernel is None:
        looked = " or ".join(pair[0] for pair in boot.KERNELS[family])
        raise ProviderError(
            f"iso_src {source}: has no {looked}, so it is not an installation image of {release}"
        )
    entries = [
        boot.entry(host, answers, kernel=kernel, place=f"{PLACE}/{n}", label=volume)
        for n, (host, answers) in enumerate(hosts)
    ]
    has_menu = any(path.endswith("isolinux/menu.c32") for path in files)
    menus = {path: boot.grub(entries, volume=volume) for path in _MENUS if path in files}
    menus |= {path: boot.isolinux(entries, has_menu=has_menu) for path in _ISOLINUX if path in files}
    if not menus:
        raise ProviderError(
            f"iso_src {source}: has no boot menu that skep knows: {', '.join((*_MENUS, *_ISOLINUX))}"
        )
    with tempfile.TemporaryDirectory(prefix=".skep-iso-", dir=target.parent) as temporary:
        below = Path(temporary)
        maps: list[str | Path] = []
        for number, (path, text) in enumerate(menus.items()):
            file = below / f"menu{number}"
            file.write_text(text)
            maps += ["-map", file, f"/{path}"]
        for n, (_, answers) in enumerate(hosts):
            maps += ["-map", _written(below / f"host{n}", answers), f"/{PLACE}/{n}"]
        if family == "rhel":
            maps += _efi_menu(source, files, menus, below)
        made = below / "image.iso"
        made.touch(mode=0o600)
        made.unlink()
        # ISOLINUX reads the names of ISO 9660, and finds no /install.amd where that became INSTALL_AMD.
        dots = ("-compliance", "allow_dir_id_ext")
        xorriso(
            *dots,
            "-indev",
            f"stdio:{source}",
            "-outdev",
            f"stdio:{made}",
            "-boot_image",
            "any",
            "replay",
            *maps,
            "-commit",
        )
        made.chmod(0o600)
        made.replace(target)


def _written(directory: Path, answers: Answers) -> Path:
    """Write a host's answers into a directory, and return it."""
    directory.mkdir(mode=0o700)
    write_answers(directory, answers)
    return directory


def write_answers(directory: Path, answers: Answers) -> None:
    """Write a host's answers: as one archive where they go into the initrd, else each."""
    made = {name: text.reveal().encode() for name, text in answers.files.items()}
    if answers.in_initrd:
        made = {boot.ARCHIVE: boot.archive(answers.files).reveal().encode("latin-1")}
    for name, content in made.items():
        path = directory / name
        path.touch(mode=0o600)
        path.write_bytes(content)


def _efi_menu(source: Path, files: Sequence[str], menus: Mapping[str, str], below: Path) -> list[str | Path]:
    """Return xorriso's arguments that replace the menu in the EFI image, where Red Hat's GRUB reads it from a CD."""
    text = next((text for path, text in menus.items() if path in _MENUS), "")
    for path in (path for path in _EFI if path in files and text):
        image, menu = below / "efi.img", below / "efi-menu"
        extract(source, path, image)
        menu.write_text(text)
        try:
            done = process.run(["mcopy", "-o", "-i", image, menu, "::/EFI/BOOT/grub.cfg"], timeout=60)
        except FileNotFoundError:
            raise ProviderError("mcopy: not found: install mtools (apt-get install mtools)") from None
        if not done.ok:
            raise ProviderError(f"mcopy: can't replace the menu in {path}: {done.errors or done.ending}")
        return ["-map", image, f"/{path}"]
    return []
