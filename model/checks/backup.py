"""Check what is said of backups: parts that exist, and that can be saved and restored as they are written."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from model import site as types
from model import templates
from model.backup_address import has_password, has_user
from model.backup_names import SITE
from model.checks.shared import no_secret
from model.toml_text import key_path, toml_text

_OWN = ("/etc/skep/", "/var/lib/skep/", "/var/lib/skep-backup/")
"""Directories of the repository host's that skep alone writes to."""
_FILE = re.compile(r"(/[A-Za-z0-9_.:@+-]+)+")
_WORDS = frozenset(
    {
        *(
            "minutely",
            "hourly",
            "daily",
            "weekly",
            "monthly",
            "quarterly",
            "semiannually",
            "yearly",
            "annually",
        ),
    }
)
_LAST_HOUR, _LAST_MINUTE = 23, 59
_DAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*"
_NUMBERS = r"(?:\*|\d+(?:\.\.\d+)?)(?:/\d+)?"
_LIST = rf"{_NUMBERS}(?:,{_NUMBERS})*"
_CALENDAR = re.compile(
    rf"(?:{_DAY}(?:(?:\.\.|,|-){_DAY})* ?)?(?:(?:{_LIST}-)?{_LIST}[-~]{_LIST} ?)?(?:{_LIST}:{_LIST}(?::{_LIST})?)?"
    r"(?: [A-Za-z]+(?:/[A-Za-z_+-]+)*)?",
    re.IGNORECASE,
)
"""The form of systemd.time(7), without its fractions of seconds and `@` times; systemd itself is asked on the hosts."""


def check_backup(site: types.Site) -> Iterator[str]:
    """Yield the mistakes in `[backup]`, and in the services' `backup_scripts`."""
    if site.backup is not None:
        if not is_calendar(site.backup.schedule):
            yield (
                f"backup.schedule: {toml_text(site.backup.schedule)} is no OnCalendar of systemd's (examples: '01:00', "
                "'*-*-* 01,13:30', 'Sun 04:00')"
            )
        yield from _check_copies(site.backup, site)
    yield from _check_standby(site)
    if SITE in site.services and site.backup is not None:
        yield (
            f"services.{SITE}: with [backup] the name is taken: backups have the site's own files by it: call "
            "the service otherwise"
        )
    for name, service in site.services.items():
        path = f"services.{name}.backup_scripts"
        if service.backup_scripts and site.backup is None:
            yield f"{path}: there is no [backup], without which nothing is saved: write [backup]"
        if service.backup_scripts and service.is_job:
            yield f"{path}: a job has no running container to save data from: name its volume in another service"
        names = [script.name for script in service.backup_scripts]
        for twice in dict.fromkeys(each for each in names if names.count(each) > 1):
            yield f"{path}: {toml_text(twice)} occurs twice"
        for i, script in enumerate(service.backup_scripts):
            yield from _check_script(f"{path}[{i}]", script, service, site)


def _check_standby(site: types.Site) -> Iterator[str]:
    """Yield the mistakes in the hives that keep backups of volumes restored."""
    for name, volume in site.volumes.items():
        path = f"volumes.{name}.standby"
        if not volume.standby:
            continue
        if site.backup is None:
            yield f"{path}: there is no [backup], without which nothing is saved: write [backup]"
        if len(volume.named_hosts) != 1:
            yield f"{path}: is for the data of one hive: name it in hosts"
        for i, short in enumerate(volume.standby):
            if short in volume.named_hosts:
                yield f"{path}[{i}]: {toml_text(short)} has the volume itself: name another hive"
            if short in volume.standby[:i]:
                yield f"{path}[{i}]: {toml_text(short)} occurs twice"
        if not saving_services(site, name):
            yield f"{path}: no service's backup_scripts save the volume: write one (docs/backup.md)"


def saving_services(site: types.Site, volume: str) -> list[str]:
    """Return the services whose backups have a volume's data: its files, or what a command of one that uses it says."""
    return [
        name
        for name, service in site.services.items()
        if any(
            part.volume == volume if part.volume else volume in service.named_volumes
            for part in service.backup_scripts
        )
    ]


def is_calendar(text: str) -> bool:
    """Return whether a text has the form of systemd's `OnCalendar`. Pure, so that systemd may still refuse it."""
    if text.lower() in _WORDS:
        return True
    hour, minute = (re.search(form, text) for form in (r"(\d+):", r":(\d+)"))
    in_range = (hour is None or int(hour[1]) <= _LAST_HOUR) and (
        minute is None or int(minute[1]) <= _LAST_MINUTE
    )
    return in_range and bool(text) and _CALENDAR.fullmatch(text) is not None


def _check_copies(backup: types.Backup, site: types.Site) -> Iterator[str]:
    """Yield the mistakes of the places off the site."""
    names = [copy.name or f"copy{i}" for i, copy in enumerate(backup.copies)]
    for twice in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"backup.copies: {toml_text(twice)} occurs twice: give each a name of its own"
    written: dict[str, str] = {}
    for i, copy in enumerate(backup.copies):
        path = f"backup.copies[{i}]"
        for variable, secret in copy.secrets.items():
            where = key_path(["secrets", variable])
            if secret not in site.secrets:
                yield f"{path}.{where}: {no_secret(site.secrets)}"
            if variable in copy.environment:
                yield f"{path}.{where}: {variable} is in environment as well: take one of them out"
        yield from _check_files(path, copy, site, written)
        for variable in (*copy.secrets, *copy.environment):
            if variable.startswith("RESTIC_"):
                yield f"{path}: {variable} is skep's own: take it out (the copies' password is doit backups key)"
        if templates.is_template(copy.repository):
            yield f"{path}.repository: templates are not rendered here: write it out"
        yield from _check_login(path, copy, site)


