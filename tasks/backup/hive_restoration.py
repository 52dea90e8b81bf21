"""A generation of a service, brought to a hive whose service a command itself stops, starts, or has yet to start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.stage import Host
from tasks.backup.site_backups import Heard, SiteBackups


@dataclass(frozen=True)
class Parts:
    """What a generation has of a service.

    Args:
        files: Each part that is a volume's files, to the volume.
        loaded: The parts that go back through the running service.
        unknown: The parts that site.toml no longer has, so that nothing says how they go back.

    """

    files: Mapping[str, str]
    loaded: Sequence[str]
    unknown: Sequence[str]


@dataclass(frozen=True)
class HiveRestoration:
    """A generation, on the hive where it is to be. Each step may be repeated, also after a kill.

    Args:
        backups: The stage's backups.
        host: The hive.
        service: The service.
        generation: The generation's id.
        heard: Takes what the agents say.

    """

    backups: SiteBackups
    host: Host
    service: str
    generation: str
    heard: Heard

    def read(self, scripts: Sequence[str]) -> None:
        """Bring parts beside what is there, and compare them with the repository.

        Raises:
            HostError: They can't be had whole.

        """
        self._ask("read", self._identity(), *_named(scripts))

    def swap(self) -> None:
        """Change the volumes' files for those that were read. Nothing may use them.

        Raises:
            HostError: They were not read, or another generation is half restored there.

        """
        self._ask("swap", self._identity())

    def load(self, scripts: Sequence[str]) -> Sequence[str]:
        """Give parts to the running service, as soon as it is healthy; return those that were loaded.

        Raises:
            HostError: The service is not healthy in time, or a command of it fails.

        """
        found: Mapping[str, Any] = self._ask("load", self._identity(), *_named(scripts))
        return list(found["loaded"])

    def settle(self) -> None:
        """Remove what was there before, and what is left of the way.

        Raises:
            HostError: The files are half changed, or the hive does not answer.

        """
        self._ask("settle")

    def undo(self) -> None:
        """Have the volumes as they were before the generation came. Nothing may use them.

        Raises:
            HostError: The hive does not answer.

        """
        self._ask("unswap")
        self.settle()

    def _identity(self) -> str:
        """Return the generation's id in the hive's own repository, which gets it if it does not have it."""
        return self.backups.shared({"id": self.generation}, self.host)

    def _ask(self, verb: str, *words: str) -> Any:
        return self.backups.ask(self.host, verb, *words, "--service", self.service, heard=self.heard)


def parts_of(backups: SiteBackups, service: str, generation: Mapping[str, Any]) -> Parts:
    """Return what a generation has of a service, as site.toml says today how each part goes back."""
    known = {each.name: each for each in backups.run.stage.services[service].backup_scripts}
    names = list(generation["scripts"] or {})
    return Parts(
        files={name: str(known[name].volume) for name in names if name in known and known[name].volume},
        loaded=[name for name in names if name in known and not known[name].volume],
        unknown=[name for name in names if name not in known],
    )


def _named(scripts: Sequence[str]) -> list[str]:
    """Return the words that name parts."""
    return [word for name in scripts for word in ("--script", name)]
