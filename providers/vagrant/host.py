"""Hosts that are virtual machines: how one is made, started, changed, stopped and removed."""

from pathlib import Path

from model.errors import ProviderError
from model.keys.digest import Inputs, key_of
from model.keys.record import ADMIN, HostRecord
from model.log import Log
from model.site import VagrantStage
from model.stage import Host, Stage
from providers.base import Resource
from providers.vagrant import vagrantfile
from providers.vagrant.machines import GONE, RUNNING, MachineFacts, Machines
from providers.vagrant.vagrantfile import size_of
from remote.ssh.login import log_in, wait_for_login
from remote.ssh.ssh_files import SshFiles, is_refusal

LAYOUT = "1"
"""Raised when machines must be replaced for a new version of this provider."""


def inputs(config: VagrantStage, host: Host) -> Inputs:
    """Return a host's inputs."""
    return {
        "layout": LAYOUT,
        "name": host.name,
        "address": host.address,
        "cidr": str(config.cidr),
        "box": config.box,
        "provider_backend": str(config.provider_backend),
        "driver": config.driver,
        "bridge": str(config.bridge),
        "dev": str(config.dev),
        "disk_size": str(size_of(config, host, "disk_size")),
        "mirrored_disk_size": str(config.mirrored_disk_size if host.is_hive else None),
    }


def settings(config: VagrantStage, host: Host) -> Inputs:
    """Return a host's settings, which a restart of its machine changes."""
    return {
        "memory_size": str(size_of(config, host, "memory_size")),
        "cpus": str(size_of(config, host, "cpus")),
        "vagrant_proxy": str(config.vagrant_proxy),
    }


def quota_usage(config: VagrantStage, host: Host) -> dict[str, int]:
    """Return the amounts of a host that `doit plan` adds up."""
    usage = {"hosts": 1}
    if memory := size_of(config, host, "memory_size"):
        usage["MiB of memory"] = memory
    if extra := config.mirrored_disk_size if host.is_hive else None:
        usage["GiB of further disks"] = extra
    return usage


class VagrantHosts:
    """The hosts of one stage. Thread-safe.

    Args:
        stage: The stage.
        config: Its table of site.toml.
        files: Its ssh files; the key pair is there.
        machines: Its machines.
        directory: The site's directory.

    """

    def __init__(
        self, stage: Stage, config: VagrantStage, files: SshFiles, machines: Machines, directory: Path
    ) -> None:
        self._stage, self._config, self._files = stage, config, files
        self._machines, self._directory = machines, directory

    def ensure(self, resource: Resource, log: Log) -> HostRecord:
        """Make a machine, start it, give it its settings, and let the stage's key in."""
        host = self._stage.host(resource.name)
        with self._machines.lock(host.short, log):
            return self._ensure(host, resource.key, key_of(resource.settings), log)

    def recall(self, resource: Resource) -> HostRecord | None:
        """Return the record of a machine that runs as wanted and lets the stage's key in; nothing is changed."""
        host, kept = self._stage.host(resource.name), self._machines.kept(resource.name)
        if kept is None or kept.key != resource.key or kept.settings != key_of(resource.settings):
            return None
        if not kept.host_keys or self._machines.states().get(host.short, GONE) != RUNNING:
            return None
        record = self._record(host, kept)
        return record if log_in(record, self._files.key, "sudo -n true").worked else None

    def _ensure(self, host: Host, key: str, settings: str, log: Log) -> HostRecord:
        """Make a machine, with its lock held."""
        self.write_files()
        kept = self._machines.kept(host.short)
        state = self._machines.states().get(host.short, GONE)
        if state != GONE and kept is not None and kept.key != key:
            log(f"{host.name}: is replaced, and its disks with it")
            self._machines.destroy(host.short, self._timeout, log)
            state = GONE
        if state == GONE:
            if self._machines.backend == "libvirt":
                self._machines.sweep(host.short, log)
            kept = MachineFacts(key)
        # One that Vagrant knows and that has nothing kept of it is adopted: it is the stage's, by its directory.
        kept = kept or MachineFacts(key)
        self._machines.keep(host.short, kept)
        if state == RUNNING and kept.settings == settings and kept.host_keys:
            record = self._record(host, kept)
            if log_in(record, self._files.key, "sudo -n true").worked:
                return record
        kept = self._bring_up(host, kept, settings, running=state == RUNNING, log=log)
        record = self._record(host, kept)
        problem = wait_for_login(record, self._files.key, 60, lambda: True)
        if is_refusal(problem):
            way = (
                f"look for AllowUsers or PubkeyAuthentication in its sshd_config (`vagrant ssh {host.short}`)"
            )
            raise self._files.refusal(host.short, first=way)
        if problem:
            raise ProviderError(f"{host.name}: is up, and the stage's key does not log in: {problem}")
        return record

    def _bring_up(
        self, host: Host, kept: MachineFacts, settings: str, *, running: bool, log: Log
    ) -> MachineFacts:
        """Start and provision a machine, and keep its settings and host keys."""
        if running and kept.settings not in {"", settings}:
            log(f"{host.name}: restarts with its new settings")
            # One at a time, and no other run meanwhile: the swarm does not lose its majority by it.
            with self._machines.lock("restart", log):
                host_keys = self._machines.reload(host.short, self._timeout, log)
        elif running:
            # `up` would do it twice: vagrant-libvirt 0.11.
            host_keys = self._machines.provision(host.short, self._timeout, log)
        elif self._machines.known():
            host_keys = self._machines.up(host.short, self._machines.backend, self._timeout, log)
        else:
            # The first one brings the box and the network, which others would make at the same time.
            with self._machines.lock("first", log):
                host_keys = self._machines.up(host.short, self._machines.backend, self._timeout, log)
        if not host_keys:
            raise ProviderError(f"{host.name}: printed no host key when it was provisioned")
        kept = MachineFacts(kept.key, settings, tuple(host_keys))
        self._machines.keep(host.short, kept)
        return kept

    @property
    def _timeout(self) -> float:
        """Seconds that one command of Vagrant's may take: the boot, and as much for the box and the disks."""
        return 2 * self._config.boot_timeout + 600

    def _record(self, host: Host, kept: MachineFacts) -> HostRecord:
        """Return a host's record."""
        return HostRecord(
            name=host.name,
            id=self._machines.id_of(host.short),
            address=host.address,
            ssh_host=host.address,
            user=ADMIN,
            host_keys=kept.host_keys,
        )

    def halt(self, name: str, log: Log) -> None:
        """Stop a machine in order."""
        with self._machines.lock(name, log):
            if self._machines.states().get(name) == RUNNING:
                self._machines.halt(name, self._timeout, log)
                log(f"stopped {name}")

    def fence(self, name: str, log: Log) -> None:
        """Switch a machine off at once, be it paused."""
        with self._machines.lock(name, log):
            if self._machines.states().get(name) == RUNNING:
                self._machines.power_off(name)
                log(f"switched {name} off")

    def remove(self, name: str, log: Log) -> None:
        """Remove a machine with its disks."""
        if not self._machines.directory.exists():
            return
        with self._machines.lock(name, log):
            if self._machines.id_of(name):
                self._machines.destroy(name, self._timeout, log)
                log(f"removed {name}")
            if self._machines.backend == "libvirt":
                self._machines.sweep(name, log)
            self._machines.forget(name)

    def write_files(self) -> None:
        """Write the Vagrantfile and its inputs of today."""
        table = vagrantfile.stage_table(
            self._stage, self._config, self._machines.backend, self._files.entry.line, self._directory
        )
        vagrantfile.write(self._machines, table)
