"""Provider `vagrant`: each host is a virtual machine that Vagrant makes with libvirt, or with VirtualBox."""

import ipaddress
import json
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from model.errors import ProviderError
from model.keys.digest import Inputs, key_of, sha256
from model.keys.record import ADMIN, HostRecord, Record
from model.labels import NAME_LABEL
from model.log import Log
from model.site import VagrantStage
from model.stage import Host, Stage
from providers.base import Found, Provider, Resource
from providers.vagrant import machines as vagrant_machine
from providers.vagrant.machines import BACKENDS, GONE, RUNNING, Machine, Machines
from remote.ssh.files import SshFiles
from remote.ssh.login import log_in, wait_for_login

LAYOUT = "1"
"""Raised when machines must be made anew for a new version of this provider."""
_VAGRANTFILE = Path(__file__).with_name("Vagrantfile.rb")
_ADMIT = Path(__file__).with_name("admit.sh")
_INTERFACE_MAX = 15  # characters: Linux's IFNAMSIZ, less its end


class VagrantProvider(Provider):
    """Hosts that are virtual machines on this machine.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there, but the site's directory is found by it.
        secret: Gives secrets; this provider needs none.

    """

    name: ClassVar[str] = "vagrant"

    def __init__(self, stage: Stage, files: SshFiles, state: Path, secret: object = None) -> None:
        del secret
        if not isinstance(stage.config, VagrantStage):
            raise TypeError(f"stage {stage.name} is not one of the vagrant provider")
        self._stage = stage
        self._config = stage.config
        self._files = files
        self._machines = Machines(stage)
        self._directory = state.parent.parent

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def resources(self) -> Sequence[Resource]:
        """Return the hosts; Vagrant makes their network with the first of them."""
        return tuple(
            Resource(
                host.short,
                self._inputs(host),
                settings=self._settings(host),
                is_host=True,
                doc=f"{host.name}, a virtual machine at {host.address}",
                quota_usage=self._quota_usage(host),
            )
            for host in self._stage.hosts
        )

    def _inputs(self, host: Host) -> Inputs:
        """Return what makes a machine another one."""
        config = self._config
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
            "disk_size": str(self._of(host, "disk_size")),
            "mirrored_disk_size": str(config.mirrored_disk_size if host.is_hive else None),
        }

    def _settings(self, host: Host) -> Inputs:
        """Return what a restart of a machine changes."""
        return {
            "memory_size": str(self._of(host, "memory_size")),
            "cpus": str(self._of(host, "cpus")),
            "vagrant_proxy": str(self._config.vagrant_proxy),
        }

    def _of(self, host: Host, key: str) -> int | None:
        """Return a size of a host: the repository may have its own."""
        own = getattr(self._config, f"repository_{key}") if host.is_repository else None
        common: int | None = getattr(self._config, key)
        return common if own is None else own

    def _quota_usage(self, host: Host) -> dict[str, int]:
        """Return the amounts of a host that `doit plan` adds up."""
        usage = {"hosts": 1}
        if memory := self._of(host, "memory_size"):
            usage["MiB of memory"] = memory
        if extra := self._config.mirrored_disk_size if host.is_hive else None:
            usage["GiB of further disks"] = extra
        return usage

    # -- what is there -------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[str]:
        """Return what stands in the way: no Vagrant, no backend that works, a box that is not there, small disks."""
        missing = [program for program in ("vagrant", "ssh") if shutil.which(program) is None]
        said = [f"{program}: not found: install it" for program in missing]
        if said:
            return said
        try:
            _ = self._backend
        except ProviderError as error:
            said.append(str(error))
        path = f"stages.{self._stage.name}"
        interfaces = Path("/sys/class/net")
        for key in ("bridge", "dev"):
            name = getattr(self._config, key)
            if name is not None and interfaces.is_dir() and not (interfaces / name).exists():
                there = ", ".join(sorted(path.name for path in interfaces.iterdir()))
                said.append(f"{path}.{key}: this machine has no interface {name!r}; it has {there}")
        url = self._box_url()
        if url is not None and "://" not in url and not Path(url).is_file():
            said.append(f"{path}.box_url: there is no file {url}")
        return said

    @cached_property
    def _backend(self) -> str:
        """The backend: the one that is asked for, else that of the machines that are there, else the first that works.

        Raises:
            ProviderError: None works.

        """
        forced = self._config.provider_backend
        if forced is None:
            for backend in self._machines.known().values():
                return backend
        problems = {}
        for backend in BACKENDS if forced is None else (forced,):
            problems[backend] = vagrant_machine.why_not(backend)
            if not problems[backend]:
                return backend
        said = "; ".join(f"{backend}: {problem}" for backend, problem in problems.items())
        raise ProviderError(f"Vagrant can make no machine here: {said}")

    def found(self) -> Mapping[str, Found]:
        """Return all machines of the stage, by two listings of the backend."""
        found = {}
        for short, state in self._machines.states().items():
            if state == GONE:
                continue
            kept = self._machines.kept(short)
            found[short] = Found(
                short,
                kept.key if kept else "",
                self._machines.id_of(short),
                running=state == RUNNING,
                is_host=True,
            )
        return found

    # -- making it so --------------------------------------------------------------------------------------------------

    def ensure(self, resource: Resource, log: Log) -> Record:
        """Make a machine, start it, give it its settings, let the stage's key in."""
        host = self._stage.host(resource.name)
        with self._machines.lock(host.short, log):
            return self._ensure(host, resource.key, key_of(resource.settings), log)

    def _ensure(self, host: Host, key: str, settings: str, log: Log) -> HostRecord:
        """Make a machine, with its lock held."""
        self._write_stage()
        kept = self._machines.kept(host.short)
        state = self._machines.states().get(host.short, GONE)
        if state != GONE and kept is not None and kept.key != key:
            log(f"{host.name}: is made anew, and its disks with it")
            self._machines.destroy(host.short, self._patience, log)
            state = GONE
        if state == GONE:
            if self._backend == "libvirt":
                self._machines.sweep(host.short, log)
            kept = Machine(key)
        # One that Vagrant knows and that has nothing kept of it is adopted: it is the stage's, by its directory.
        kept = kept or Machine(key)
        self._machines.keep(host.short, kept)
        if state == RUNNING and kept.settings == settings and kept.host_keys:
            record = self._record(host, kept)
            if log_in(record, self._files.key, "sudo -n true").worked:
                return record
        kept = self._bring_up(host, kept, settings, running=state == RUNNING, log=log)
        record = self._record(host, kept)
        problem = wait_for_login(record, self._files.key, 60, lambda: True)
        if problem:
            raise ProviderError(f"{host.name}: is up, and the stage's key does not log in: {problem}")
        return record

    def _bring_up(self, host: Host, kept: Machine, settings: str, *, running: bool, log: Log) -> Machine:
        """Start and provision a machine, and keep what it told."""
        if running and kept.settings not in {"", settings}:
            log(f"{host.name}: restarts with its new settings")
            # One at a time, and no other run meanwhile: the swarm does not lose its majority by it.
            with self._machines.lock("restart", log):
                told = self._machines.reload(host.short, self._patience, log)
        elif running:
            # `up` would do it twice: vagrant-libvirt 0.11.
            told = self._machines.provision(host.short, self._patience, log)
        elif self._machines.known():
            told = self._machines.up(host.short, self._backend, self._patience, log)
        else:
            # The first one brings the box and the network, which others would make at the same time.
            with self._machines.lock("first", log):
                told = self._machines.up(host.short, self._backend, self._patience, log)
        if not told:
            raise ProviderError(f"{host.name}: told no host key when it was provisioned")
        kept = Machine(kept.key, settings, tuple(told))
        self._machines.keep(host.short, kept)
        return kept

    @property
    def _patience(self) -> float:
        """Seconds that one command of Vagrant's may take: the boot, and as much for the box and the disks."""
        return 2 * self._config.boot_timeout + 600

    def _record(self, host: Host, kept: Machine) -> HostRecord:
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
                self._machines.halt(name, self._patience, log)
                log(f"stopped {name}")

    def remove(self, name: str, log: Log) -> None:
        """Remove a machine with its disks."""
        if not self._machines.directory.exists():
            return
        with self._machines.lock(name, log):
            if self._machines.id_of(name):
                self._machines.destroy(name, self._patience, log)
                log(f"removed {name}")
            if self._backend == "libvirt":
                self._machines.sweep(name, log)
            self._machines.forget(name)

    # -- Vagrant's files -----------------------------------------------------------------------------------------------

    def _write_stage(self) -> None:
        """Write the Vagrantfile and what it reads, one writer at a time."""
        machines = self._machines
        with machines.lock("files", lambda _line: None):
            machines.write(machines.directory / "Vagrantfile", _VAGRANTFILE.read_text())
            machines.write(machines.directory / "admit.sh", _ADMIT.read_text())
            path = machines.directory / "stage.json"
            table = self.stage_table()
            # Machines that the stage does not want any more stay known to Vagrant until they are removed.
            before = json.loads(path.read_text())["hosts"] if path.exists() else {}
            left = {name: before[name] for name in machines.known() if name in before}
            table["hosts"] = {**left, **table["hosts"]}
            machines.write(path, json.dumps(table, indent=1))

    def stage_table(self) -> dict[str, Any]:
        """Return what the Vagrantfile reads."""
        config, stage = self._config, self._stage
        network = ipaddress.ip_network(str(config.cidr))
        return {
            "box": config.box,
            "box_url": self._box_url(),
            "boot_timeout": int(config.boot_timeout),
            "backend": self._backend,
            "driver": config.driver,
            "prefix": vagrant_machine.prefix_of(stage),
            "network": f"skep-{sha256(vagrant_machine.prefix_of(stage))[:8]}"[:_INTERFACE_MAX],
            "bridge": config.bridge,
            "dev": config.dev,
            "proxy": config.vagrant_proxy,
            "authorized_key": self._files.public_key,
            "hosts": {
                host.short: {
                    "address": host.address,
                    "netmask": str(network.netmask),
                    "labels": json.dumps({**stage.labels, NAME_LABEL: host.short}),
                    "memory": self._of(host, "memory_size"),
                    "cpus": self._of(host, "cpus"),
                    "disk": self._of(host, "disk_size"),
                    "mirrored_disk": config.mirrored_disk_size if host.is_hive else None,
                }
                for host in stage.hosts
            },
        }

    def _box_url(self) -> str | None:
        """Return where the box is had; a file by its whole path, since Vagrant works in a directory of its own."""
        url = self._config.box_url
        return (
            url if url is None or "://" in url else str((self._directory / Path(url).expanduser()).resolve())
        )
