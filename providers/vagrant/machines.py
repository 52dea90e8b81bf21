"""Vagrant's machines of one stage: their directory, their states, and the commands on them.

Vagrant knows its machines by a directory. The stage's is not in `state/`, which may be deleted at any time, but where a
person's programs keep their data; so two checkouts of one site see the same machines, as with provider docker.
"""

import contextlib
import ipaddress
import json
import os
import shutil
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from model.errors import ProviderError
from model.log import Log
from model.site import VagrantStage
from model.stage import Stage
from providers.vagrant.api import BACKENDS, client_of, list_machines, power_off_machine, virsh, why_not
from remote.mother.files import write_whole
from remote.mother.lock import lock

RUNNING, STOPPED, GONE = "running", "stopped", "gone"
LOCK_TIMEOUT = 3600
_HOST_KEY = "skep-host-key "


class MachineFacts(NamedTuple):
    """Facts about a machine that Vagrant itself does not keep.

    Args:
        key: The key that it was made with.
        settings: The digest of the settings that it has; empty until it has been up with them.
        host_keys: Its public host keys; none until it was provisioned.

    """

    key: str
    settings: str = ""
    host_keys: tuple[str, ...] = ()


def directory_of(stage: Stage) -> Path:
    """Return where Vagrant keeps a stage's machines."""
    data = os.environ.get("XDG_DATA_HOME") or ""
    base = Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "skep" / "vagrant" / f"{stage.site_name}.{stage.name}"


def prefix_of(stage: Stage) -> str:
    """Return the beginning of the names of a stage's machines in libvirt and VirtualBox."""
    return f"skep.{stage.site_name}.{stage.name}."


