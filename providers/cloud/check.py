"""What stands in the way of a stage in a cloud, found out before anything is made: what all clouds ask alike."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence

from model.errors import ProviderError
from model.stage import Host, Stage
from providers.base import Found
from providers.cloud.host import instance_type
from providers.cloud.provider import ADDRESS

Ask = Callable[[], Iterator[str]]
"""Yields what stands in the way, one line each."""


class CloudCheck(ABC):
    """The questions that are asked before a stage is made. They change nothing.

    Args:
        stage: The stage.
        found: Lists what there is of the stage already.

    """

    def __init__(self, stage: Stage, found: Callable[[], Mapping[str, Found]]) -> None:
        self._stage, self._found = stage, found
        self._path = f"stages.{stage.name}"
        self._there: Mapping[str, Found] = {}

    def problems(self) -> Iterator[str]:
        """Yield what stands in the way, one line each."""
        try:
            self._there = self._found()
        except ProviderError as error:
            yield str(error)
            return  # all else would say the same
        yield from self._asked()

    def _asked(self) -> Iterator[str]:
        """Ask one question after another; what can't be asked is a problem as well."""
        for ask in self._asks():
            try:
                yield from ask()
            except ProviderError as error:
                yield str(error)

    @abstractmethod
    def _asks(self) -> Sequence[Ask]:
        """Return the questions, in order."""

    def _sizes(self) -> list[str]:
        """Return the sizes of the stage's hosts."""
        return sorted({instance_type(self._stage, host) for host in self._stage.hosts})

    def _placed_sizes(self) -> set[tuple[str, str]]:
        """Return the sizes of the stage's hosts, each with the zones that it is wanted in."""
        return {
            (instance_type(self._stage, host), self._stage.place(host).zone) for host in self._stage.hosts
        }

    def _missing(self) -> list[Host]:
        """Return the hosts that are to be made."""
        return [host for host in self._stage.hosts if host.short not in self._there]

    def _missing_addresses(self) -> int:
        """Return how many public addresses are to be had."""
        return sum(
            self._stage.has_public_address(host) and ADDRESS + host.short not in self._there
            for host in self._stage.hosts
        )

    def _too_few(
        self, what: str, needs: int, limit: float, taken: float, who: str, advice: str
    ) -> Iterator[str]:
        """Yield that a quota is too small, if it is.

        Args:
            what: What is limited.
            needs: How many of it are missing.
            limit: How many there may be.
            taken: How many there are.
            who: Who has the quota, and where.
            advice: What to do.

        """
        if needs and taken + needs > limit:
            yield (
                f"{self._path}: needs {needs} more {what}, and of {limit:.0f} that {who} may have {taken:.0f} are "
                f"taken: {advice}"
            )
