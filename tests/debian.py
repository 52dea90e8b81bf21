"""Programs of Debian's packages for tests: installed, or unpacked without that; and a busybox as a root file system."""

import fcntl
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

_LOCK = Path(tempfile.gettempdir(), f"skep-tests-apt-{os.getuid()}.lock")


@contextmanager
def apt_alone() -> Iterator[None]:
    """Have apt to oneself among tests: of two that fetch lists of packages at once, apt turns one away."""
    with _LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(packages: Sequence[str]) -> None:
    """Install those packages that are not there yet; root, on Debian."""
    if not _missing(packages):
        return
    with apt_alone():
        if missing := _missing(packages):
            # Lists of another day name versions that don't fit what security updates have installed.
            apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends"]
            for words in (["update"], ["install", *missing]):
                subprocess.run(
                    [*apt, *words], check=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
                )


def _missing(packages: Sequence[str]) -> list[str]:
    """Return those packages that are not installed."""
    command = ["dpkg-query", "-f", "${Status} ${Package}\\n", "-W", *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    there = {line.split()[-1] for line in done.stdout.splitlines() if line.startswith("install ok installed")}
    return [name for name in packages if name not in there]


def unpacked(directory: Path, *packages: str) -> Path:
    """Unpack Debian packages into a directory, without installing them."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("needs Debian's package tools, for a registry and a busybox")
    directory.mkdir(parents=True)
    with apt_alone():
        done = subprocess.run(
            ["apt-get", "download", "-q", *packages],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    for archive in directory.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive, directory / "root"], check=True)
    return directory / "root"


def busybox_root(busybox: Path, name: str) -> bytes:
    """Return a root file system, as a tar: a busybox, and a file with a name in it."""
    buffer = io.BytesIO()
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in ("bin", "etc", "tmp"):
            info = tarfile.TarInfo(directory)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        for path, mode, data in (
            ("bin/busybox", 0o755, busybox.read_bytes()),
            ("etc/base", 0o644, name.encode()),
        ):
            info = tarfile.TarInfo(path)
            info.mode, info.size = mode, len(data)
            archive.addfile(info, io.BytesIO(data))
        for applet in applets:
            if applet != "busybox":
                info = tarfile.TarInfo(f"bin/{applet}")
                info.type, info.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(info)
    return buffer.getvalue()