class Machines:
    """The machines of one stage. Thread-safe.

    Args:
        stage: The stage.
        config: Its table of site.toml.

    """

    def __init__(self, stage: Stage, config: VagrantStage) -> None:
        self._forced = config.provider_backend
        self.directory = directory_of(stage)
        self._prefix = prefix_of(stage)
        self._held = threading.local()

    @cached_property
    def backend(self) -> str:
        """The backend: the one that is asked for, else that of the machines that are there, else the first that works.

        Raises:
            ProviderError: None works.

        """
        forced = self._forced
        if forced is None:
            for backend in self.known().values():
                return backend
        problems = {}
        for backend in BACKENDS if forced is None else (forced,):
            problems[backend] = why_not(backend)
            if not problems[backend]:
                return backend
        lines = "; ".join(f"{backend}: {problem}" for backend, problem in problems.items())
        raise ProviderError(f"Vagrant can make no machine here: {lines}")

    # -- what is there -------------------------------------------------------------------------------------------------

    def states(self) -> dict[str, str]:
        """Return for each machine that Vagrant has made whether it is `RUNNING`, `STOPPED` or `GONE`.

        By the backend's own listing, and not by `vagrant status`: that takes a second, and many on a busy machine.

        Raises:
            ProviderError: The backend can't tell.

        """
        found = {}
        ids = {short: (backend, self.id_of(short)) for short, backend in self.known().items()}
        lists = {backend: list_machines(backend) for backend in {backend for backend, _ in ids.values()}}
        for short, (backend, number) in ids.items():
            every, running = lists[backend]
            found[short] = GONE if number not in every else RUNNING if number in running else STOPPED
        return found

    def id_of(self, short: str) -> str:
        """Return the id of a machine in libvirt or VirtualBox; empty if Vagrant has made none."""
        for path in (self.directory / ".vagrant" / "machines" / short).glob("*/id"):
            return path.read_text().strip()
        return ""

    def network_of(self, short: str) -> str:
        """Return the network that a machine was made in, as of `stage.json`; empty if that is not known."""
        try:
            host = json.loads((self.directory / "stage.json").read_text())["hosts"][short]
            return str(ipaddress.ip_network(f"{host['address']}/{host['netmask']}", strict=False))
        except (OSError, ValueError, KeyError):
            return ""

    def known(self) -> dict[str, str]:
        """Return the machines that Vagrant has made, wanted or not, each with its backend."""
        paths = sorted(self.directory.glob(".vagrant/machines/*/*/id"))
        return {path.parent.parent.name: path.parent.name for path in paths}

    def kept(self, short: str) -> MachineFacts | None:
        """Return the facts that are kept of a machine, if there are any."""
        try:
            table = json.loads(self._kept_path(short).read_text())
            return MachineFacts(table["key"], table["settings"], tuple(table["host_keys"]))
        except (OSError, ValueError, KeyError):
            return None

    def keep(self, short: str, machine: MachineFacts) -> None:
        """Keep something of a machine."""
        self.write(self._kept_path(short), json.dumps(machine._asdict()))

    def forget(self, short: str) -> None:
        """Keep nothing of a machine; with the last one the directory goes."""
        self._kept_path(short).unlink(missing_ok=True)
        if not self.known() and not list(self.directory.glob("*.machine.json")):
            shutil.rmtree(self.directory, ignore_errors=True)

    def _kept_path(self, short: str) -> Path:
        return self.directory / f"{short}.machine.json"

    def write(self, path: Path, text: str) -> None:
        """Write a file as a whole, for its owner only, unless it is so already."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(path, text.encode(), mode=0o600)

    @contextlib.contextmanager
    def lock(self, name: str, log: Log) -> Iterator[None]:
        """Hold a lock that other runs on this machine heed as well.

        Raises:
            ProviderError: Somebody else holds it for too long.

        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Beside the directory, which goes with its last machine.
        path = self.directory.with_name(f".{self.directory.name}.{name}.lock")
        busy = f"{name}: another run is at work on it"
        with lock(path, busy, LOCK_TIMEOUT, kind=ProviderError, log=log) as file:
            # What is started meanwhile holds it, too: a vagrant that outlives a killed run is waited for.
            before = getattr(self._held, "files", ())
            self._held.files = (*before, file.fileno())
            try:
                yield
            finally:
                self._held.files = before

    # -- commands ------------------------------------------------------------------------------------------------------

    def up(self, short: str, backend: str, timeout: float, log: Log) -> list[str]:
        """Create, start and provision a machine, and return its host keys."""
        client = self._client(timeout, log)
        client.up(vm_name=short, provision=True, provider=backend)
        return self._told(client)

    def provision(self, short: str, timeout: float, log: Log) -> list[str]:
        """Provision a machine that runs, and return its host keys."""
        client = self._client(timeout, log)
        client.provision(vm_name=short)
        return self._told(client)

    def reload(self, short: str, timeout: float, log: Log) -> list[str]:
        """Stop a machine, start it with its settings of today, provision it, and return its host keys."""
        client = self._client(timeout, log)
        client.reload(vm_name=short, provision=True)
        return self._told(client)

    def halt(self, short: str, timeout: float, log: Log) -> None:
        """Stop a machine in order."""
        client = self._client(timeout, log)
        client.halt(vm_name=short)

    def power_off(self, short: str) -> None:
        """Switch a machine off at once. Not by Vagrant, which has one that is paused go on first, to stop it in order.

        Raises:
            ProviderError: It runs on.

        """
        power_off_machine(self.known()[short], self.id_of(short))
        if self.states().get(short) == RUNNING:
            raise ProviderError(f"{short}: runs on, though it was switched off: do that by hand")

    def destroy(self, short: str, timeout: float, log: Log) -> None:
        """Remove a machine with its disks."""
        client = self._client(timeout, log)
        client.destroy(vm_name=short)

    @staticmethod
    def _told(client: Any) -> list[str]:
        """Return the host keys that a machine printed when it was provisioned."""
        marked = [line.partition(_HOST_KEY)[2] for line in client.lines if _HOST_KEY in line]
        return [" ".join(line.split()[:2]) for line in marked]

    def _client(self, timeout: float, log: Log) -> Any:
        """Return a client of Vagrant's."""
        return client_of(self.directory, timeout, log, getattr(self._held, "files", ()))

    # -- what a killed run left in libvirt -----------------------------------------------------------------------------

    def sweep(self, short: str, log: Log) -> None:
        """Remove a domain and disks that Vagrant began to make for a machine and does not know of.

        Killed between making a disk or a domain and noting its id, Vagrant refuses both the next time.
        """
        name = f"{self._prefix}{short}"
        domains = virsh("list", "--all", "--name").split()
        if name in domains:
            log(f"removing {name}, which a killed run left behind")
            virsh("destroy", name, check=False)
            virsh("undefine", name, "--remove-all-storage", "--nvram", check=False)
        for pool in virsh("pool-list", "--name").split():
            for line in virsh("vol-list", pool).splitlines()[2:]:
                volume = line.split()[0] if line.split() else ""
                if volume == f"{name}.img" or volume.startswith(f"{name}-vd"):
                    log(f"removing disk {volume}, which a killed run left behind")
                    virsh("vol-delete", volume, "--pool", pool)
