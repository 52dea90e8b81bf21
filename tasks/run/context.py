"""What all tasks of one `doit` share: the stage, its state, its connections, and what a live look found.

Nothing here connects before it is asked to; `doit list` never asks.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from model.errors import ConfigError, HostError, SkepError
from model.images.lockfile import Pins
from model.images.lockfile import read as read_pins
from model.keys.record import HostRecord, Record
from model.secrets.secret import Secret, UnaskedSecret
from model.stage import Host, Stage
from remote.mother.files import file_errors, write_whole
from remote.ssh.connection import Connection, SshFiles, socket_directory, write_ssh_files
from tasks.run.log import SHORTEST, Redactor, TaskLog
from tasks.run.secret_sources import Sources
from tasks.run.state import State
from tasks.run.vault import Vault

if TYPE_CHECKING:
    from docker import DockerClient

    from providers.base import Provider
    from remote.engine.reader import Reader
    from remote.hostsetup.step import HostStep
    from remote.swarm.poller import SwarmPoller
    from tasks.observe.live_state import LiveState

R = TypeVar("R", bound=Record)
T = TypeVar("T")


_OF_LATE = 1.0
"""Seconds for which a manager is not asked again whether it is one."""
AT_A_TIME = 12
"""Tasks that are at work at a time, without those that only wait for a service to run."""


def host_task(short: str) -> str:
    """Return the task that makes a host."""
    return f"build_infra:{short}"


@dataclass
class Run:
    """One `doit` on one stage.

    Args:
        directory: The site's directory, with site.toml, roles/ and state/.
        stage: The stage.
        state: Its state directory.
        reasons: Task to why it is stale, filled as doit asks.
        captured_env: What secrets come from that was in the environment.
        may_run_secret_commands: Whether the commands of secrets are run; `doit list` and `doit why` don't.
        observe: Whether the real things are looked at; `doit list` does not.
        deployed: Whether a service was changed by this run.
        pushed: Whether an image was pushed by this run.
        redeployed: The services that this run deployed, so that they are as site.toml says.
        replaced: The hosts that this run made anew or stopped, since they could not be changed as they ran.

    """

    directory: Path
    stage: Stage
    state: State
    reasons: dict[str, list[str]] = field(default_factory=dict)
    captured_env: Mapping[str, str] = field(default_factory=dict)
    may_run_secret_commands: bool = False
    observe: bool = False
    redeployed: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    deployed: bool = False
    pushed: bool = False

    def __post_init__(self) -> None:
        """Make what threads share."""
        self._connections: dict[str, Connection] = {}
        self._shared: dict[tuple[type, DockerClient], object] = {}
        self._manager: tuple[Host, DockerClient, float] | None = None
        self._no_manager = "", -inf
        self._engines: dict[str, DockerClient] = {}
        self._guard = threading.RLock()
        self._looks: list[LiveState] = []
        self._slots = threading.BoundedSemaphore(AT_A_TIME)
        self._mine = threading.local()
        self._locks: dict[str, threading.Lock] = {}
        self._redactor = Redactor()
        self._done: set[str] = set()
        self._found: dict[str, tuple[str, Sequence[str]]] = {}
        self.logs: dict[str, TaskLog] = {}
        self._steps: dict[str, list[HostStep]] = {}
        self.started = time.monotonic()

    # -- files ---------------------------------------------------------------------------------------------------

    @cached_property
    def ssh_files(self) -> SshFiles:
        """Where the stage's ssh files are."""
        root = self.state.root
        return SshFiles(
            root / "ssh_config", root / "secrets" / "id_ed25519", root / "known_hosts", socket_directory(root)
        )

    @property
    def roles(self) -> Path:
        """The site's roles."""
        return self.directory / "roles"

    def record(self, task: str, kind: type[R]) -> R:
        """Return the record of a task that this one needs.

        Raises:
            KeyError: It has none, since it has not been run.

        """
        found = self.state.read(task, kind)
        if found is None:
            raise KeyError(task)
        return found

    def host_record(self, host: Host) -> HostRecord | None:
        """Return the record of a host, or None before it is made."""
        return self.state.read(host_task(host.short), HostRecord)

    def write_ssh_files(self) -> None:
        """Write ssh_config and known_hosts for all hosts that have a record."""
        # Read and written as one: else of two hosts that are made at once, the older view could be written last.
        with self.lock("ssh files"):
            found = {host.short: self.host_record(host) for host in self.stage.hosts}
            known = {short: record for short, record in found.items() if record is not None}
            if known:
                write_ssh_files(self.ssh_files, known)

    @cached_property
    def pins(self) -> Pins:
        """What site.lock holds references to.

        Raises:
            ConfigError: It can't be used as it is.

        """
        return read_pins(self.directory)

    # -- secrets -------------------------------------------------------------------------------------------------

    @property
    def vault_path(self) -> Path:
        """Where the stage's own secrets are kept."""
        return self.state.root / "secrets" / "vault.json"

    @property
    def vault(self) -> Vault:
        """The stage's own secrets.

        Raises:
            KeyError: There is none yet.

        """
        with self._guard:
            cached = self.__dict__.get("_vault")
            if cached is None:
                try:
                    with file_errors(self.vault_path, except_=(FileNotFoundError,)):
                        cached = Vault.from_bytes(self.vault_path.read_bytes())
                except FileNotFoundError as error:
                    raise KeyError("vault") from error
                self._remember_vault(cached)
            return cached

    def keep_vault(self, vault: Vault) -> None:
        """Write the stage's own secrets, for their owner's eyes only."""
        with self._guard:
            _ = self.state.secrets
            write_whole(self.vault_path, vault.to_bytes(), mode=0o600)
            self._remember_vault(vault)

    def _remember_vault(self, vault: Vault) -> None:
        """Use the vault from now on, and keep what is in it out of the logs."""
        self._steps.clear()
        self.__dict__["_vault"] = vault
        for secret in vault.all():
            self.hide(secret)

    def redact(self, text: str) -> str:
        """Return a text without any secret that this run has used."""
        return self._redactor.redact(text)

    def hide(self, secret: Secret, template: str = "") -> None:
        """Keep a secret out of the logs from now on; see `Redactor`."""
        self._redactor.hide(secret, template)

    def vault_fingerprint(self) -> str:
        """Return a keyed digest of the whole vault; `none` before there is one."""
        try:
            vault = self.vault
        except KeyError:
            return "none"
        return Secret(vault.to_bytes().decode()).fingerprint(self.pepper)

    def host_steps(self, host: Host) -> "list[HostStep]":
        """Return a host's set-up steps as data.

        Raises:
            KeyError: There is no vault yet, on which some of them depend.

        """
        vault = self.vault
        with self._guard:
            if host.short not in self._steps:
                from remote.hostsetup.steps import steps

                self._steps[host.short] = steps(self.stage, host, vault.stage)
            return self._steps[host.short]

    @property
    def pepper(self) -> bytes:
        """The stage's HMAC key."""
        return self.vault.stage.pepper.reveal().encode()

    def secret(self, name: str) -> Secret:
        """Return a secret of site.toml.

        Raises:
            ConfigError: Where it should come from there is nothing, or something too short to be hidden.
            KeyError: It is a generated one and there is no vault yet.

        """
        source = self.stage.site.secrets[name]
        found = (
            self.vault.generated[name]
            if source.generate is not None
            else self._sources.read(name, source, asks=self.may_run_secret_commands)
        )
        if not isinstance(found, UnaskedSecret) and 0 < len(found.reveal().strip()) < SHORTEST:
            said = f"is shorter than {SHORTEST} characters, which can't be kept out of logs"
            raise ConfigError([f"secrets.{name}: {said}: use a longer one"])
        self.hide(found)
        return found

    @cached_property
    def _sources(self) -> Sources:
        """Where secrets come from that the vault does not hold."""
        return Sources(self.directory, self.captured_env)

    # -- provider, hosts, engines --------------------------------------------------------------------------------

    @cached_property
    def provider(self) -> "Provider":
        """The stage's provider; its SDK is imported only when it acts."""
        from providers import create

        return create(self.stage, self.ssh_files, self.state.root, self.secret)

    def connection(self, host: Host) -> Connection:
        """Return the shared connection to a host; it opens when it is first used."""
        with self._guard:
            if host.short not in self._connections:
                if not self.ssh_files.config.exists():
                    self.write_ssh_files()
                self._connections[host.short] = Connection(host.short, self.ssh_files)
            return self._connections[host.short]

    def engine(self, host: Host) -> "DockerClient":
        """Return the client of a host's Docker Engine.

        Raises:
            HostError: The host or its engine does not answer.

        """
        connection = self.connection(host)
        connection.open()
        # One lock a host: an engine that hangs must not hold up the others.
        with self.lock(f"engine {host.short}"):
            if host.short not in self._engines:
                from remote.engine.client import connect

                self._engines[host.short] = connect(host.short, connection.docker_socket)
            return self._engines[host.short]

    def reader(self, host: Host) -> "Reader":
        """Return what only reads from a host's Docker Engine, and is there at once.

        Raises:
            HostError: The host does not answer.

        """
        from remote.engine.reader import Reader

        connection = self.connection(host)
        connection.open()
        return Reader(f"{host.short}: its Docker Engine", connection.docker_socket)

    def reset(self, host: Host) -> None:
        """Forget the connection to a host that was made anew."""
        self.forget_engine(host)
        self.connection(host).close()

    def renew(self, host: Host) -> None:
        """Use a new connection to a host where the admin user got into a group; old ones end with their commands."""
        self.forget_engine(host)
        self.connection(host).renew()

    def forget_engine(self, host: Host) -> None:
        """Have the next call connect to a host's engine again."""
        with self._guard:
            engine = self._engines.pop(host.short, None)
        if engine is not None:
            engine.close()

    def lock(self, name: str) -> threading.Lock:
        """Return the lock of that name, for what two tasks of one run must not do at the same time."""
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Hold a place among the tasks that are at work; it is waited for."""
        with self._slots:
            self._mine.held = True
            try:
                yield
            finally:
                self._mine.held = False

    @contextlib.contextmanager
    def idle(self) -> Iterator[None]:
        """Give the place to others within, where this task only waits for something."""
        if not getattr(self._mine, "held", False):
            yield
            return
        self._slots.release()
        try:
            yield
        finally:
            self._slots.acquire()

    def once(self, name: str, do: Callable[[], None]) -> None:
        """Do something the first time in this run; others who ask for it meanwhile wait until it is done."""
        with self.lock(f"once {name}"):
            if name not in self._done:
                do()
                self._done.add(name)

    def found_once(
        self, name: str, task: str, look: Callable[[], Sequence[str]]
    ) -> tuple[str, Sequence[str]]:
        """Look for problems the first time in this run; return the task that did, and what it found.

        The first task says the problems; the others, which they stop as well, say who that was.
        """

        def keep() -> None:
            self._found[name] = task, look()

        self.once(name, keep)
        return self._found[name]

    @cached_property
    def live_state(self) -> "LiveState":
        """The live look at the whole stage, taken once a run."""
        from tasks.observe.live_state import LiveState

        self.write_ssh_files()
        return LiveState(self)

    def look_again(self) -> None:
        """Have the next question taken from a new look. Who waits for the one before still gets its answer."""
        with self._guard:
            if "live_state" in self.__dict__:
                self._looks.append(self.__dict__.pop("live_state"))

    def stop_looking(self) -> None:
        """Wait for no look any more; none is begun for that."""
        for look in (*self._looks, self.__dict__.get("live_state")):
            if look is not None:
                look.close()

    def close(self) -> None:
        """Let go of what this process holds; shared ssh connections stay for the next run."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    def manager(self, except_: Host | None = None) -> "tuple[Host, DockerClient]":
        """Return a hive whose engine is a manager of the stage's swarm.

        Args:
            except_: A hive that is asked last.

        Raises:
            HostError: None answers; the message has what each said.

        """
        came = time.monotonic()
        # Who comes while another asks waits for that answer, since the engine has to do with each question.
        with self.lock("manager"):
            if except_ is None and (known := self._manager_of_late()) is not None:
                return known
            problem, then = self._no_manager
            if then > came:
                raise HostError(problem)
            try:
                return self._ask_for_manager(except_)
            except HostError as error:
                self._no_manager = str(error), time.monotonic()
                raise

    def _ask_for_manager(self, except_: Host | None) -> "tuple[Host, DockerClient]":
        """Ask one hive after the other; see `manager`."""
        said = []
        for host in sorted(self.stage.hives, key=lambda hive: hive == except_):
            if self.host_record(host) is None:
                continue
            try:
                client = self.engine(host)
                swarm = client.info()["Swarm"]
            except (SkepError, OSError) as error:
                said.append(str(error))
                continue
            if swarm.get("ControlAvailable"):
                self._manager = host, client, time.monotonic()
                return host, client
            said.append(f"{host.short}: {swarm.get('Error') or 'is no manager of a swarm'}")
        raise HostError("no manager of the swarm answers:\n" + "\n".join(said))

    def _manager_of_late(self) -> "tuple[Host, DockerClient] | None":
        """Return the manager that answered a moment ago, if there was one and its engine is the same still.

        What an engine says of itself costs it more than what it is asked for: of fifty services each asks twice.
        """
        if self._manager is None:
            return None
        host, client, then = self._manager
        same = self._engines.get(host.short) is client
        return (host, client) if same and time.monotonic() - then < _OF_LATE else None

    @property
    def swarm_look(self) -> "SwarmPoller":
        """What looks at the swarm for all who wait for services.

        Raises:
            HostError: No manager answers.

        """
        from remote.swarm.poller import SwarmPoller

        return self.shared(SwarmPoller, SwarmPoller)

    def shared(self, kind: type[T], make: Callable[["DockerClient"], T]) -> T:
        """Return what all tasks have in common that ask the swarm by one manager, made for the first who wants it.

        Args:
            kind: What it is.
            make: Makes it for a manager's engine; another one where another manager answers by now.

        Raises:
            HostError: No manager answers.

        """
        _, client = self.manager()
        with self._guard:
            if (kind, client) not in self._shared:
                self._shared[kind, client] = make(client)
            return cast("T", self._shared[kind, client])

    def log(self, task: str) -> "TaskLog":
        """Return the log of a task's run, begun anew."""
        return TaskLog(self.state.log_path(task), self.redact)
