"""What the providers of all clouds do alike: one maker for each thing, patience, and what hosts need and count."""

import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar, Protocol

from model.hosts.firewall import Rule, inbound, rule_inputs
from model.hosts.placement import SubnetPlan, subnets
from model.keys.digest import Inputs
from model.keys.record import FactRecord, HostRecord, Record
from model.log import Log
from model.site import CloudStage
from model.stage import Host, Stage
from providers.base import Provider, Resource
from providers.cloud.host import data_size, disk_size, instance_type
from providers.cloud.retry import PACE, retry

NETWORK, FIREWALL, SUBNET, ADDRESS, NFS = "network", "firewall", "subnet.", "address.", "nfs"
"""Names of resources; those that end with a dot, of one for each subnet or host."""

_guard = threading.Lock()
_locks: dict[tuple[str, ...], threading.Lock] = {}


def lock_of(provider: str, stage: Stage, resource: Resource) -> threading.Lock:
    """Return the lock for one resource: an API makes two of what two threads make at once."""
    with _guard:
        return _locks.setdefault((provider, stage.site_name, stage.name, resource.name), threading.Lock())


def rules_drift(there: AbstractSet[Rule], wanted: AbstractSet[Rule]) -> str:
    """Return how a firewall's rules differ from those that are wanted, or nothing. Pure."""
    said = [
        *(f"closed: {rule}" for rule in sorted(wanted - there)),
        *(f"open: {rule}" for rule in sorted(there - wanted)),
    ]
    return f"the firewall is another ({', '.join(said)})" if said else ""


@dataclass(frozen=True)
class RetryPolicy:
    """What of a cloud's errors is waited out.

    Args:
        is_transient: Whether an error is one that a new look, a moment later, may not meet.
        is_transient_on_delete: The same as something is removed: what used it may take a moment to be wholly gone.
        seconds: For how long.
        removal_seconds: For how long as something is removed.

    """

    is_transient: Callable[[Exception], bool]
    is_transient_on_delete: Callable[[Exception], bool]
    seconds: float
    removal_seconds: float


@dataclass(frozen=True)
class Kind:
    """How things of a kind are made and removed that are no hosts.

    Args:
        ensure: Makes the one of a name, under a key, and returns its id.
        remove: Removes the one of a name.

    """

    ensure: Callable[[str, str, Log], str]
    remove: Callable[[str, Log], None]


def only(ensure: Callable[[str, Log], str], remove: Callable[[Log], None]) -> Kind:
    """Return how the only thing of its kind is made and removed: its name says nothing. Pure."""
    return Kind(lambda _, key, log: ensure(key, log), lambda _, log: remove(log))


class CloudHosts(Protocol):
    """How hosts are made, stopped and removed."""

    def ensure(self, host: Host, key: str, log: Log) -> HostRecord:
        """Make a host be there, running, reachable and open for the stage's key."""

    def stop(self, name: str, log: Log) -> None:
        """Stop a host in order."""

    def remove(self, name: str, log: Log) -> None:
        """Remove a host, and what is its own."""


class CloudProvider(Provider):
    """A provider whose things are known by their tags in the cloud alone.

    Whatever fails with what passes by itself is not repeated call by call: the whole resource is ensured again, and
    looks before it makes.
    """

    patience: ClassVar[RetryPolicy]

    _stage: Stage
    _hosts: CloudHosts

    @abstractmethod
    def _kinds(self) -> Mapping[str, Kind]:
        """Return how all but hosts is made, by the resource's name or what it begins with. Pure."""

    def _kind_of(self, name: str) -> Kind | None:
        """Return how a thing is made; None for a host. Pure."""
        beginning, dot, _ = name.partition(".")
        return self._kinds().get(beginning + dot)

    # -- making it so --------------------------------------------------------------------------------------------------

    def ensure(self, resource: Resource, log: Log) -> Record:
        """Make a thing, finding it first; again where what failed passes by itself."""
        kind = self._kind_of(resource.name)

        def make() -> Record:
            if kind is None:
                return self._hosts.ensure(self._stage.host(resource.name), resource.key, log)
            return FactRecord(id=kind.ensure(resource.name, resource.key, log))

        with lock_of(self.name, self._stage, resource):
            return retry(make, self.patience.is_transient, self.patience.seconds, log, PACE)

    def halt(self, name: str, log: Log) -> None:
        """Stop a host in order."""
        patience = self.patience
        retry(lambda: self._hosts.stop(name, log), patience.is_transient, patience.seconds, log, PACE)

    def remove(self, name: str, log: Log) -> None:
        """Remove what has a name; what used it may take a moment to be wholly gone."""
        kind = self._kind_of(name)
        remove = self._hosts.remove if kind is None else kind.remove
        patience = self.patience
        retry(lambda: remove(name, log), patience.is_transient_on_delete, patience.removal_seconds, log, PACE)

    # -- what is wanted ------------------------------------------------------------------------------------------------

    def _plan(self, name: str) -> SubnetPlan:
        """Return the plan of a subnet by its resource's name. Pure."""
        config = self._stage.config
        if not isinstance(config, CloudStage):
            raise TypeError(f"stage {self._stage.name} is in no cloud")
        return next(plan for plan in subnets(config) if SUBNET + plan.name == name)

    def _firewall_resource(self, layout: str, needs: tuple[str, ...] = (NETWORK,)) -> Resource:
        """Return the firewall. Pure."""
        return Resource(
            FIREWALL,
            {"layout": layout},
            settings=rule_inputs(inbound(self._stage)),
            needs=needs,
            doc="what the hosts let in: ssh, published ports, one another",
        )

    def _address_resources(
        self, needs: tuple[str, ...] = (), what: str = "public address"
    ) -> Sequence[Resource]:
        """Return the public addresses, in the cloud's word for one. Pure."""
        return [
            Resource(
                ADDRESS + host.short,
                {"host": host.short},
                needs=needs,
                doc=f"the {what} of {host.name}",
                quota_usage={"public addresses": 1},
            )
            for host in self._stage.hosts
            if self._stage.has_public_address(host)
        ]

    def _host_resources(
        self, inputs: Callable[[Stage, Host], Inputs], settings: Callable[[Stage, Host], Inputs]
    ) -> Sequence[Resource]:
        """Return the hosts, with what makes them others, and what is changed while they stay. Pure."""
        stage = self._stage
        return [
            Resource(
                host.short,
                inputs(stage, host),
                settings=settings(stage, host),
                needs=(
                    NETWORK,
                    SUBNET + stage.place(host).subnet.name,
                    FIREWALL,
                    *([ADDRESS + host.short] if stage.has_public_address(host) else []),
                ),
                is_host=True,
                doc=f"{host.name}, {instance_type(stage, host)} at {host.address}",
                quota_usage={
                    "hosts": 1,
                    "disks": 1 + bool(data_size(stage, host)),
                    "GiB of disk": disk_size(stage, host) + data_size(stage, host),
                },
            )
            for host in stage.hosts
        ]

    # -- what there is -------------------------------------------------------------------------------------------------

    def _wanted(self, name: str) -> Host | None:
        """Return the host of a name, if the stage has one. Pure."""
        return next((host for host in self._stage.hosts if host.short == name), None)

    def _public_drift(self, name: str, *, has: bool) -> str:
        """Return that a host has a public address and should not, or the other way round; or nothing. Pure."""
        host = self._wanted(name)
        if host is None or has == self._stage.has_public_address(host):
            return ""
        return f"{name} has a public address" if has else f"{name} has lost its public address"
