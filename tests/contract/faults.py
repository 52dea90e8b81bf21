"""A cloud fails, and skep is killed: at each call of a whole life, once. The next run converges.

For clouds that are played by a server of the tests' own; a module for each has a `life` fixture, and takes the classes.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, ClassVar

import pytest

from model.stage import Stage
from providers.base import Provider
from providers.fake.provider import KilledError
from remote.ssh.ssh_files import SshFiles
from tests import rig as make

_MOST = 100
"""More calls than any life has."""


class Life(ABC):
    """One host with all that it can have, and what a run and `doit destroy` do to it.

    Args:
        stage: The stage.
        files: Its ssh files.

    """

    whole: ClassVar["Counter[str]"]
    """What there is of the stage when it is made, by kind."""

    def __init__(self, stage: Stage, files: SshFiles) -> None:
        self.stage, self.files = stage, files

    @abstractmethod
    def things(self) -> list[str]:
        """Return all that there is, each beginning with its kind; a host's with its name."""

    def kinds(self) -> "Counter[str]":
        """Return how many there are of each kind of thing."""
        return Counter(thing.split()[0] for thing in self.things())

    def provider(self) -> Provider:
        """Return a new provider, as another run has."""
        return make.provider_of(self.stage, self.files)

    def make(self) -> None:
        """Do what a run does."""
        make.ensure_all(self.provider())

    def destroy(self) -> None:
        """Do what `doit destroy` does."""
        make.remove_all(self.provider())

    def assert_whole(self) -> None:
        """Assert that all is there, once, as it should be."""
        assert self.kinds() == self.whole
        provider = self.provider()
        found = provider.found()
        for resource in provider.resources():
            thing = found[resource.name]
            state = (thing.key, thing.running, thing.drift)
            assert state == (resource.key, True, ""), resource.name


class PlayedLife(Life):
    """A life in a cloud that is played, and so can begin anew for each call."""

    caller: ClassVar[type]
    """What makes the provider's calls, by a method `call` whose first argument is what is asked for."""

    @abstractmethod
    def reset(self) -> None:
        """Have the cloud be empty, and not fail."""

    @abstractmethod
    def fail(self, at: int, how: str) -> None:
        """Have the nth call from now on that changes something fail; 0 for none."""

    @abstractmethod
    def has_failed(self) -> bool:
        """Return whether one has failed since."""

    @abstractmethod
    def counts(self, what: str) -> bool:
        """Return whether a kill after a call is another case than one before it."""

    def in_call(self) -> AbstractContextManager[object]:
        """Have a call end when the cloud has taken it, where it would wait for more."""
        return nullcontext()

    @contextmanager
    def killed(self, after: int) -> Iterator[list[str]]:
        """Have the process die when the nth call was taken; give what died, if anything did."""
        done: list[str] = []
        died: list[str] = []
        call = self.caller.call  # type: ignore[attr-defined]

        def dying(api: Any, what: str, *words: Any, **arguments: Any) -> Any:
            if not self.counts(what):
                return call(api, what, *words, **arguments)
            done.append(what)
            if len(done) < after:
                return call(api, what, *words, **arguments)
            died.append(what)
            with self.in_call():
                call(api, what, *words, **arguments)
            raise KilledError(what)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.caller, "call", dying)
            yield died

    def each_kill(self, before: Callable[[], None], do: Callable[[], None]) -> Iterator[str]:
        """Yield each call of something that is done, after it was done up to that call and no further."""
        for n in range(1, _MOST):
            self.reset()
            before()
            with self.killed(n) as died, suppress(KilledError):
                do()
            if not died:
                return
            yield f"{n} {died[0]}"

    def each_fault(self, how: str, before: Callable[[], None], do: Callable[[], None]) -> Iterator[int]:
        """Yield the number of each call of something that is done, after it was done while that call failed."""
        for n in range(1, _MOST):
            self.reset()
            before()
            self.fail(n, how)
            do()
            if not self.has_failed():
                return
            self.fail(0, how)
            yield n


def nothing() -> None:
    """Do nothing before."""


class Making:
    """A whole stage is made."""

    least: ClassVar[int]
    """How many calls that takes at least."""
    among: ClassVar[set[str]]
    """Some of them."""

    def test_killed_after_each_call(self, life: PlayedLife) -> None:
        """The next run goes on: nothing is left over, and nothing is made twice."""
        met = []
        for where in life.each_kill(nothing, life.make):
            met.append(where.split()[1])
            life.make()
            life.assert_whole()

        assert len(met) >= self.least
        assert self.among <= set(met)

    def test_killed_and_then_destroyed(self, life: PlayedLife) -> None:
        """Whatever a killed run has left is found by its tags, and `doit destroy` leaves nothing of it."""
        for where in life.each_kill(nothing, life.make):
            life.destroy()

            assert life.kinds() == Counter(), where

    @pytest.mark.parametrize("how", ["refused", "lost"])
    def test_each_call_fails_once(self, life: PlayedLife, how: str) -> None:
        """A call that fails inside the cloud, or is done there without an answer, does not fail the run."""
        met = []
        for n in life.each_fault(how, nothing, life.make):
            met.append(n)
            life.assert_whole()

        assert len(met) >= self.least


class Destroying:
    """A whole stage is removed."""

    fewest: ClassVar[int]
    """How many calls that takes at least."""

    def test_killed_after_each_call(self, life: PlayedLife) -> None:
        """The next `doit destroy` removes the rest."""
        met = []
        for where in life.each_kill(life.make, life.destroy):
            met.append(where)
            life.destroy()

            assert life.kinds() == Counter(), where
        assert len(met) >= self.fewest

    def test_killed_after_each_call_and_then_made(self, life: PlayedLife) -> None:
        """A run makes what is missing again, and uses what is left."""
        for _ in life.each_kill(life.make, life.destroy):
            life.make()
            life.assert_whole()

    @pytest.mark.parametrize("how", ["refused", "lost"])
    def test_each_call_fails_once(self, life: PlayedLife, how: str) -> None:
        """A call that fails inside the cloud, or is done there without an answer, does not fail it."""
        for n in life.each_fault(how, life.make, life.destroy):
            assert life.kinds() == Counter(), n
