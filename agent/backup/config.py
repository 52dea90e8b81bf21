"""What the set-up steps told the host about its backups: JSON that only root may read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import AgentError
from agent.host.durable_files import read_json

HIVE_CONFIG = Path("/etc/skep/backup.json")
REPOSITORY_CONFIG = Path("/etc/skep/backup-repository.json")


@dataclass(frozen=True)
class Script:
    """One part of a service's data.

    Args:
        name: Its name, by which a generation has it.
        backup_command: Writes the data to standard output, in the service's container; empty for files.
        restore_command: Reads it from standard input.
        verify_command: Ends well if what was restored is of use.
        volume: Docker's name of the volume whose files it is; empty for others.
        directory: The container's directory that it is; empty for others.
        consistency: `none`, `pause` or `stop`: what the service does while its files are read.
        batch_scripts: Commands that run in the container before.
        backup_file: Where in the container `backup_command` leaves the data, if not on standard output.
        restore_file: Where in the container it is put for `restore_command`, if not on standard input.
        timeout: Seconds within which a command must say something.

    """

    name: str
    backup_command: str = ""
    restore_command: str = ""
    verify_command: str = ""
    volume: str = ""
    directory: str = ""
    consistency: str = "none"
    batch_scripts: tuple[str, ...] = ()
    backup_file: str = ""
    restore_file: str = ""
    timeout: float = 21600

    @property
    def entry(self) -> str:
        """Its name in a generation: a directory for a volume's files, else a file."""
        if self.volume:
            return self.name
        return f"{self.name}.tar" if self.directory else f"{self.name}.dump"


@dataclass(frozen=True)
class ServiceData:
    """A service with data.

    Args:
        name: The service's name.
        scripts: The parts of its data.

    """

    name: str
    scripts: tuple[Script, ...]


@dataclass(frozen=True)
class HiveConfig:
    """A hive's part in backups.

    Args:
        host: Its short name.
        stage: The stage.
        repository_file: The file with restic's word for its repository.
        password_file: The file with the password of that.
        ca: The file with the certificate that its server is known by; empty for a repository on this host.
        spool: The directory that dumps are written to.
        verify: How often a service's newest generation is tried: `daily`, `weekly`, `monthly`, `never`.
        services: Name to the service.
        schedule: When its data is saved, as systemd's `OnCalendar`.
        hives: All hives' names, in site.toml's order.
        standby: The services whose newest generation is kept restored here.

    """

    host: str
    stage: str
    repository_file: Path
    password_file: Path
    ca: str
    spool: Path
    verify: str
    services: Mapping[str, ServiceData]
    schedule: str = ""
    hives: tuple[str, ...] = ()
    standby: tuple[str, ...] = ()

    def service(self, name: str) -> ServiceData:
        """Return a service.

        Raises:
            AgentError: It has no backups.

        """
        if name not in self.services:
            known = ", ".join(self.services) or "none"
            raise AgentError(f"{name}: site.toml has no backup_scripts for it (it has for: {known})")
        return self.services[name]


def hive_config(path: Path = HIVE_CONFIG) -> HiveConfig:
    """Read a hive's configuration.

    Raises:
        AgentError: There is none.

    """
    content = _content(path)
    services = {
        name: ServiceData(name, tuple(_script(each) for each in scripts))
        for name, scripts in content["services"].items()
    }
    return HiveConfig(
        host=content["host"],
        stage=content["stage"],
        repository_file=Path(content["repository_file"]),
        password_file=Path(content["password_file"]),
        ca=content["ca"],
        spool=Path(content["spool"]),
        verify=content["verify"],
        services=services,
        standby=tuple(content.get("standby", ())),
        schedule=content.get("schedule", ""),
        hives=tuple(content.get("hives", ())),
    )


def _script(content: Mapping[str, Any]) -> Script:
    """Return a script of the configuration."""
    return Script(**{**content, "batch_scripts": tuple(content.get("batch_scripts", ()))})


@dataclass(frozen=True)
class Copy:
    """A place off the site.

    Args:
        name: What it is called.
        repository: restic's word for it, which may be shown.
        environment: Variables for restic, its credentials among them.
        address: The same with its login's password; empty if it has none.

    """

    name: str
    repository: str
    environment: Mapping[str, str]
    address: str = field(default="", repr=False)


@dataclass(frozen=True)
class RepositoryConfig:
    """The repository host's part in backups.

    Args:
        root: The directory with a repository for each hive.
        user: Who owns it.
        hives: Hive to the password of its repository.
        password: The password of copies off the site.
        keep: How many generations are kept: `last`, `daily`, `weekly`, `monthly`, `yearly`.
        copies: The places off the site.
        site: Name to file of what makes the site again: the archive of its directory, the vault.
        standby: Service to the hives that keep its newest generation restored.

    """

    root: Path
    user: str
    hives: Mapping[str, str]
    password: str
    keep: Mapping[str, int]
    copies: tuple[Copy, ...]
    site: Mapping[str, str] = field(default_factory=dict)
    standby: Mapping[str, Sequence[str]] = field(default_factory=dict)


def repository_config(path: Path = REPOSITORY_CONFIG) -> RepositoryConfig:
    """Read the repository host's configuration.

    Raises:
        AgentError: There is none.

    """
    content = _content(path)
    return RepositoryConfig(
        root=Path(content["root"]),
        user=content["user"],
        hives=content["hives"],
        password=content["password"],
        keep=content["keep"],
        copies=tuple(Copy(**each) for each in content["copies"]),
        site=content["site"],
        standby=content.get("standby", {}),
    )


def _content(path: Path) -> Any:
    """Return a file's content."""
    content = read_json(path)
    if content is None:
        raise AgentError(f"{path} is not there: this host was not set up for backups (doit setup_hosts)")
    return content
