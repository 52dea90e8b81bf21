"""The contract that every provider keeps; `tests/contract` runs one suite against all of them.

A provider makes *resources*: hosts, and their needs (a network, an image, a firewall). It answers three questions:
which the stage wants (`resources`), which there are (`found`), and how one becomes the other (`ensure`, `halt`,
`fence`, `remove`). The phases after `build_infra` never see a provider, only `HostRecord`s.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import ClassVar

from model.keys.digest import Inputs, key_of
from model.keys.record import HostRecord, Record
from model.log import Log


@dataclass(frozen=True)
class Resource:
    """One thing that a stage wants of its provider.

    Args:
        name: Unique in the stage: a host's short name (`hive0`), else its kind (`network`).
        inputs: Values that it is made from: a change of one means another thing.
        settings: Values that `ensure` changes in place, as a firewall's rules: a change makes the task stale, and the
            thing stays the same. (`ensure` installs a host's authorized key each time it runs.)
        needs: Names of the resources that must be there before it.
        is_host: Whether it is a host; then `ensure` returns a `HostRecord`.
        embeds_ssh_key: Whether it holds the stage's public ssh key, so that another key replaces it. Hosts always do.
        doc: The text on the task's line in `doit list --all`.
        quota_usage: Amounts that a provider limits or charges for, by unit: `{"hosts": 1, "GiB of disk": 20}`.
            `doit plan` prints the sum over all resources that are to be made.
        costs: Amounts that cost money as long as it exists, by the unit of their price: `{"GiB of disk": 20}`.
        running_costs: Amounts that cost money while it runs: `{"t3.medium": 1}`.
        least: The units of amounts that may be more, as those of a disk that is as large as its image needs.
        defaults: Input to the values that it had in older versions of skep where site.toml does not say it, as now. A
            thing that was made from one of them is as wanted; one that is made anew gets today's.

    """

    name: str
    inputs: Inputs = field(default_factory=dict)
    settings: Inputs = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    is_host: bool = False
    embeds_ssh_key: bool = False
    doc: str = ""
    quota_usage: Mapping[str, int] = field(default_factory=dict)
    costs: Mapping[str, int] = field(default_factory=dict)
    running_costs: Mapping[str, int] = field(default_factory=dict)
    least: tuple[str, ...] = ()
    defaults: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The digest of its inputs, which the real thing carries as a label or tag."""
        return key_of(self.inputs)

    @property
    def former_keys(self) -> tuple[str, ...]:
        """The keys under older defaults."""
        names = list(self.defaults)
        mixed = product(*((self.inputs[name], *self.defaults[name]) for name in names))
        return tuple(key_of({**self.inputs, **dict(zip(names, values, strict=True))}) for values in mixed)[1:]

    def as_made(self, made: Mapping[str, str]) -> Inputs:
        """Return the inputs, with the older defaults that a thing was made from as long as nothing else is changed.

        Args:
            made: What it was made from, as its trace says; empty if that is not known.

        """
        older = {name: made[name] for name, values in self.defaults.items() if made.get(name) in values}
        inputs = {**self.inputs, **older}
        return inputs if inputs.items() <= made.items() else self.inputs


@dataclass(frozen=True)
class Found:
    """One real thing that carries the stage's labels.

    Args:
        name: The resource's name.
        key: The key that it was made with; empty if it has none.
        id: The provider's id of this incarnation.
        running: Whether it can be used as it is. A stopped host is found, and `ensure` starts it.
        is_host: Whether it is a host, or the remains of one.
        drift: How it differs from what `ensure` left, as a firewall's rules that somebody else changed; `ensure` mends
            it in place. Empty if it does not, or if the listing can't tell.
        must_stop: Whether `ensure` has to stop it for a while to change it in place, as for another size. Such hosts
            are ensured one at a time.
        is_displaced: Whether it is a host in no network of the stage's, as a killed run that moved the hosts leaves it.
        has_no_network: Whether it is a host, and the stage has no network at all to be in.

    """

    name: str
    key: str
    id: str
    running: bool = True
    is_host: bool = False
    drift: str = ""
    must_stop: bool = False
    is_displaced: bool = False
    has_no_network: bool = False

    def is_replaced(self, wanted: Resource) -> bool:
        """Return whether it has to be replaced to become as wanted."""
        return bool(self.key) and self.key != wanted.key

    def goes_down(self, wanted: Resource) -> bool:
        """Return whether a host is taken down to become as wanted: it is replaced, or stopped for a while."""
        return self.is_replaced(wanted) or self.must_stop


class Provider(ABC):
    """Where a stage's hosts come from.

    All methods are thread-safe, and safe to repeat. `ensure` is called for several resources at a time, and by several
    runs. Real things are known by their labels alone; `state/` may be deleted at any time.
    """

    name: ClassVar[str]
    """The value of `provider =` in site.toml."""

    owns: ClassVar[bool] = True
    """Whether hosts are made by `ensure` and gone after `remove`. Those of `prepared` and `kickstart` are borrowed:
    their existence is not looked up, and `remove` leaves them as they are."""

    halts: ClassVar[bool] = True
    """Whether `halt` can stop hosts, and `ensure` start them. A host that skep can't switch on is never halted."""

    tells_host_keys: ClassVar[bool] = True
    """Whether the provider itself knows the hosts' ssh host keys. Else a checkout knows those that it has seen."""

    keeps_volumes: bool = False
    """Whether a host that is replaced keeps the volumes, and the place in the swarm, of the one before it."""

    def learn_host_keys(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Take over what another checkout knows of hosts, where this one knows nothing; not called for nothing.

        Args:
            keys: Host's short name to its public host keys.

        """
        del keys

    @abstractmethod
    def resources(self) -> Sequence[Resource]:
        """List the resources of the stage in an order in which they can be made. Pure: opens no connection."""

    def place(self) -> Mapping[str, str]:
        """Return where its things are made, by the keys of site.toml, as `{"region": "eu-central-1"}`.

        It sees what is there, and nothing else. Opens no connection: what only the credentials say, as a project, is
        left out until `found` was asked.
        """
        return {}

    def place_of(self, inputs: Mapping[str, str], identifier: str) -> Mapping[str, str]:
        """Return what of a place one of its things tells, as far as it does. Pure.

        Args:
            inputs: What the thing was made from.
            identifier: The provider's id of it.

        """
        del inputs, identifier
        return {}

    @abstractmethod
    def check(self) -> Sequence[str]:
        """List all problems that would keep the stage from being made, one line each, with the way out.

        Changes nothing. Called before a run makes the first host; other resources, as a network, may be there already.
        """

    def obstacles(self, found: Mapping[str, Found], moved: Mapping[str, str]) -> Sequence[str]:
        """List what keeps things that exist from becoming as the stage wants them, one line each, with the way out.

        Changes nothing. Asked by `doit plan`, and by a run before it changes the first of them.

        Args:
            found: The answer of the method of that name.
            moved: The hosts that are to get another address: short name to the address that they have.

        """
        del found, moved
        return ()

    def moves_at_once(self, found: Mapping[str, Found]) -> bool:
        """Return whether `ensure` would take all hosts out of their network at once, to put them into another. Pure."""
        del found
        return False

    @abstractmethod
    def found(self) -> Mapping[str, Found]:
        """List the real things with the stage's labels, by resource name, wanted or not, in one bulk call.

        Things come after those that they need, so that all can be removed in the opposite order. Where `owns` is false
        nothing is listed for which skep would have to log in to each host.

        Raises:
            ProviderError: The listing can't be had.

        """

    @abstractmethod
    def recall(self, resource: Resource) -> HostRecord | None:
        """Return the record of a host as `ensure` would, if it is there as wanted and lets the stage's key in; or None.

        For a plan in a fresh clone. It looks, and makes, starts, attaches and removes nothing, whatever another run
        does meanwhile; no key is let in, and nothing waited for.

        Args:
            resource: One of `resources`, a host.

        Raises:
            ProviderError: It can't be asked.

        """

    @abstractmethod
    def ensure(self, resource: Resource, log: Log) -> Record:
        """Make a resource exist as wanted, and return its record: of a host a `HostRecord`.

        Finds before it creates, so that it may be raced by another thread or process, and killed at any point. A thing
        with another key is replaced; one with other settings is changed in place; a stopped host is started; a
        half-made thing is adopted or removed. Of a host it returns when ssh answers and the stage's key logs in.

        Args:
            resource: One of `resources`; what it needs is there.
            log: Takes a line for each thing that is done.

        Raises:
            ProviderError: It can't be made; the message has the resource and the way out.

        """

    @abstractmethod
    def halt(self, name: str, log: Log) -> None:
        """Stop a host in order, and return when it has stopped; `ensure` starts it again.

        A host that is stopped, or is not there, is no error. Not called where `halts` is false.

        Raises:
            ProviderError: It does not stop.

        """

    def fence(self, name: str, log: Log) -> None:
        """Cut a host off that may be anything but well: frozen, hanging, without network. It must not wake by itself.

        `ensure` starts it again. A host that is off, or is not there, is no error. Not called where `halts` is false.

        Raises:
            ProviderError: It can't be stopped, or nobody can tell.

        """
        self.halt(name, log)

    def forget_swarm(self, name: str, log: Log) -> None:
        """Have a host that is off forget the swarm that it was in before it starts, if that can be done from outside.

        Where it can't, nothing is done: the host leaves that swarm when it is first logged in to.

        Raises:
            ProviderError: It could be done, and failed.

        """
        del name, log

    @abstractmethod
    def remove(self, name: str, log: Log) -> None:
        """Remove a resource, wanted or not, with all that belongs to it. One that is not there is no error.

        May be killed at any point: `found` lists it until all of it is gone.

        Raises:
            ProviderError: It can't be removed; the message has the reason, as another thing that still uses it.

        """
