"""Provider `vagrant`: each host is a virtual machine that Vagrant makes with libvirt, or with VirtualBox."""

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from model.keys.digest import key_of
from model.keys.record import HostRecord, Record
from model.log import Log
from model.site import VagrantStage
from model.stage import Stage
from providers.base import Found, Provider, Resource
from providers.vagrant.check import problems
from providers.vagrant.host import VagrantHosts, inputs, quota_usage, settings
from providers.vagrant.machines import GONE, RUNNING, Machines
from remote.ssh.ssh_files import SshFiles


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
        self._directory = state.parent.parent
        self._machines = Machines(stage, stage.config)
        self._hosts = VagrantHosts(stage, stage.config, files, self._machines, self._directory)

    def resources(self) -> Sequence[Resource]:
        """List the hosts; Vagrant makes their network with the first of them."""
        return tuple(
            Resource(
                host.short,
                inputs(self._config, host),
                settings=settings(self._config, host),
                is_host=True,
                doc=f"{host.name}, a virtual machine at {host.address}",
                quota_usage=quota_usage(self._config, host),
            )
            for host in self._stage.hosts
        )

    def check(self) -> Sequence[str]:
        """Check Vagrant, its backend, the interface that is bridged, and the box."""
        return problems(self._stage, self._config, self._machines, self._directory)

    def obstacles(self, found: Mapping[str, Found], moved: Mapping[str, str]) -> Sequence[str]:
        """Look for machines that are in another network: machines in two networks don't reach each other."""
        del moved
        there = {name: self._machines.network_of(name) for name, thing in found.items() if thing.key}
        # Normalized, as those are: 10.2.0.0/255.255.255.0 is the same network.
        wanted = "" if self._config.cidr is None else str(ipaddress.ip_network(self._config.cidr))
        left = {name: network for name, network in there.items() if network not in {"", wanted}}
        if not left:
            return ()
        are = "is" if len(left) == 1 else "are"
        networks = ", ".join(sorted(set(left.values())))
        line = (
            f"stages.{self._stage.name}.cidr: {', '.join(left)} {are} in {networks}, and a machine stays in the "
            "network that it was made in: put that back; or save the data, doit destroy, and run doit again"
        )
        return [line]

    def found(self) -> Mapping[str, Found]:
        """Return all machines of the stage, from two listings of the backend."""
        found = {}
        wanted = {resource.name: key_of(resource.settings) for resource in self.resources()}
        for short, state in self._machines.states().items():
            if state == GONE:
                continue
            kept = self._machines.kept(short)
            has_others = kept is not None and kept.settings not in {"", wanted.get(short, kept.settings)}
            found[short] = Found(
                short,
                kept.key if kept else "",
                self._machines.id_of(short),
                running=state == RUNNING,
                is_host=True,
                drift=f"{short} has other settings than site.toml says" if has_others else "",
            )
        return found

    def recall(self, resource: Resource) -> HostRecord | None:
        """Return the record of a machine that runs with its settings and lets the stage's key in."""
        return self._hosts.recall(resource)

    def ensure(self, resource: Resource, log: Log) -> Record:
        """Make a machine, start it, give it its settings, and let the stage's key in."""
        return self._hosts.ensure(resource, log)

    def halt(self, name: str, log: Log) -> None:
        """Stop a machine in order."""
        self._hosts.halt(name, log)

    def fence(self, name: str, log: Log) -> None:
        """Switch a machine off at once, be it paused."""
        self._hosts.fence(name, log)

    def remove(self, name: str, log: Log) -> None:
        """Remove a machine with its disks."""
        self._hosts.remove(name, log)