def _check_login(path: str, copy: types.BackupCopy, site: types.Site) -> Iterator[str]:
    """Yield the mistakes in how a place's address has a login."""
    if has_password(copy.repository):
        yield (
            f"{path}.repository: has a password in it, which everybody sees who sees site.toml: write the user alone "
            "(rest:https://USER@HOST/), and password = 'NAME' of a secret in [secrets]"
        )
    if copy.password is None:
        return
    if copy.password not in site.secrets:
        yield f"{path}.password: {no_secret(site.secrets)}"
    if not has_user(copy.repository) and not has_password(copy.repository):
        yield f"{path}.password: is for repository = 'rest:https://USER@HOST/', which has no user here: write one"


def _check_files(
    path: str, copy: types.BackupCopy, site: types.Site, written: dict[str, str]
) -> Iterator[str]:
    """Yield the mistakes in the files of a place off the site.

    Args:
        path: The place's path in site.toml.
        copy: The place.
        site: The site.
        written: The files of the places before it, each with its secret; takes those of this one.

    """
    for file, secret in copy.files.items():
        where = f"{path}.{key_path(['files', file])}"
        if secret not in site.secrets:
            yield f"{where}: {no_secret(site.secrets)}"
        if not _FILE.fullmatch(file) or {".", ".."} & {*file.split("/")}:
            yield f"{where}: write the file's whole path, as in /root/.ssh/id_ed25519, without blanks, . and .."
        elif file.startswith(_OWN):
            yield f"{where}: what is in {', '.join(_OWN)} is skep's own: take another path, as in /root"
        if written.setdefault(file, secret) != secret:
            yield f"{where}: another place has the secret {toml_text(written[file])} in that file: take another path"


def _check_script(
    path: str, script: types.BackupScript, service: types.Service, site: types.Site
) -> Iterator[str]:
    """Yield the mistakes of one part."""
    sources = [key for key in ("backup_command", "volume", "directory") if getattr(script, key)]
    if len(sources) != 1:
        said = f"has {' and '.join(sources)}" if sources else "has none"
        yield f"{path}: {said}: write one of backup_command, volume or directory"
        return
    [source] = sources
    if script.volume:
        if script.volume not in service.named_volumes:
            known = ", ".join(service.named_volumes) or "none"
            yield f"{path}.volume: {toml_text(script.volume)} is no volume of the service (it has: {known})"
        elif site.volumes[script.volume].driver_opts if script.volume in site.volumes else False:
            yield (
                f"{path}.volume: {toml_text(script.volume)} is mounted from elsewhere (driver_opts), so that its files "
                "can't be changed as a whole: write directory, or a backup_command"
            )
    if script.timeout < 1:
        yield f"{path}.timeout: a command needs a second at least (the default is '6h')"
    if script.consistency != "none" and not script.volume:
        yield f"{path}.consistency: is for a volume: a command sees to that itself"
    if script.consistency == "stop" and service.is_global:
        yield f"{path}.consistency: 'stop' is for replicated services; write 'pause'"
    if script.backup_file and source != "backup_command":
        yield f"{path}.backup_file: belongs to backup_command"
    yield from _check_covers(path, script, service)
    for key in ("restore_command", "restore_file"):
        if getattr(script, key) and source != "backup_command":
            yield f"{path}.{key}: belongs to backup_command: files are put back as they are"
    if script.restore_file and not script.restore_command:
        yield f"{path}.restore_file: nothing reads it: write restore_command"
    for key in (
        "backup_command",
        "restore_command",
        "verify_command",
        "backup_file",
        "restore_file",
        "directory",
    ):
        if templates.is_template(getattr(script, key)):
            yield f"{path}.{key}: templates are not rendered here: have the container's own variables ($NAME)"


def _check_covers(path: str, script: types.BackupScript, service: types.Service) -> Iterator[str]:
    """Yield the mistakes in the volumes whose data a command is said to write."""
    if script.covers is not None and not script.backup_command:
        yield f"{path}.covers: belongs to backup_command: a volume's files, or a directory's volumes, are known"
    for name in script.covers or ():
        if name not in service.named_volumes:
            known = ", ".join(service.named_volumes) or "none"
            yield f"{path}.covers: {toml_text(name)} is no volume of the service (it has: {known})"


def unsaved_volumes(site: types.Site, services: dict[str, types.Service]) -> list[str]:
    """Return the volumes of these services with data on the hosts' own disks that nothing saves, and nobody gave up."""
    wanted = [
        name
        for name in dict.fromkeys(name for service in services.values() for name in service.named_volumes)
        if name in site.volumes and site.volumes[name].backup and site.volumes[name].is_on_host
    ]
    saved = {name for service in services.values() for name in _named_by_parts(service)}
    by_default = set()
    for service in services.values():
        left = [name for name in service.named_volumes if name in wanted and name not in saved]
        if len(left) == 1 and any(
            part.backup_command and part.covers is None for part in service.backup_scripts
        ):
            by_default |= {*left}
    return [name for name in wanted if name not in saved | by_default]


def _named_by_parts(service: types.Service) -> set[str]:
    """Return the volumes whose data parts of a service say that they have: by name, or within a directory."""
    parts = service.backup_scripts
    directories = [part.directory for part in parts if part.directory]
    within = {
        mount.source
        for mount in service.volumes
        if mount.type == "volume"
        and any(PurePosixPath(mount.target).is_relative_to(each) for each in directories)
    }
    named = {part.volume for part in parts} | within
    return {name for name in named if name} | {name for part in parts for name in part.covers or ()}
