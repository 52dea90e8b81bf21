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

    @abstractmethod
    def _image_size(self, spec: HostSpec) -> int:
        """Return the GiB that a host's image needs; 0 if the cloud does not say.

        Raises:
            ProviderError: There is no image, which another question reports.

        """

    def _disks(self) -> Iterator[str]:
        """Yield the sizes of disks in site.toml that are smaller than the image of the host."""
        said = set()
        for spec in self._specs:
            is_own = spec.host.is_repository and self._config.repository_disk_size is not None
            key = "repository_disk_size" if is_own else "disk_size"
            if not spec.has_own_size or key in said:
                continue
            try:
                needed = self._image_size(spec)
            except ProviderError:
                continue
            if spec.disk_size < needed:
                said.add(key)
                yield (
                    f"{self._path}.{key}: {spec.disk_size} GiB are fewer than the {needed} GiB of image "
                    f"{spec.image_name}: set {needed} or more, or leave {key} out"
                )

    def _new_size(self, spec: HostSpec) -> int:
        """Return the GiB of a host's disk; those of site.toml where the image is not known."""
        try:
            return spec.new_size(self._image_size(spec))
        except ProviderError:
            return spec.disk_size

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
