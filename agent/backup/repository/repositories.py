"""The repositories on this host, one for each hive, and those off the site."""

import os
import pwd
from collections.abc import Callable, Mapping

from agent.backup.config import Copy, RepositoryConfig
from agent.backup.restic import Restic
from agent.errors import AgentError, fault_of

SITE = "site"
"""The repository of the site's own files, and the service that they are kept as."""


def of_hive(config: RepositoryConfig, hive: str) -> Restic:
    """Return a hive's repository.

    Raises:
        AgentError: There is no such hive.

    """
    if hive not in config.hives:
        raise AgentError(f"{hive} has no repository here; there are: {', '.join(config.hives)}")
    directory = config.root / hive
    environment = {"RESTIC_REPOSITORY": str(directory), "RESTIC_PASSWORD": config.hives[hive]}
    # That of the site's own files is root's: what serves the hives can't even open its directory.
    return Restic(environment, user=config.user if hive != SITE else "", directory=directory)


def of_copy(config: RepositoryConfig, copy: Copy) -> Restic:
    """Return a repository off the site."""
    return Restic(
        {
            **copy.environment,
            "RESTIC_REPOSITORY": copy.address or copy.repository,
            "RESTIC_PASSWORD": config.password,
        },
        is_away=True,
    )


def ensure(config: RepositoryConfig) -> list[str]:
    """Make the repositories that are not there yet; return the hives that got one.

    All cut files alike, so that what several have is stored once in a copy off the site.

    Raises:
        AgentError: Some are there that their passwords don't open; the others are made.

    """
    config.root.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        owner = pwd.getpwnam(config.user)
        os.chown(config.root, owner.pw_uid, owner.pw_gid)
    made: list[str] = []
    first: Restic | None = None
    failed: list[str] = []
    for hive in config.hives:
        restic = of_hive(config, hive)
        try:
            if not restic.exists():
                restic.init(first)
                made.append(hive)
        except AgentError as error:
            failed.append(f"the repository of {hive} ({config.root / hive}): {error}")
            continue
        first = first or restic
    if failed:
        raise AgentError("; ".join(failed))
    return made


def make_copy(config: RepositoryConfig, place: Restic) -> None:
    """Make a repository off the site, which cuts files as the hives' do.

    Raises:
        AgentError: It can't be made.

    """
    place.init(next(filter(_opens, known(config).values()), None))


def _opens(restic: Restic) -> bool:
    """Return whether a repository is there, and its password opens it."""
    try:
        return restic.exists()
    except AgentError:
        return False


def arrival(config: RepositoryConfig, hive: str, snapshot: str) -> float:
    """Return when this host got a snapshot, in seconds since 1970 by its own clock."""
    return (config.root / hive / "snapshots" / snapshot).stat().st_mtime


def known(config: RepositoryConfig) -> Mapping[str, Restic]:
    """Return the repositories that are there, by their hives."""
    return {hive: of_hive(config, hive) for hive in config.hives if (config.root / hive / "config").exists()}


def each_known(config: RepositoryConfig, do: Callable[[str, Restic], None]) -> None:
    """Do something with each hive's repository: one that fails keeps none of the others from it.

    Args:
        config: The repository host's configuration.
        do: Takes the hive and its repository.

    Raises:
        AgentError: Those that failed, and why.

    """
    failed = []
    for hive, restic in known(config).items():
        try:
            do(hive, restic)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is of this hive's alone
            failed.append(f"{hive}: {fault_of(error)}")
    if failed:
        raise AgentError("; ".join(failed))
