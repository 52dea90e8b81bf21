"""A provider in memory, for tests: it keeps the contract, is strict with its callers, and fails when told to."""

import itertools
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from model.errors import ProviderError
from model.keys.record import FactRecord, HostRecord, Record
from model.log import Log
from model.stage import Stage
from providers.base import Found, Provider, Resource
from remote.ssh.ssh_files import SshFiles

IMAGE, NETWORK = "image", "network"


class KilledError(BaseException):
    """The death that a test's `kill` asks for: no `Exception`, as nothing handles SIGKILL either."""


@dataclass
class FakeCloud:
    """Where the fake's things are. It outlives providers, as a cloud outlives runs.

    Attributes:
        things: Site, stage and name to what there is.
        log: What was done, in order: `created hive0`, `started hive0`, `removed hive0`, `admitted hive0`.
        lock: Held while anything is looked at or done.
        ids: The ids to come.
        let_in: A host's id to the ssh keys that it lets in, by their paths.
        keeps_volumes: Whether hosts that are replaced keep their predecessors' volumes.
        moves_at_once: Whether hosts leave a network that is replaced all at once.
        obstacles: The problems that keep things that exist from becoming as they are wanted.

    """

    things: dict[tuple[str, str, str], Found] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    let_in: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    keeps_volumes: bool = True
    moves_at_once: bool = False
    obstacles: list[str] = field(default_factory=list)
    _errors: dict[str, list[BaseException]] = field(default_factory=lambda: defaultdict(list))

    def fail(self, name: str, message: str, *, times: int = 1) -> None:
        """Make the next attempts to ensure a thing fail before anything is done."""
        self._errors[name] += [ProviderError(f"{name}: {message}") for _ in range(times)]

    def kill(self, name: str) -> None:
        """Make the next attempt to ensure a thing die in the middle: a host is made and never started."""
        self._errors[name].append(KilledError(name))

    def stop(self, stage: Stage, name: str) -> None:
        """Stop a host behind skep's back."""
        with self.lock:
            where = (stage.site_name, stage.name, name)
            self.things[where] = replace(self.things[where], running=False)

    def delete(self, stage: Stage, name: str) -> None:
        """Delete a thing behind skep's back."""
        with self.lock:
            del self.things[stage.site_name, stage.name, name]

    def next_error(self, name: str) -> BaseException | None:
        """Return the error of the next attempt on a thing, if a test asked for one."""
        return self._errors[name].pop(0) if self._errors[name] else None


