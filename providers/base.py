"""The contract that every provider keeps; `tests/contract` runs one suite against all of them.

A provider makes *resources*: hosts, and what hosts need (a network, an image, a firewall). It answers for
three things: what the stage wants (`resources`, pure), what there is (`found`, one bulk listing), and making the
one be the other (`ensure`, `halt`, `remove`). The phases after `build_infra` never see a provider, only `HostRecord`s.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from model.keys.digest import Inputs, key_of
from model.keys.record import Record
from model.log import Log


@dataclass(frozen=True)
class Resource:
    """One thing that a stage wants of its provider.

    Args:
        name: Unique in the stage: a host's short name (`hive0`), else its kind (`network`).
        inputs: What it is made from. Their digest is its key, which the real thing carries as a label or tag.
            Only what makes the thing *another* thing counts.
        settings: What `ensure` changes in place, as a firewall's rules: a change makes the task stale, and the thing
            stays the one that it is. (A host's authorized key is seen to by `ensure` each time it runs.)
        needs: Names of the resources that must be there before it.
        is_host: Whether it is a host; then `ensure` returns a `HostRecord`.
        embeds_ssh_key: Whether it holds the stage's public ssh key, so that another key makes it anew. Hosts always do.
        doc: What a person reads on the task's line in `doit list --all`.
        quota_usage: Amounts that a provider limits or charges for, by unit: `{"hosts": 1, "GiB of disk": 20}`.
            `doit plan` prints the sum over all resources that are to be made.

    """

    name: str
    inputs: Inputs = field(default_factory=dict)
    settings: Inputs = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    is_host: bool = False
    embeds_ssh_key: bool = False
    doc: str = ""
    quota_usage: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The digest of its inputs, which the real thing carries."""
        return key_of(self.inputs)


@dataclass(frozen=True)
class Found:
    """One real thing that carries the stage's labels.

    Args:
        name: The resource's name.
        key: The key that it was made with; empty if it has none.
        id: The provider's id of this incarnation.
        running: Whether it can be used as it is. A stopped host is found, and `ensure` starts it.
        is_host: Whether it is a host, or what is left of one.
        drift: Why it is not as `ensure` left it, where the listing shows that, as for a firewall's rules that
            somebody else changed; `ensure` mends it in place. Empty if it is.
        must_stop: Whether `ensure` has to stop it for a while to make it as wanted, as for another size. Hosts of
            which that is so are ensured in turn.

    """

    name: str
    key: str
    id: str
    running: bool = True
    is_host: bool = False
    drift: str = ""
    must_stop: bool = False


class Provider(ABC):
    """Where a stage's hosts come from.

    Implementations are thread-safe: `ensure` is called for several resources at a time.
    """

    name: ClassVar[str]
    """The value of `provider =` in site.toml."""

    @abstractmethod
    def resources(self) -> Sequence[Resource]:
        """Return what the stage wants, in an order in which it can be made. Pure: opens no connection."""

    @abstractmethod
    def check(self) -> Sequence[str]:
        """Return what stands in the way of making the stage, all at once, one line each. Changes nothing.

        Asked before a run makes the first host, when parts of the stage (a network) may be there already.
        """

    @abstractmethod
    def found(self) -> Mapping[str, Found]:
        """Return all that exists with this stage's labels, by resource name, wanted or not. One bulk listing.

        What others need comes before them: in the opposite order all can be removed.
        A provider that owns nothing (`prepared`) returns nothing here that it can't look up without logging in to
        each host; `owns` says so.

        Raises:
            ProviderError: The listing can't be had.

        """

    @abstractmethod
    def ensure(self, resource: Resource, log: Log) -> Record:
        """Make the resource exist as wanted, and return its record.

        Finds before it creates: safe to repeat, to be raced by another thread or process, and to be killed in.
        A thing found with another key is replaced; one with other settings is changed in place; a stopped host is
        started; a half-made thing is adopted or removed. A host comes back when its ssh port answers and the stage's
        key logs in.

        Raises:
            ProviderError: It can't be made; the message says what to do.

        """

    @abstractmethod
    def halt(self, name: str, log: Log) -> None:
        """Stop a host in order, and come back when it has stopped; `ensure` starts it again.

        One that is stopped, or is not there, is no error. Not called where `halts` is false.

        Raises:
            ProviderError: It does not stop.

        """

    @abstractmethod
    def remove(self, name: str, log: Log) -> None:
        """Remove what `ensure` made under that name, with what belongs to it. Nothing there is no error."""

    owns: ClassVar[bool] = True
    """Whether the things it lists are its own: made by `ensure` and gone after `remove`. `prepared` only
    borrows; nothing of its hosts is probed for existence."""

    halts: ClassVar[bool] = True
    """Whether `halt` can stop its hosts, and `ensure` start them. `prepared` can't reach a host that is off."""

    keeps_volumes: bool = False
    """Whether a host that is made anew still has the volumes, and the place in the swarm, of the one before it."""
