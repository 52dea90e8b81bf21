"""Provider `prepared`: hosts that exist already and answer ssh. skep borrows them: it makes the admin user, no more.

What identifies a host is `/etc/machine-id`, so that one that was reinstalled is noticed.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from model.errors import ProviderError
from model.keys.record import ADMIN, HostRecord
from model.log import Log
from model.secrets.secret import Secret
from model.site import PreparedStage
from model.stage import Stage
from providers.base import Found, Provider, Resource
from providers.prepared.check import not_moved, problems
from providers.prepared.host import PreparedHosts, record_of
from remote.ssh.ssh_files import SshFiles


class PreparedProvider(Provider):
    """Hosts that somebody else has made.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives the password for the first log-in.

    """

    name: ClassVar[str] = "prepared"
    owns: ClassVar[bool] = False
    halts: ClassVar[bool] = False
    tells_host_keys: ClassVar[bool] = False
    keeps_volumes = True

    def __init__(self, stage: Stage, files: SshFiles, state: Path, secret: Callable[[str], Secret]) -> None:
        del state
        if not isinstance(stage.config, PreparedStage):
            raise TypeError(f"stage {stage.name} is not one of the prepared provider")
        self._stage = stage
        self._config = stage.config
        self._hosts = PreparedHosts(stage, stage.config, files, secret)

    def resources(self) -> Sequence[Resource]:
        """List the hosts; where they answer and their host keys are their inputs."""
        return tuple(
            Resource(
                host.short,
                {
                    "name": host.name,
                    "address": host.address,
                    "ssh_host": record.ssh_host,
                    "ssh_port": str(record.ssh_port),
                    "host_keys": " ".join(record.host_keys),
                },
                is_host=True,
                doc=f"{host.name}, prepared at {record.ssh_host}:{record.ssh_port}",
            )
            for host in self._stage.hosts
            for record in [record_of(self._config, host)]
        )

    def check(self) -> Sequence[str]:
        """Check ssh, the private key, and whether the hosts answer."""
        return problems(self._stage, self._config)

    def obstacles(self, found: Mapping[str, Found], moved: Mapping[str, str]) -> Sequence[str]:
        """Ask hosts that are to have other addresses whether they answer there: nobody but a person can move them."""
        del found
        return not_moved(self._stage, self._config, moved)

    def found(self) -> Mapping[str, Found]:
        """Return nothing: to look would be to log in to each host."""
        return {}

    def recall(self, resource: Resource) -> HostRecord | None:
        """Return the record of a host that lets the stage's key in already; no admin user is made."""
        return self._hosts.recall(self._stage.host(resource.name))

    def ensure(self, resource: Resource, log: Log) -> HostRecord:
        """Return a host's record, having made the admin user if the stage's key does not log in yet."""
        return self._hosts.ensure(self._stage.host(resource.name), log)

    def halt(self, name: str, log: Log) -> None:
        """Refuse: a host that is off could not be started again.

        Raises:
            ProviderError: Always; `halts` says so beforehand.

        """
        del log
        raise ProviderError(f"{name}: is a prepared host, which skep can't start again: stop it yourself")

    def remove(self, name: str, log: Log) -> None:
        """Leave the host as it is, and say so."""
        log(f"{name}: is a prepared host, which is not skep's to remove; its user {ADMIN} stays")