class FakeProvider(Provider):
    """Hosts that exist in memory alone: their records are right, and nothing answers there.

    Args:
        stage: The stage; its table may be any provider's.
        files: Its ssh files; only asked for where they are.
        state: Its state directory; nothing is kept there.
        secret: Gives secrets; none is needed.
        cloud: Where the things are; of its own by default.

    """

    name: ClassVar[str] = "fake"

    def __init__(
        self,
        stage: Stage,
        files: SshFiles | None = None,
        state: Path | None = None,
        secret: object = None,
        cloud: FakeCloud | None = None,
    ) -> None:
        del state, secret
        self._stage, self._files = stage, files
        self.cloud = cloud or FakeCloud()
        self.keeps_volumes = self.cloud.keeps_volumes

    def resources(self) -> Sequence[Resource]:
        """Return image, network and hosts."""
        return (
            Resource(IMAGE, {"image": "fake"}, doc="the host image"),
            Resource(NETWORK, {"cidr": str(self._stage.config.cidr)}, doc="the network of the hosts"),
            *(
                Resource(
                    host.short,
                    {"name": host.name, "address": host.address},
                    needs=(IMAGE, NETWORK),
                    is_host=True,
                    doc=host.name,
                    quota_usage={"hosts": 1},
                )
                for host in self._stage.hosts
            ),
        )

    def check(self) -> Sequence[str]:
        """Return that the network is missing, if it is: all that can be wrong in memory."""
        if self._stage.config.cidr is None:
            return [f"stages.{self._stage.name}.cidr: is missing"]
        return []

    def obstacles(self, found: Mapping[str, Found], moved: Mapping[str, str]) -> Sequence[str]:
        """Return those that a test wants."""
        del found, moved
        return self.cloud.obstacles

    def moves_at_once(self, found: Mapping[str, Found]) -> bool:
        """Return whether the network is to be replaced, if hosts leave it all at once."""
        network = {resource.name: resource for resource in self.resources()}[NETWORK]
        is_new = NETWORK in found and found[NETWORK].key != network.key
        return self.cloud.moves_at_once and is_new

    def found(self) -> Mapping[str, Found]:
        """Return all that the stage has."""
        with self.cloud.lock:
            return {
                name: thing
                for (site, stage, name), thing in self.cloud.things.items()
                if (site, stage) == (self._stage.site_name, self._stage.name)
            }

    def recall(self, resource: Resource) -> HostRecord | None:
        """Return the record of a host that runs and lets the stage's key in."""
        thing = self.found().get(resource.name)
        if thing is None or not thing.running or thing.key != resource.key:
            return None
        is_in = self._files is None or str(self._files.key) in self.cloud.let_in[thing.id]
        return self._record(thing) if is_in else None

    def ensure(self, resource: Resource, log: Log) -> Record:
        """Make a thing, one at a time.

        Raises:
            AssertionError: The caller broke the contract: what it needs is not there, or nobody wants it.
            ProviderError: A test wanted it to fail.

        """
        if resource.name not in {wanted.name for wanted in self.resources()}:
            raise AssertionError(f"{resource.name} is not what the stage wants")
        with self.cloud.lock:
            error = self.cloud.next_error(resource.name)
            if isinstance(error, ProviderError):
                raise error
            if missing := set(resource.needs) - self.found().keys():
                raise AssertionError(f"{resource.name} is ensured before {', '.join(sorted(missing))}")
            where = (self._stage.site_name, self._stage.name, resource.name)
            thing = self.cloud.things.get(where)
            if thing is not None and thing.key != resource.key:
                self._note(f"removed {resource.name}", log)
                thing = None
            if thing is None:
                thing = Found(
                    resource.name,
                    resource.key,
                    f"fake-{next(self.cloud.ids)}",
                    running=not resource.is_host,
                    is_host=resource.is_host,
                )
                self.cloud.things[where] = thing
                self._note(f"created {resource.name}", log)
            if error is not None:
                raise error
            if not thing.running:
                thing = self.cloud.things[where] = replace(thing, running=True)
                self._note(f"started {resource.name}", log)
            if not resource.is_host:
                return FactRecord(id=thing.id)
            self._note(f"admitted {resource.name}", log)
            if self._files is not None:
                self.cloud.let_in[thing.id].add(str(self._files.key))
            return self._record(thing)

    def _record(self, thing: Found) -> HostRecord:
        """Return a host's record."""
        host = self._stage.host(thing.name)
        return HostRecord(
            name=host.name,
            id=thing.id,
            address=host.address,
            ssh_host=host.address,
            host_keys=(f"ssh-ed25519 {thing.id}",),
        )

    def halt(self, name: str, log: Log) -> None:
        """Stop a host."""
        with self.cloud.lock:
            if name in self.found() and self.found()[name].running:
                self.cloud.stop(self._stage, name)
                self._note(f"stopped {name}", log)

    def remove(self, name: str, log: Log) -> None:
        """Remove a thing."""
        with self.cloud.lock:
            if self.cloud.things.pop((self._stage.site_name, self._stage.name, name), None) is not None:
                self._note(f"removed {name}", log)

    def _note(self, line: str, log: Log) -> None:
        """Log an action, for the test and for the task."""
        self.cloud.log.append(line)
        log(line)
