"""The changes of a history: each edits site.toml or breaks something, and says which hosts it may stop."""

import json
import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from random import Random

from tests import rig
from tests.integration.life.lived_site import MADE_HERE, MOST, PURPOSE, LivedSite, other_image

SILENCE = 20.0
"""The most seconds for which a hive is away before the run begins: the swarm has noticed it, or has not."""


class Change(ABC):
    """One change.

    Args:
        site: The site, in the checkout that all runs are of unless a change says another.
        chance: What is drawn for this change.

    """

    def __init__(self, site: LivedSite, chance: Random) -> None:
        self.site, self.chance = site, chance
        self.runs_in = site
        self.stops: tuple[str, ...] = ()
        """The hosts that may be another container or start anew, with all that runs on them."""
        self.detail = ""

    @property
    def possible(self) -> bool:
        """Whether the site is such that it can be made."""
        return True

    @abstractmethod
    def begin(self) -> None:
        """Make it; the run after it brings the site to what it says."""

    def end(self) -> None:  # noqa: B027 - most have nothing to do
        """Do what belongs to it and comes after the run."""

    def _prune(self, *named: str) -> None:
        """Remove what is no longer in site.toml, which must name some things."""
        listed = self.site.run("prune").text
        assert [word for word in named if word not in listed] == [], listed
        ended = self.site.run("prune", f"confirm={self.site.name}")
        assert ended.status == 0, ended.text

    def _draw_hive(self, *, except_: str = "") -> str:
        """Draw a hive."""
        self.detail = self.chance.choice([hive for hive in self.site.shape.hives if hive != except_])
        return self.detail


class HostMore(Change):
    """A host more: nothing that runs is touched."""

    @property
    def possible(self) -> bool:
        """Whether there is room."""
        return self.site.shape.number < MOST

    def begin(self) -> None:
        """Have one more."""
        self.site.take(replace(self.site.shape, number=self.site.shape.number + 1))


class HostLess(Change):
    """A host less: it leaves the swarm in the run, and goes by prune. If it has the registry, that moves."""

    @property
    def possible(self) -> bool:
        """Whether three are left."""
        return self.site.shape.number == MOST

    def begin(self) -> None:
        """Have one less."""
        shape = self.site.shape
        leaves, number = shape.hives[-1], shape.number - 1
        if shape.home == leaves:
            self.site.take(replace(shape, number=number))
            text = self.site.run().failed()
            assert "has the registry, and would no longer be a host of the stage" in text, text
            self.site.take(shape)
            shape = replace(shape, repository=self._draw_hive(except_=leaves))
        self.site.take(replace(shape, number=number))
        self.stops = (leaves,)

    def end(self) -> None:
        """Remove it, where skep has made it."""
        if self.site.owns_hosts:
            self._prune(*self.stops)


class Memory(Change):
    """Other memory: all hosts are made anew, one at a time."""

    def begin(self) -> None:
        """Have more, or less."""
        sizes = [size for size in (2048, 3072, 4096) if size != self.site.shape.memory]
        size = self.chance.choice(sizes)
        self.detail = f"{size} MiB"
        self.site.take(replace(self.site.shape, memory=size))
        self.stops = self.site.shape.hives


class HostImage(Change):
    """Another image of the hosts: the same."""

    def begin(self) -> None:
        """Take the other one of two."""
        self.detail = other_image() if self.site.shape.image == MADE_HERE else MADE_HERE
        self.site.take(replace(self.site.shape, image=self.detail))
        self.stops = self.site.shape.hives


class RepositoryMoved(Change):
    """The registry moves to another host with its images; nothing that runs is touched."""

    def begin(self) -> None:
        """Name another host."""
        shape = self.site.shape
        self._former = shape.home
        self.site.take(replace(shape, repository=self._draw_hive(except_=shape.home)))

    def end(self) -> None:
        """Remove from its former host what only a repository has."""
        self._prune(f"set-up step vault on {self._former}")


class SecondCheckout(Change):
    """A clone runs, without `state/` or with that of its last time: it has a key of its own, and takes nobody out."""

    def begin(self) -> None:
        """Clone it."""
        self.runs_in = self.site.clone()

    def end(self) -> None:
        """Make sure that both are let in."""
        for checkout in (self.site, self.runs_in):
            checkout.hang_up()
            assert [hive for hive in self.site.shape.hives if not checkout.logs_in(hive)] == []


class KeyTakenOut(Change):
    """The second checkout's key is taken out, and no other one."""

    @property
    def possible(self) -> bool:
        """Whether the second checkout is let in."""
        return self.site.second is not None and self.site.second.logs_in("hive0")

    def begin(self) -> None:
        """Take it out by its name."""
        self.site.run("build_infra").well()
        keys = json.loads(self.site.run("list", "--json").well().text)["ssh_keys"]
        [self.detail] = [key["name"] for key in keys if not key["own"]]
        ended = self.site.run("prune", f"confirm={self.site.name}", f"key={self.detail}")
        assert ended.status == 0, ended.text

    def end(self) -> None:
        """Make sure of who is let in."""
        second = self.site.second
        assert second is not None
        self.site.hang_up()
        second.hang_up()
        let_in = {hive: (self.site.logs_in(hive), second.logs_in(hive)) for hive in self.site.shape.hives}
        assert set(let_in.values()) == {(True, False)}, let_in


class OtherCidr(Change):
    """Another network, which hosts can't be moved to at once: refused before anything is touched, and put back."""

    def begin(self) -> None:
        """Ask for it by plan and by a run, then put it back."""
        cidr = self.site.shape.cidr
        with self.site.edited(cidr, rig.free_cidr(f"{PURPOSE}-other")):
            for words in (("plan",), ()):
                ended = self.site.run(*words)
                assert ended.status == 1, ended.text
                assert "all hosts would have to move to other addresses at once" in ended.text, ended.text


class _Outage(Change):
    """A hive is away when the run begins, which brings it back."""

    blow: tuple[str, ...] = ()
    """What is done to its container, by docker."""

    def begin(self) -> None:
        """Take a hive away, and wait for a while."""
        self.stops = (self._draw_hive(),)
        self._strike(self.site.container(self.detail))
        time.sleep(self.chance.uniform(0, SILENCE))

    def _strike(self, container: str) -> None:
        """Take it away."""
        words = [word.format(site=self.site.name) for word in self.blow]
        subprocess.run(["docker", *words, container], check=True, capture_output=True)


class HiveFrozen(_Outage):
    """A hive stands still: whoever asks it waits."""

    def _strike(self, container: str) -> None:
        """Take it away."""
        rig.freeze(container)


class HiveKilled(_Outage):
    """A hive is off, as after a power cut."""

    blow = ("kill",)


class NoNetwork(_Outage):
    """A hive, and so a manager, is cut off."""

    blow = ("network", "disconnect", "skep.{site}.private")


CHANGES: tuple[type[Change], ...] = (
    HostMore,
    HostLess,
    Memory,
    HostImage,
    RepositoryMoved,
    SecondCheckout,
    KeyTakenOut,
    OtherCidr,
    HiveFrozen,
    HiveKilled,
    NoNetwork,
)
OF_MEMBERS = (HostMore, HostLess, RepositoryMoved, SecondCheckout, KeyTakenOut)
"""Those that there can be of hosts that skep neither makes nor starts."""
