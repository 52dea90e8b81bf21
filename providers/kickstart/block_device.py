"""Writing an image to a device, and refusing each that anything on this machine lives on."""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model.errors import ProviderError
from model.reasons import reason_of
from remote.mother import process

_BLOCK = 4 * 1024**2
_HELD = {"lvm", "crypt", "raid0", "raid1", "raid4", "raid5", "raid6", "raid10", "mpath", "dm"}


def is_device(path: Path) -> bool:
    """Return whether a path is meant as a device: it is one, or lies where devices are."""
    return str(path).startswith("/dev/") or path.is_block_device()


def why_not(path: Path) -> str:
    """Return why an image may not be written to a device; empty if it may.

    It may not where the device, or one of its partitions, is mounted, is swapped to, is part of something else (LVM,
    RAID, encryption, a loop device), or is what this machine's own system lies on; nor where that can't be found out.
    """
    try:
        info = path.resolve(strict=True).stat()
    except OSError as error:
        return f"{path}: {error.strerror or reason_of(error)}: plug it in, or name another"
    if not stat.S_ISBLK(info.st_mode):
        return f"{path}: is not a block device: name a disk, or a file outside /dev"
    try:
        tree = _tree()
    except (OSError, ValueError, ProviderError) as error:
        return f"{path}: can't find out what uses it (lsblk: {reason_of(error)}): it is left alone"
    number = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
    node = next((node for node in _walk(tree) if node["maj:min"] == number), None)
    if node is None:
        return f"{path}: lsblk does not know it, so that nobody knows what uses it: name another"
    if node["type"] not in {"disk", "loop"}:
        return f"{path}: is a {node['type']}: name the whole disk, not a part of it"
    if node["ro"]:
        return f"{path}: can only be read"
    problem = next(_uses(list(_walk([node]))), "")
    return problem and f"{path}: {problem}"


def _uses(nodes: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each use of a device, or of its parts."""
    mounts, swaps = _Mounts(), _swaps()
    for node in nodes:
        for place in mounts.of(node):
            yield f"{node['path']} is mounted at {place}: unmount it first (umount {place})"
        if node["maj:min"] in mounts.own:
            yield "this machine's own system is on it"
        if node["type"] in _HELD:
            yield f"{node['path']} ({node['type']}) is on it: it is in use"
        if node["maj:min"] in swaps:
            yield f"{node['path']} is swapped to: swapoff it first"
    names = {node["name"] for node in nodes}
    for node in nodes:
        yield from (
            f"{name} is made of it: it is in use" for name in _holders(node["maj:min"]) if name not in names
        )
    numbers = {node["maj:min"] for node in nodes}
    yield from (f"{name} is made of it: it is in use" for name, number in _loops() if number in numbers)


class _Mounts:
    """The mounts of now, as this process and process 1 see them, and the devices of this machine's own system."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}
        for pid in ("self", "1"):
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
                    words = line.split()
                    self._places.setdefault(words[2], []).append(words[4])
        self.own = set()
        for place in ("/", "/usr", "/boot", "/var", "/home", os.__file__, __file__):
            with contextlib.suppress(OSError):
                device = Path(place).stat().st_dev
                self.own.add(f"{os.major(device)}:{os.minor(device)}")

    def of(self, node: dict[str, Any]) -> list[str]:
        """Return where a device is mounted."""
        places = [place for place in node.get("mountpoints") or [] if place and place != "[SWAP]"]
        return places + self._places.get(node["maj:min"], [])


def _swaps() -> set[str]:
    """Return the numbers of the devices that are swapped to."""
    found = set()
    with contextlib.suppress(OSError):
        for line in Path("/proc/swaps").read_text().splitlines()[1:]:
            with contextlib.suppress(OSError):
                info = Path(line.split()[0]).stat()
                number = info.st_rdev if stat.S_ISBLK(info.st_mode) else info.st_dev
                found.add(f"{os.major(number)}:{os.minor(number)}")
    return found


def _holders(number: str) -> list[str]:
    """Return the devices that the kernel has made of a device."""
    directory = Path("/sys/dev/block") / number / "holders"
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def _loops() -> Iterator[tuple[str, str]]:
    """Yield each loop device that is made of another device, and that one's number."""
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            info = Path(backing.read_text().strip()).stat()
            if stat.S_ISBLK(info.st_mode):
                yield (
                    f"/dev/{backing.parts[3]}",
                    f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}",
                )


def _tree() -> list[dict[str, Any]]:
    """Return the machine's block devices, as lsblk sees them."""
    columns = "NAME,PATH,TYPE,MAJ:MIN,RO,SIZE,MOUNTPOINTS"
    command = ["lsblk", "--json", "--bytes", "--all", "--output", columns]
    done = process.run(command, timeout=30).checked(ProviderError)
    devices: list[dict[str, Any]] = json.loads(done.stdout)["blockdevices"]
    return devices


def _walk(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield devices and all that is below them."""
    for node in nodes:
        yield node
        yield from _walk(node.get("children") or [])


def write(image: Path, device: Path) -> None:
    """Write an image to a device, and read it back.

    The device is opened for this process alone: the kernel refuses if anything has come to use it since it was
    looked at.

    Raises:
        ProviderError: It may not be written to, is too small, or holds something else afterwards.

    """
    if problem := why_not(device):
        raise ProviderError(problem)
    size = image.stat().st_size
    try:
        with image.open("rb") as source, _alone(device) as target:
            room = os.lseek(target, 0, os.SEEK_END)
            if room < size:
                raise ProviderError(
                    f"{device}: has {room // 1024**2} MiB; the image needs {-(-size // 1024**2)}"
                )
            os.lseek(target, 0, os.SEEK_SET)
            while block := source.read(_BLOCK):
                _write_all(target, block)
            os.fsync(target)
            os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)
            source.seek(0)
            os.lseek(target, 0, os.SEEK_SET)
            while block := source.read(_BLOCK):
                if _read_all(target, len(block)) != block:
                    raise ProviderError(f"{device}: does not hold what was written to it: use another")
    except OSError as error:
        raise ProviderError(f"{device}: {error.strerror or reason_of(error)}") from error


@contextlib.contextmanager
def _alone(device: Path) -> Iterator[int]:
    """Open a device for this process alone."""
    target = os.open(device, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    try:
        yield target
    finally:
        os.close(target)


def _write_all(target: int, block: bytes) -> None:
    """Write the whole of a block."""
    left = memoryview(block)
    while left:
        left = left[os.write(target, left) :]


def _read_all(target: int, size: int) -> bytes:
    """Read a block whole; less only at the device's end."""
    parts = []
    while size and (part := os.read(target, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
