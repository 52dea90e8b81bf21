"""The registries upstream: which digest a reference is resolved to, and where it is pulled from."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from model.errors import HostError
from model.images.lockfile import Lockfile
from model.images.reference import Reference
from model.keys.record import ImageRecord
from model.stage import Stage
from tasks.names import upstream_task
from tasks.run.connections import Connections
from tasks.run.secrets import Secrets
from tasks.run.state import State

if TYPE_CHECKING:
    from remote.images.bases import Source


class Upstream:
    """Resolves references to digests: by site.toml, by site.lock, by earlier runs, or by asking.

    Args:
        stage: The stage.
        state: Its state directory.
        lockfile: The digests that site.lock pins references to.
        secrets: For logins to registries.
        connections: Of which the repository host's is used.

    """

    def __init__(
        self, stage: Stage, state: State, lockfile: Lockfile, secrets: Secrets, connections: Connections
    ) -> None:
        self._stage, self._state = stage, state
        self._secrets, self._connections = secrets, connections
        self.lockfile = lockfile

    def pinned(self, reference: Reference) -> str:
        """Return the digest that site.toml or site.lock pins a reference to; empty if neither does."""
        return reference.digest or self.lockfile.get(str(reference), "")

    def resolved(self, name: str) -> str:
        """Return the digest that a base was last resolved to.

        Raises:
            KeyError: It was not resolved yet.

        """
        return self._state.record(upstream_task(name), ImageRecord).reference.rpartition("@")[2]

    def last_resolved(self, names: Iterable[str], reference: Reference) -> str | None:
        """Return the digest that the stage's last run found for one of these names; None if none was run."""
        for name in sorted(names):
            record = self._state.read(upstream_task(name), ImageRecord)
            if record is not None and record.reference.startswith(f"{reference.name}@"):
                return record.reference.rpartition("@")[2]
        return None

    def source(self, reference: Reference) -> "Source":
        """Return where a reference is pulled from: `[registries]` may name a mirror and a login.

        Raises:
            ConfigError: The login's password can't be read.

        """
        from remote.images.bases import Source

        registries = self._stage.site.registries
        table = registries.get(reference.registry)
        contact = reference.on(table.mirror) if table is not None and table.mirror else reference
        login = registries.get(contact.registry)
        if login is None or login.user is None or login.password is None:
            return Source(reference, contact)
        auth = {
            "username": login.user,
            "password": self._secrets.read(login.password).reveal(),
            "serveraddress": contact.registry,
        }
        return Source(reference, contact, auth, f"user {login.user} with the secret {login.password}")

    def digest_now(self, reference: Reference) -> str:
        """Ask upstream for a digest, by the repository host's engine.

        Raises:
            SkepError: It can't be asked, or does not have it.

        """
        from remote.images.bases import resolve

        host = self._stage.repository
        if self._state.host_record(host) is None:
            raise HostError(f"{host.name} asks upstream, and is not made yet: `doit setup_hosts` makes it")
        return resolve(self._connections.engine(host), host.short, self.source(reference))
