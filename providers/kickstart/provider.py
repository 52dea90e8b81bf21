"""Provider `kickstart`: hosts with no operating system. skep makes the medium that installs them, and waits for them.

From then on they are borrowed, as those of provider `prepared`: skep can't start them again, and erases none.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from model.errors import ProviderError
from model.keys.record import FactRecord, HostRecord, Record
from model.log import Log
from model.secrets.secret import Secret
from model.site import KickstartStage
from model.stage import Host, Stage
from providers.base import Found, Provider, Resource
from providers.kickstart import image
from providers.kickstart.check import problems
from providers.kickstart.host import KickstartHosts
from providers.kickstart.host_keys import HostKeyStore, Kept
from providers.kickstart.image import Medium
from remote.ssh.ssh_files import SshFiles

MEDIUM = "medium"


class KickstartProvider(Provider):
    """Hosts that are installed from a medium that skep made.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; keys of hosts and what is served to them are in its `secrets`.
        secret: Gives root's password, where there is one.

    """

    name: ClassVar[str] = "kickstart"
    owns: ClassVar[bool] = False
    halts: ClassVar[bool] = False
    tells_host_keys: ClassVar[bool] = False
    keeps_volumes = True

    def __init__(self, stage: Stage, files: SshFiles, state: Path, secret: Callable[[str], Secret]) -> None:
        if not isinstance(stage.config, KickstartStage):
            raise TypeError(f"stage {stage.name} is not one of the kickstart provider")
        self._stage = stage
        self._config = stage.config
        self._directory = state.parent.parent
        self._store = HostKeyStore(state / "secrets" / "install")
        self._medium = Medium(stage, stage.config, files, self._store, self._directory)
        self._hosts = KickstartHosts(stage.config, files, self._store, secret)

    def learn_host_keys(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Know hosts that another checkout has installed."""
        for short, (key, *_) in keys.items():
            if not self._store.path(short).exists():
                self._store.write(short, Kept(current=key))

    def resources(self) -> Sequence[Resource]:
        """List the medium, and the hosts that are installed from it."""
        hosts = tuple(
            Resource(
                host.short,
                {"name": host.name, "address": host.address},
                needs=(MEDIUM,),
                is_host=True,
                doc=f"{host.name}, installed at {host.address}",
            )
            for host in self._stage.hosts
        )
        medium = Resource(
            MEDIUM,
            image.inputs(self._stage, self._config),
            embeds_ssh_key=True,
            doc="the installation medium of the hosts",
        )
        return (medium, *hosts)

    def check(self) -> Sequence[str]:
        """Check programs and files, and whether the device is in use."""
        return problems(self._stage, self._config, self._directory)

    def obstacles(self, found: Mapping[str, Found], moved: Mapping[str, str]) -> Sequence[str]:
        """Ask hosts that are to have other addresses whether they answer there: a medium moves no installed host."""
        del found
        return [
            f"{host.name}: was installed at {moved[host.short]}, and nothing answers at {host.address} ({why}): give "
            f"it that address by hand first, or put {moved[host.short]} back; to install another machine in its place: "
            f"doit replace={host.short}"
            for host in self._stage.hosts
            if host.short in moved and (why := self._hosts.why_silent(host))
        ]

    def found(self) -> Mapping[str, Found]:
        """Return nothing: to look would be to log in to each host."""
        return {}

    def recall(self, resource: Resource) -> HostRecord | None:
        """Return the record of a host that was taken over, and lets the stage's key in. Only runs make a medium."""
        return self._hosts.recall(self._stage.host(resource.name))

    def ensure(self, resource: Resource, log: Log) -> Record:
        """Make the medium; or wait for a host that is installed from it, and take it over."""
        if resource.name == MEDIUM:
            self._medium.make(log)
            return FactRecord(id=resource.key)
        return self._hosts.ensure(self._stage.host(resource.name), log)

    def is_installed(self, host: Host) -> bool:
        """Return whether a host answers ssh with a key by which it is known, and lets the stage's in."""
        return self._hosts.is_installed(host)

    @property
    def served(self) -> Path:
        """The directory that hosts are booted from over the network."""
        return self._store.www

    def halt(self, name: str, log: Log) -> None:
        """Refuse: a host that is off could not be started again.

        Raises:
            ProviderError: Always; `halts` says so beforehand.

        """
        del log
        raise ProviderError(f"{name}: is a machine that skep can't start again: stop it yourself")

    def remove(self, name: str, log: Log) -> None:
        """Remove the medium, if it is a file; leave a host as it is, and say so."""
        if name != MEDIUM:
            log(f"{name}: was installed and is left as it is")
            return
        self._medium.remove(log)
