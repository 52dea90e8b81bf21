"""The common part of the clouds' checks, which find a stage's problems before anything is made."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic

from model.errors import ProviderError
from model.stage import Stage
from providers.base import Found
from providers.cloud.host import Config, HostSpec, spec_of
from providers.cloud.resources import ADDRESS

Question = Callable[[], Iterator[str]]
"""Yields the problems that it finds, one line each."""


class CloudCheck(ABC, Generic[Config]):
    """The questions that are asked before a stage is made. They change nothing.

    Args:
        stage: The stage.
        config: The stage's table.
        found: Lists what there is of the stage already.

    """

    def __init__(self, stage: Stage, config: Config, found: Callable[[], Mapping[str, Found]]) -> None:
        self._stage, self._config, self._found = stage, config, found
        self._path = f"stages.{stage.name}"
        self._specs = [spec_of(stage, config, host) for host in stage.hosts]
        self._there: Mapping[str, Found] = {}

    def problems(self) -> Iterator[str]:
        """Yield the problems, one line each."""
        try:
            self._there = self._found()
        except ProviderError as error:
            yield str(error)
            return  # all else would say the same
        yield from self._asked()

    def _asked(self) -> Iterator[str]:
        """Ask one question after another; that one can't be asked is a problem as well."""
        for ask in self._questions():
            try:
                yield from ask()
            except ProviderError as error:
                yield str(error)

    @abstractmethod
    def _questions(self) -> Sequence[Question]:
        """Return the questions, in order."""

    def _sizes(self) -> list[str]:
        """Return the sizes of the stage's hosts."""
        return sorted({spec.instance_type for spec in self._specs})

    def _placed_sizes(self) -> set[tuple[str, str]]:
        """Return the sizes of the stage's hosts, each with the zones that it is wanted in."""
        return {(spec.instance_type, spec.place.zone) for spec in self._specs}

    def _missing(self) -> list[HostSpec]:
        """Return the hosts that are to be made."""
        return [spec for spec in self._specs if spec.short not in self._there]

    def _missing_addresses(self) -> int:
        """Return the number of public addresses that are to be made."""
        return sum(spec.is_public and ADDRESS + spec.short not in self._there for spec in self._specs)

    def _too_few(
        self, what: str, needs: int, limit: float, taken: float, who: str, advice: str
    ) -> Iterator[str]:
        """Yield that a quota is too small, if it is.

        Args:
            what: The unit that the quota limits.
            needs: How many are missing.
            limit: How many there may be.
            taken: How many there are.
            who: The quota's owner, and where.
            advice: The way out.

        """
        if needs and taken + needs > limit:
            yield (
                f"{self._path}: needs {needs} more {what}, but {who} has {taken:.0f} of at most {limit:.0f} "
                f"already: {advice}"
            )
