"""The directory that hosts are booted from over the network."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from model.errors import ProviderError
from model.install import Answers, InstallPlan, boot
from model.site import InstallHost, KickstartStage
from providers.kickstart import iso as kickstart_iso

START = "start.ipxe"
HOSTS = "hosts.json"
"""What `doit serve_install` reads: place of the answers and MAC of each host."""
IMAGE = "image.iso"


def make_directory(
    config: KickstartStage,
    directory: Path,
    iso: Path | None,
    source: Path | None,
    hosts: Sequence[tuple[InstallPlan, Answers]],
) -> None:
    """Make the directory: scripts for iPXE, answers, kernel and initrd. Whole or not at all.

    Args:
        config: The stage's.
        directory: What is made; what was there before goes.
        iso: The distribution's image, where there is one.
        source: The directory with kernel and initrd; by default they are taken out of the image.
        hosts: The hosts and their answers.

    Raises:
        ProviderError: There are no kernel and initrd.

    """
    family, url = hosts[0][0].family, str(config.netboot_url)
    with tempfile.TemporaryDirectory(prefix=".www-", dir=directory.parent) as temporary:
        below = Path(temporary) / "www"
        below.mkdir(mode=0o700)
        kernel = _kernel(family, hosts[0][0].release, iso, source, below)
        if family == "ubuntu" and iso is not None:
            (below / IMAGE).symlink_to(iso.resolve())
        (below / START).write_text(boot.ipxe_start(url))
        (below / "mac").mkdir()
        table = {}
        for n, (host, answers) in enumerate(hosts):
            place = below / str(n)
            place.mkdir(mode=0o700)
            kickstart_iso.write_answers(place, answers)
            script = boot.ipxe(host, answers, kernel=kernel, url=url, place=str(n), image=IMAGE)
            mac = str((config.hosts.get(host.short) or InstallHost()).mac).lower().replace(":", "-")
            (below / "mac" / f"{mac}.ipxe").write_text(script)
            table[host.short] = {"place": str(n), "mac": mac}
        (below / HOSTS).write_text(json.dumps(table, indent=1))
        old = Path(temporary) / "old"
        if directory.exists():
            directory.rename(old)
        below.rename(directory)


def _kernel(family: str, release: str, iso: Path | None, source: Path | None, below: Path) -> tuple[str, str]:
    """Copy kernel and initrd into the directory, and return where they are."""
    files: Sequence[str] = ()
    if source is not None:
        files = [str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()]
    elif iso is not None:
        files = kickstart_iso.listing(iso)
    found = boot.kernel_of(family, files)
    if found is None:
        looked = " or ".join(pair[0] for pair in boot.KERNELS[family])
        raise ProviderError(f"{source or iso}: has no {looked}, so the installer of {release} is not there")
    for path in found:
        target = below / path.rpartition("/")[2]
        if source is not None:
            shutil.copyfile(source / path, target)
        elif iso is not None:
            kickstart_iso.extract(iso, path, target)
    return found[0].rpartition("/")[2], found[1].rpartition("/")[2]
