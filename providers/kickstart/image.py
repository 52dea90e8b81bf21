"""The medium that hosts are installed from: an image in a file or on a device, and a directory to boot from."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import to_builtins

from model import install
from model.errors import ProviderError
from model.install import Answers, InstallPlan
from model.keys.digest import Inputs
from model.log import Log
from model.site import KickstartStage
from model.stage import Stage
from providers.kickstart import block_device
from providers.kickstart import iso as kickstart_iso
from providers.kickstart.host_keys import HostKeyStore
from providers.kickstart.netboot import make_directory
from remote.ssh.ssh_files import SshFiles

LAYOUT = "1"
"""Raised when media must be replaced for a new version of this provider."""


def inputs(stage: Stage, config: KickstartStage) -> Inputs:
    """Return the medium's inputs: the stage's table, and its hosts."""
    own = {"install_timeout", "root_password", "provider", "repository"}
    table = {key: value for key, value in to_builtins(config).items() if key not in own}
    hosts = [f"{host.name} {host.address}" for host in stage.hosts]
    return {"layout": LAYOUT, "hosts of the stage": hosts, **table}


def ways_to_install(config: KickstartStage) -> str:
    """Return the media that a person may start hosts from, for messages."""
    ways = [str(config.iso_dest)] if config.iso_dest else []
    ways += ["the network (doit serve_install)"] if config.netboot_url else []
    return " or ".join(ways)


def path_of(directory: Path, text: str | None) -> Path | None:
    """Return a path of site.toml, seen from the site's directory."""
    return None if text is None else directory / Path(text).expanduser()


class Medium:
    """The medium of one stage.

    Args:
        stage: The stage.
        config: Its table of site.toml.
        files: Its ssh files; the key pair is there.
        store: The hosts' ssh host keys.
        directory: The site's directory.

    """

    def __init__(
        self, stage: Stage, config: KickstartStage, files: SshFiles, store: HostKeyStore, directory: Path
    ) -> None:
        self._stage, self._config, self._files = stage, config, files
        self._store, self._directory = store, directory

    def make(self, log: Log) -> None:
        """Make image and directory with the answers of all hosts."""
        public = self._files.entry.line
        # What is on the medium names a key, so that one whose making was killed goes with the next.
        hosts: list[tuple[InstallPlan, Answers]] = []
        with self._store.lock():
            for host in self._stage.hosts:
                kept = self._store.renewed(host.short)
                plan = install.plan(self._stage, host, public, kept.private, kept.pending)
                hosts.append((plan, install.answers(plan)))
            source, target = self._path(self._config.iso_src), self._path(self._config.iso_dest)
            if target is not None and source is not None:
                self._write_image(source, target, hosts, log)
            if self._config.netboot_url is not None:
                directory = self._store.www
                make_directory(self._config, directory, source, self._path(self._config.netboot_src), hosts)
                log(f"made {directory}: `doit serve_install` serves it at {self._config.netboot_url}")

    def _write_image(
        self, source: Path, target: Path, hosts: Sequence[tuple[InstallPlan, Answers]], log: Log
    ) -> None:
        """Make the image, at once as a file, or beside the state and then on to the device."""
        if not block_device.is_device(target):
            kickstart_iso.remaster(source, target, hosts)
            log(f"made {target}: start each host from it, and choose the host in its menu")
            return
        if problem := block_device.why_not(target):
            raise ProviderError(f"stages.{self._stage.name}.iso_dest: {problem}")
        image = self._store.directory / "image.iso"
        try:
            kickstart_iso.remaster(source, image, hosts)
            block_device.write(image, target)
        finally:
            image.unlink(missing_ok=True)
        log(f"wrote {target}: start each host from it, and choose the host in its menu")

    def remove(self, log: Log) -> None:
        """Remove the medium, if it is a file, and the keys that it gives to hosts."""
        target = self._path(self._config.iso_dest)
        if target is not None and block_device.is_device(target):
            log(f"{target}: is left as it is; it holds keys of the installation")
        elif target is not None and target.exists():
            target.unlink()
            log(f"removed {target}")
        self._store.remove_files()

    def _path(self, text: str | None) -> Path | None:
        """Return a path of site.toml, seen from the site's directory."""
        return path_of(self._directory, text)
