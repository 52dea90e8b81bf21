"""What the services of a lost site get back: from which copy, on which hive, and what is lost all the same. Pure."""

from collections.abc import Mapping

from model.errors import ConfigError
from model.stage import Host, Stage
from tasks.backup.site_restore_journal import ChosenGeneration


def copy_name(stage: Stage, repository: str) -> str:
    """Return what site.toml calls the copy that a site is made again from.

    Args:
        stage: The stage.
        repository: The copy, in restic's words.

    Raises:
        ConfigError: It has no such copy.

    """
    backup = stage.site.backup
    copies = backup.named_copies if backup is not None else {}
    found = next((name for name, copy in copies.items() if copy.repository == repository), None)
    if found is None:
        raise ConfigError([no_such_copy(repository)])
    return found


def no_such_copy(repository: str) -> str:
    """Return the message for a copy that site.toml does not name, so that the repository host can't read it."""
    return (
        f"backup.copies: none has the repository {repository}, from which the repository host takes the data: write "
        f'there: [[backup.copies]] and repository = "{repository}", with its secrets; then type the same again'
    )


def filled_volumes(stage: Stage, service: str) -> list[str]:
    """Return the volumes of a service that its generation fills: those whose files are saved, and its own on hives.

    What is mounted from elsewhere is not lost with a site, and what others made may have data that is theirs.
    """
    saved = [each.volume for each in stage.services[service].backup_scripts if each.volume]
    volumes = stage.site.volumes
    own = [
        name
        for name in stage.services[service].named_volumes
        if not volumes[name].external and not volumes[name].driver_opts
    ]
    return list(dict.fromkeys([*saved, *own]))


def files_host(stage: Stage, service: str, generation: ChosenGeneration) -> Host:
    """Return the hive that gets the files of a service: the one that made them, if it has the volumes still.

    Args:
        stage: The stage.
        service: The service, which has files.
        generation: Its generation.

    """
    hosts = files_hosts(stage, service)
    return next((host for host in hosts if host.short == generation.host), hosts[0])


def files_hosts(stage: Stage, service: str) -> list[Host]:
    """Return the hives that have all volumes of a service whose files are saved; those of the first one, if none has.

    Args:
        stage: The stage.
        service: The service, which has files.

    """
    saved = [each.volume for each in stage.services[service].backup_scripts if each.volume]
    places = [stage.volume_hosts(name) for name in saved]
    shared = [host for host in places[0] if all(host in each for each in places)]
    return shared or list(places[0])


def lost_pins(services: Mapping[str, ChosenGeneration]) -> list[str]:
    """Return a line for each service that was pinned: its revisions went with the swarm and the registry."""
    return [
        f"{name}: was pinned to revision {each.pinned} by doit rollback, which is lost with the swarm: it runs what "
        "site.toml says"
        for name, each in services.items()
        if each.pinned is not None
    ]
