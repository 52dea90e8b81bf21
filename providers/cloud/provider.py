"""The common part of the clouds' providers: locks, retries, and how hosts are found."""

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from model.hosts.placement import SubnetPlan, subnets
from model.json_types import Json
from model.keys.record import FactRecord, HostRecord, Record
from model.log import Log
from model.stage import Stage
from providers.base import Found, Provider, Resource
from providers.cloud.host import CloudHosts, Config, HostSpec, Machine, small_disks
from providers.cloud.resources import NETWORK, SUBNET
from providers.cloud.retry import RetryPolicy, retry

T = TypeVar("T")

_guard = threading.Lock()
_locks: dict[tuple[str, ...], threading.Lock] = {}


def lock_of(provider: str, stage: Stage, resource: Resource) -> threading.Lock:
    """Return the lock of a resource: an API makes two things of one name for two threads."""
    with _guard:
        return _locks.setdefault((provider, stage.site_name, stage.name, resource.name), threading.Lock())


def config_of(stage: Stage, kind: type[Config]) -> Config:
    """Return a stage's table as its provider's type.

    Raises:
        TypeError: The stage is another provider's.

    """
    if not isinstance(stage.config, kind):
        raise TypeError(f"stage {stage.name} is not one of the {kind.__struct_config__.tag} provider")
    return stage.config


def together(*questions: Callable[[], T]) -> list[T]:
    """Ask a cloud several questions at the same time, and return the answers in order."""
    with ThreadPoolExecutor(max_workers=len(questions)) as pool:
        return list(pool.map(lambda ask: ask(), questions))


@dataclass(frozen=True)
class ResourceKind:
    """How the resources of one kind, as subnets, are made and removed. Hosts are no kind: see `CloudHosts`.

    Args:
        ensure: Makes a resource exist, given its name, its key and the log; returns the cloud's id of it.
        remove: Removes a resource if it is there, given its name and the log.

    """

    ensure: Callable[[str, str, Log], str]
    remove: Callable[[str, Log], None]

    @staticmethod
    def single(ensure: Callable[[str, Log], str], remove: Callable[[Log], None]) -> "ResourceKind":
        """Return the kind of which a stage has one resource, as its network, whose functions take no name. Pure."""
        return ResourceKind(lambda _, key, log: ensure(key, log), lambda _, log: remove(log))


class CloudProvider(Provider, Generic[Config]):
    """A provider whose real things are known by their tags in the cloud alone.

    After a transient error the whole resource is ensured again, which finds before it creates; single calls that may
    have created something are not repeated.

    Args:
        stage: The stage.
        kind: The type of its table.

    """

    retry_policy: ClassVar[RetryPolicy]
    delete_policy: ClassVar[RetryPolicy]
    """The policy for removals, in which a resource may stay in use for a moment."""

    _hosts: CloudHosts[Config]

    def __init__(self, stage: Stage, kind: type[Config]) -> None:
        self._stage, self._config = stage, config_of(stage, kind)

    @abstractmethod
    def _kinds(self) -> Mapping[str, ResourceKind]:
        """Return all kinds, by the name of the resource, or by its beginning where there are several. Pure."""

    def _kind_of(self, name: str) -> ResourceKind | None:
        """Return the kind of a resource; None for a host. Pure."""
        beginning, dot, _ = name.partition(".")
        return self._kinds().get(beginning + dot)

    fixed: ClassVar[tuple[str, ...]] = (SUBNET,)
    """The beginnings of the names of resources that can't be replaced while hosts are in them."""

    def obstacles(self, found: Mapping[str, Found], moved: Mapping[str, str]) -> Sequence[str]:
        """Look for networks that would have to be others, and have hosts in them."""
        del moved
        resources = self.resources()
        lines = []
        for resource in resources:
            there = found.get(resource.name)
            if there is None or there.key == resource.key or not resource.name.startswith(self.fixed):
                continue
            if resource.name == NETWORK and not there.key:
                continue  # half made: it is made whole
            inside = [
                host.name for host in resources if resource.name in host.needs and _is_there(found, host.name)
            ]
            if inside:
                lines.append(
                    f"stages.{self._stage.name}.cidr: {resource.name} has {', '.join(inside)} in it, and can't be made "
                    f"{resource.doc} meanwhile: put cidr, subnets and zones back; or save the data, doit destroy, and "
                    "run doit again; or make another stage there and take the data to it"
                )
        return lines

    # -- making and removing -------------------------------------------------------------------------------------------

    def recall(self, resource: Resource) -> HostRecord | None:
        """Return the record of a host that is as wanted and lets the key in; again after a transient error."""
        host = self._stage.host(resource.name)
        return retry(lambda: self._hosts.recall(host, resource.key), self.retry_policy, lambda _line: None)

    def ensure(self, resource: Resource, log: Log) -> Record:
        """Make a resource exist as wanted; again after a transient error."""
        with lock_of(self.name, self._stage, resource):
            return retry(lambda: self._ensure(resource, log), self.retry_policy, log)

    def _ensure(self, resource: Resource, log: Log) -> Record:
        """Make a resource exist as wanted."""
        kind = self._kind_of(resource.name)
        if kind is None:
            return self._hosts.ensure(self._stage.host(resource.name), resource.key, log)
        return FactRecord(id=kind.ensure(resource.name, resource.key, log))

    def halt(self, name: str, log: Log) -> None:
        """Stop a host in order."""
        retry(lambda: self._hosts.stop(name, log), self.retry_policy, log)

    def remove(self, name: str, log: Log) -> None:
        """Remove a resource; wait for a moment while it is still in use."""
        kind = self._kind_of(name)
        remove = self._hosts.remove if kind is None else kind.remove
        retry(lambda: remove(name, log), self.delete_policy, log)

    # -- what is wanted, and what there is -----------------------------------------------------------------------------

    def _plan(self, name: str) -> SubnetPlan:
        """Return the plan of a subnet by its resource's name. Pure."""
        return next(plan for plan in subnets(self._config) if SUBNET + plan.name == name)

    def _specs(self) -> list[HostSpec]:
        """Return the specifications of all hosts. Pure."""
        return [self._hosts.spec(host) for host in self._stage.hosts]

    def _found_host(self, machine: Machine, disks: Iterable[Json] = (), *, is_public: bool) -> Found:
        """Return a host as it was found. Pure.

        Args:
            machine: Its machine.
            disks: The stage's disks, in the API's words, where those of a machine are listed by themselves.
            is_public: Whether it has a public address.

        """
        spec = next((spec for spec in self._specs() if spec.short == machine.name), None)
        change = drift = ""
        if spec is not None and machine.key:
            change = self._hosts.pending_change(spec, machine)
            small = small_disks(self._hosts.disks(spec, machine, disks))
            drift = f"{spec.short} {change}" if change else _public_drift(spec, is_public=is_public)
            drift = drift or (f"{spec.short}: {small}" if small else "")
        return Found(
            machine.name,
            machine.key,
            machine.id,
            running=machine.is_running,
            is_host=True,
            drift=drift,
            must_stop=bool(change),
        )


def _public_drift(spec: HostSpec, *, is_public: bool) -> str:
    """Return that a host has a public address and should not, or the other way round; or nothing. Pure."""
    if is_public == spec.is_public:
        return ""
    return f"{spec.short} has a public address" if is_public else f"{spec.short} has lost its public address"


def _is_there(found: Mapping[str, Found], name: str) -> bool:
    """Return whether there is a host of a name. Pure."""
    return name in found and found[name].is_host
