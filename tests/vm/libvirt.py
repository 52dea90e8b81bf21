"""Virtual machines by Vagrant and libvirt, of a box that is made from the distribution's own packages.

Root, on Debian. Software emulation is used where the processor can't do better, or the kernel does not start with it.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from providers.base import Provider
from tests import debian, rig

PACKAGES = (
    *(
        "vagrant",
        "vagrant-libvirt",
        "libvirt-daemon-system",
        "libvirt-clients",
        "qemu-system-x86",
        "qemu-utils",
    ),
    *("dnsmasq-base", "extlinux", "syslinux-common", "fdisk", "busybox-static"),
)
MAKE_BOX = Path(__file__).with_name("make-box")
BOOT_TIMEOUT = "30m"


@contextmanager
def running() -> Iterator[None]:
    """Have libvirt run: its daemons are started if they do not run, and ended by their ids."""
    debian.install(PACKAGES)
    started = []
    if subprocess.run(
        ["virsh", "-c", "qemu:///system", "version"], capture_output=True, check=False
    ).returncode:
        # Slow as it is, it leaves the processors to others.
        started = [subprocess.Popen(["nice", "-n", "10", daemon]) for daemon in ("virtlogd", "libvirtd")]
        rig.wait_until(
            lambda: (
                not subprocess.run(
                    ["virsh", "-c", "qemu:///system", "version"], capture_output=True, check=False
                ).returncode
            ),
            "libvirt",
        )
    try:
        yield
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)


def config(directory: Path) -> dict[str, Any]:
    """Return the settings of a stage on virtual machines, with a box that is made if it is not there yet."""
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skep-tests"
    digest = hashlib.sha256(MAKE_BOX.read_bytes()).hexdigest()[:12]
    box = kept / f"{digest}.box"
    if not box.exists():
        kept.mkdir(parents=True, exist_ok=True)
        subprocess.run([MAKE_BOX, directory / "new.box"], check=True)
        shutil.move(directory / "new.box", box)
    return {
        "provider_backend": "libvirt",
        "driver": "qemu",
        "box": f"skep-tests-{digest}",
        "box_url": str(box),
        "boot_timeout": BOOT_TIMEOUT,
        "memory_size": 1024,
        "cpus": 1,
    }


def remove(provider: Provider) -> None:
    """Remove all machines of a stage, and the rest of one that a killed run left."""
    names = {resource.name for resource in provider.resources()} | set(provider.found())
    for name in sorted(names):
        provider.remove(name, print)
