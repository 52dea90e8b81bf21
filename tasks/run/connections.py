"""The connections of one run: by ssh to hosts, and through those to their Docker Engines."""

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, TypeVar, cast

from model.errors import HostError, SkepError
from model.keys.record import HostRecord
from model.stage import Host, Stage
from remote.engine.reader import Reader
from remote.mother.wait import attempts
from remote.ssh.connection import Connection
from remote.ssh.identity import Identity
from remote.ssh.ssh_files import SshFiles, socket_directory, write_ssh_files
from tasks.run.coordination import Coordination
from tasks.run.state import State

if TYPE_CHECKING:
    from docker import DockerClient

    from remote.swarm.poller import SwarmPoller

T = TypeVar("T")

_RECENT = 1.0
"""Seconds for which a manager is not asked again whether it is one."""


class _NoSwarmError(HostError):
    """No hive is in a swarm."""


class Connections:
    """Opens each connection when it is first used, and shares it among the tasks. Thread-safe.

    Args:
        stage: The stage.
        state: Its state directory: the hosts' records, and the ssh files.
        coordination: The run's locks.
        identity: The key to log in with, where it is not the checkout's own.

    """

    def __init__(
        self, stage: Stage, state: State, coordination: Coordination, identity: Identity | None = None
    ) -> None:
        self._stage, self._state, self._coordination = stage, state, coordination
        self._identity = identity
        self._guard = threading.RLock()
        self._connections: dict[str, Connection] = {}
        self._engines: dict[str, DockerClient] = {}
        self._shared: dict[tuple[type, DockerClient], object] = {}
        self._manager: tuple[Host, DockerClient, float] | None = None
        self._no_manager: tuple[HostError | None, float] = None, -inf
        self.patience = 0.0
        """Seconds for which a manager is waited for where the stage has had a swarm: a run that changes it waits."""

    # -- ssh -----------------------------------------------------------------------------------------------------------

    @cached_property
    def files(self) -> SshFiles:
        """The paths of the stage's ssh files."""
        root, identity = self._state.root, self._identity
        own = root / "secrets" / "id_ed25519"
        key = own if identity is None else identity.path or root / "secrets" / "operator.pub"
        return SshFiles(
            root / "ssh_config",
            key,
            root / "known_hosts",
            socket_directory(root),
            identity,
            own if key != own else None,
        )

    def write_ssh_files(self, former: dict[str, HostRecord] | None = None) -> None:
        """Write ssh_config and known_hosts for all hosts that have a record.

        Args:
            former: Hosts to be in them that the stage no longer has, by short name.

        """
        # Read and written as one: else of two hosts that are made at once, the older view could be written last.
        with self._coordination.lock("ssh files"):
            found = {host.short: self._state.host_record(host) for host in self._stage.hosts}
            known = {short: record for short, record in found.items() if record is not None}
            known |= former or {}
            if known:
                write_ssh_files(self.files, known)

    def to(self, host: Host) -> Connection:
        """Return the shared connection to a host; it opens when it is first used."""
        with self._guard:
            if host.short not in self._connections:
                if not self.files.config.exists():
                    self.write_ssh_files()
                self._connections[host.short] = Connection(host.short, self.files)
            return self._connections[host.short]

    def to_former(self, short: str, record: HostRecord) -> Connection:
        """Return a connection to a host that the stage no longer has, by its record."""
        self.write_ssh_files({short: record})
        return Connection(short, self.files)

    def reset(self, host: Host) -> None:
        """Forget the connection to a host that was replaced."""
        self.forget_engine(host)
        self.to(host).close()

    def retry(self, host: Host) -> None:
        """Have the next use of a host that was mended connect to it and its engine, whatever happened before."""
        self.forget_engine(host)
        self.to(host).forget_failure()

    def renew(self, host: Host) -> None:
        """Use a new connection to a host where the admin user got into a group; old ones end with their commands."""
        self.forget_engine(host)
        self.to(host).renew()

    def close(self) -> None:
        """Close the clients of engines; shared ssh connections stay open for the next run."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    def disconnect(self, except_: Collection[str] = ()) -> None:
        """Close all ssh connections of the stage, those to hosts that it no longer wants, too.

        Args:
            except_: The short names of hosts whose connections stay open.

        """
        self.close()
        self.write_ssh_files()
        names = {path.stem for path in self.files.sockets.glob("*.ssh")} - {*except_}
        connections = [Connection(name, self.files) for name in sorted(names)]
        with ThreadPoolExecutor(max_workers=max(1, len(connections))) as pool:
            list(pool.map(Connection.close, connections))

    # -- engines -------------------------------------------------------------------------------------------------------

    def engine(self, host: Host) -> "DockerClient":
        """Return the client of a host's Docker Engine.

        Raises:
            HostError: The host or its engine does not answer.

        """
        connection = self.to(host)
        connection.open()
        # One lock a host: an engine that hangs must not hold up the others.
        with self._coordination.lock(f"engine {host.short}"):
            if host.short not in self._engines:
                from remote.engine.client import connect

                self._engines[host.short] = connect(host.short, connection.docker_socket)
            return self._engines[host.short]

    def reader(self, host: Host) -> "Reader":
        """Return a read-only client of a host's Docker Engine, without loading the SDK.

        Raises:
            HostError: The host does not answer.

        """
        connection = self.to(host)
        connection.open()
        return Reader(f"{host.short}: its Docker Engine", connection.docker_socket)

    def forget_engine(self, host: Host) -> None:
        """Have the next call connect to a host's engine again."""
        with self._guard:
            engine = self._engines.pop(host.short, None)
        if engine is not None:
            engine.close()

    # -- the swarm -----------------------------------------------------------------------------------------------------

    def manager(
        self, except_: Host | None = None, patience: float | None = None
    ) -> "tuple[Host, DockerClient]":
        """Return a hive whose engine is a manager of the stage's swarm.

        Args:
            except_: A hive that is asked last.
            patience: Seconds to wait for one; the attribute, where it is not given.

        Raises:
            HostError: None answers, also after waiting; the message has each one's answer.

        """
        # Right after an outage engines start, and managers elect a leader. Waiting, it holds no lock: who mends an
        # engine may have to ask for a manager, too.
        patience = self.patience if patience is None else patience
        began = time.monotonic()
        for _ in attempts(patience if self._state.members() else 0.0):
            try:
                return self._manager_now(except_)
            except _NoSwarmError:
                raise
            except HostError as error:
                problem = error
        waited = time.monotonic() - began
        raise HostError(f"{problem}\n(waited {waited:.0f} s for one)" if waited >= 1 else str(problem))

    def _manager_now(self, except_: Host | None) -> "tuple[Host, DockerClient]":
        """Return a manager that answers now; see `manager`."""
        came = time.monotonic()
        # Who comes while another asks waits for that answer, since the engine has to do with each question.
        with self._coordination.lock("manager"):
            if except_ is None and (known := self._recent_manager()) is not None:
                return known
            problem, then = self._no_manager
            if problem is not None and then > came:
                raise type(problem)(str(problem))
            try:
                return self._ask_for_manager(except_)
            except HostError as error:
                self._no_manager = error, time.monotonic()
                raise

    def _ask_for_manager(self, except_: Host | None) -> "tuple[Host, DockerClient]":
        """Ask one hive after the other; see `manager`.

        Raises:
            _NoSwarmError: All answer that they are in no swarm: none will be a manager by waiting.
            HostError: None is a manager, or those that are have no leader.

        """
        from remote.engine.client import engine_errors

        answers, may_come, fences = [], False, self._state.fences()
        for host in sorted(self._stage.hives, key=lambda hive: hive == except_):
            if self._state.host_record(host) is None:
                continue
            if host.short in fences:
                answers.append(f"{host.short}: is fenced, and has to leave its old swarm first")
                continue
            try:
                client = self.engine(host)
                with engine_errors(host.short, "asking whether it is a manager"):
                    swarm = client.info()["Swarm"]
            except SkepError as error:
                answers.append(str(error))
                may_come = True
                continue
            # Without a leader every question would be refused.
            if swarm.get("ControlAvailable") and not swarm.get("Error"):
                self._manager = host, client, time.monotonic()
                return host, client
            answers.append(f"{host.short}: {swarm.get('Error') or 'is not a manager of a swarm'}")
            may_come = may_come or bool(swarm.get("Error")) or swarm.get("LocalNodeState") == "pending"
        kind = HostError if may_come else _NoSwarmError
        raise kind("no manager of the swarm answers:\n" + "\n".join(answers))

    def _recent_manager(self) -> "tuple[Host, DockerClient] | None":
        """Return the manager that answered a moment ago, if there was one and its engine is the same still.

        `docker info` costs an engine more than most questions, and each of fifty services asks for a manager twice.
        """
        if self._manager is None:
            return None
        host, client, then = self._manager
        same = self._engines.get(host.short) is client
        return (host, client) if same and time.monotonic() - then < _RECENT else None

    @property
    def swarm_poller(self) -> "SwarmPoller":
        """The poller of the swarm's services and tasks that all who wait for services share.

        Raises:
            HostError: No manager answers.

        """
        from remote.swarm.poller import SwarmPoller

        return self.shared(SwarmPoller, lambda client: SwarmPoller(client, self._host_of(client)))

    def _host_of(self, client: "DockerClient") -> str:
        """Return the name of the host that an engine is on."""
        return next((short for short, engine in dict(self._engines).items() if engine is client), "a manager")

    def shared(self, kind: type[T], make: Callable[["DockerClient"], T]) -> T:
        """Return an object that all tasks share and that asks the swarm by one manager; made for the first caller.

        Args:
            kind: Its class.
            make: Makes it for a manager's engine; another one where another manager answers by now.

        Raises:
            HostError: No manager answers.

        """
        _, client = self.manager()
        with self._guard:
            if (kind, client) not in self._shared:
                self._shared[kind, client] = make(client)
            return cast("T", self._shared[kind, client])
