"""The steps of backups on the repository host, the server and its upkeep; those of hives are in `backup_hive`.

A hive has the password of its own repository and of nothing else; the server lets it add there, and never delete.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from model.backup_address import with_password
from model.backup_names import SITE
from model.errors import ConfigError
from model.hosts.firewall import BACKUP_PORT
from model.keys.digest import Inputs, flatten, sha256
from model.secrets.backup_passwords import backup_password, repository_password, server_password
from model.secrets.certificate import FORM, issue
from model.secrets.secret import BinarySecret, Secret, UnknownSecret
from model.secrets.stage_secrets import StageSecrets
from model.site import DockerStage
from model.stage import Host, Stage
from remote.hostsetup.backup_hive import hive_steps, standby_hives
from remote.hostsetup.backup_units import TIMER, UNIT
from remote.hostsetup.file_step import file_digests, file_step
from remote.hostsetup.host_agent import AGENT, AGENT_STEP
from remote.hostsetup.host_step import HostFile, HostStep
from remote.hostsetup.packages import script
from remote.hostsetup.passwords import bcrypted

SITE_ARCHIVE, VAULT = "/var/lib/skep/site/site.tar.gz", "/var/lib/skep/vault.json"
"""The site's own files on the repository host, which each copy has as well; the second is put there by the vault."""
LARGEST_SITE = 16 << 20
"""Bytes that the archive of the site's directory may have."""
_USER = "skep-backup"
_ROOT = "/var/lib/skep-backup"
"""Where the repositories are."""

_SERVER_UNIT = """\
# Made by skep: the repositories of the hives' backups, to which they may only add.
[Unit]
Description=skep's backup server
After=network-online.target docker.service
RequiresMountsFor={root}

[Service]
User={user}
Environment=RCLONE_CONFIG=/dev/null
ExecStart=/usr/bin/rclone serve restic --append-only --private-repos --addr :{port} --htpasswd {files}/htpasswd \
--cert {files}/tls.crt --key {files}/tls.key {root}
Restart=always
RestartSec=5
ProtectSystem=strict
ReadWritePaths={root}
PrivateTmp=yes
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
"""
_SERVER_FILES = "/etc/skep/backup-server"
_COPY_FILES = "/etc/skep/backup-files"
"""Where the repository host has the files for places off the site before they are where those want them."""

_DATA_UNIT = """\
# Made by skep: the hives' backups are on the volume of the engine's, which outlives this container.
[Unit]
Description=skep's backups' data
Before=skep-backup-server.service skep-backup-keep.service
RequiresMountsFor=/var/lib/docker

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'cd /var/lib; mountpoint -q skep-backup || mount --bind docker/skep-backup skep-backup'

[Install]
WantedBy=multi-user.target
RequiredBy=skep-backup-server.service
"""


@dataclass(frozen=True)
class BackupSources:
    """What backups take from the machine that doit runs on; each is read only when a step needs it.

    Args:
        secret: Returns a secret of `[secrets]`; raises ConfigError if there is none.
        archive: Returns the site's directory as a compressed tar; raises ConfigError if it can't be read.
        directory: Returns the digest of what is in that directory, which is quickly had; raises ConfigError as well.

    """

    secret: Callable[[str], Secret]
    archive: Callable[[], bytes]
    directory: Callable[[], str]


def _unknown(name: str) -> Secret:
    """Return a secret that was not read."""
    del name
    return UnknownSecret()


NOTHING_READ = BackupSources(_unknown, bytes, str)
"""For those who want to know which steps there are."""


def backup_steps(
    stage: Stage, host: Host, secrets: StageSecrets, sources: BackupSources
) -> Iterator[HostStep]:
    """Yield a host's steps of backups; none if site.toml has no `[backup]`."""
    if stage.site.backup is None:
        return
    if host.is_repository:
        if isinstance(stage.config, DockerStage):
            unit = HostFile("/etc/skep/backup-data.unit", _DATA_UNIT)
            yield file_step("backup_data", {}, [unit], units=("backup_data",), needs=("docker",))
        yield _server_step(stage, host, secrets)
        yield _keep_step(stage, secrets, sources)
        yield _site_step(sources)
    if host.is_hive:
        yield from hive_steps(stage, host, secrets)


def _server_step(stage: Stage, host: Host, secrets: StageSecrets) -> HostStep:
    """Return the step that runs the server of the repositories: TLS from the site's CA, a password for each hive."""
    password = backup_password(secrets)
    names, addresses = [host.name, host.short], [host.address]
    unit = _SERVER_UNIT.format(root=_ROOT, user=_USER, port=BACKUP_PORT, files=_SERVER_FILES)
    public = [
        HostFile("/etc/skep/backup-server.unit", unit),
        HostFile("/etc/skep/backup.root", f"{_ROOT}\n"),
        HostFile("/etc/skep/backup-server.name", f"{host.name}:{BACKUP_PORT}\n"),
    ]

    def files() -> Sequence[HostFile]:
        key, certificate = issue(secrets.ca_key, secrets.ca_certificate, names, addresses)
        logins = "".join(
            f"{hive.short}:{bcrypted(server_password(password, hive.short), secrets.pepper, 'backup')}\n"
            for hive in stage.hives
        )
        return [
            *public,
            HostFile(f"{_SERVER_FILES}/tls.crt", certificate, 0o640),
            HostFile(f"{_SERVER_FILES}/tls.key", key, 0o640),
            HostFile(f"{_SERVER_FILES}/htpasswd", Secret(logins), 0o640),
        ]

    return HostStep(
        name="backup_server",
        inputs={
            "ca": f"sha256:{sha256(secrets.ca_certificate)}",
            "certificate": FORM,
            "password": secrets.fingerprint(password),
            **flatten("hives", [hive.short for hive in stage.hives]),
            **flatten("names", names),
            **flatten("addresses", addresses),
            **file_digests(public),
        },
        script=script("backup_server"),
        files=files,
        units=("backup_server",),
        needs=(
            "hosts_file",
            "trust",
            "docker",
            *(["backup_data"] if isinstance(stage.config, DockerStage) else []),
        ),
    )


def _keep_step(stage: Stage, secrets: StageSecrets, sources: BackupSources) -> HostStep:
    """Return the step that has the repository host see to the repositories, every quarter of an hour."""
    backup = stage.site.backup
    if backup is None:
        raise TypeError("there is no [backup]")
    password = backup_password(secrets)
    keep = {period: getattr(backup.keep, period) for period in backup.keep.__struct_fields__}
    held = {path: secret for copy in backup.copies for path, secret in copy.files.items()}
    staged = {path: f"{_COPY_FILES}/{i}" for i, path in enumerate(held)}
    public = [
        HostFile(f"{_COPY_FILES}/paths", "".join(f"{place} {path}\n" for path, place in staged.items())),
        HostFile(
            "/etc/skep/backup-keep.unit",
            UNIT.format(what="upkeep of the backups", agent=AGENT, verb="keep", more=""),
        ),
        HostFile(
            "/etc/skep/backup-keep.timer",
            TIMER.format(what="upkeep of the backups", when="*:00/15", more="RandomizedDelaySec=60\n"),
        ),
    ]

    def files() -> Sequence[HostFile]:
        content = {
            "root": _ROOT,
            "user": _USER,
            # The site's own files have a repository that no hive can log in to.
            "hives": {
                name: repository_password(password, name).reveal()
                for name in [*(hive.short for hive in stage.hives), SITE]
            },
            "password": password.reveal(),
            "keep": keep,
            "copies": [
                {
                    "name": name,
                    "repository": copy.repository,
                    **(
                        {"address": with_password(copy.repository, sources.secret(copy.password)).reveal()}
                        if copy.password is not None
                        else {}
                    ),
                    "environment": copy.environment
                    | {
                        variable: sources.secret(secret).reveal() for variable, secret in copy.secrets.items()
                    },
                }
                for name, copy in backup.named_copies.items()
            ],
            "site": {"site.tar.gz": SITE_ARCHIVE, "vault.json": VAULT},
            "standby": standby_hives(stage),
        }
        return [
            *public,
            *(
                HostFile(staged[path], _as_file(sources.secret(secret)), 0o600)
                for path, secret in held.items()
            ),
            HostFile("/etc/skep/backup-repository.json", _secret_json(content), 0o600),
        ]

    def late_inputs() -> Inputs:
        return (
            {
                f"copies.files.{path}": secrets.fingerprint(sources.secret(secret))
                for path, secret in held.items()
            }
            | {
                f"copies.{name}.secrets.{variable}": secrets.fingerprint(sources.secret(secret))
                for name, copy in backup.named_copies.items()
                for variable, secret in copy.secrets.items()
            }
            | {
                f"copies.{name}.password": secrets.fingerprint(sources.secret(copy.password))
                for name, copy in backup.named_copies.items()
                if copy.password is not None
            }
        )

    return HostStep(
        name="backup_keep",
        inputs={
            "password": secrets.fingerprint(password),
            "root": _ROOT,
            **flatten("hives", [hive.short for hive in stage.hives]),
            **flatten("keep", keep),
            **flatten("standby", {name: ",".join(hives) for name, hives in standby_hives(stage).items()}),
            **{
                f"copies.{name}.repository": f"sha256:{sha256(copy.repository)}"
                for name, copy in backup.named_copies.items()
            },
            **{
                f"copies.{name}.environment.{variable}": value
                for name, copy in backup.named_copies.items()
                for variable, value in copy.environment.items()
            },
            **file_digests(public),
        },
        script=script("backup_keep"),
        files=files,
        late_inputs=late_inputs,
        units=("backup_keep",),
        needs=(AGENT_STEP, "backup_server"),
    )


def _site_step(sources: BackupSources) -> HostStep:
    """Return the step that puts the site's directory on the repository host, for the copies off the site."""

    def files() -> Sequence[HostFile]:
        data = sources.archive()
        if len(data) > LARGEST_SITE:
            found = f"the site's directory has {len(data) / 2**20:.1f} MB, compressed"
            way_out = f"backups take {LARGEST_SITE >> 20} MB of it: have git ignore large files (.gitignore)"
            raise ConfigError([f"backup: {found}, and {way_out}"])
        return [HostFile(f"{SITE_ARCHIVE}.base64", base64.encodebytes(data).decode(), 0o600)]

    return HostStep(
        name="backup_site",
        inputs={},
        script=script("backup_site"),
        files=files,
        late_inputs=lambda: {"directory": sources.directory()},
    )


def _as_file(secret: Secret) -> Secret:
    """Return a secret as a file has it: a text ends with a newline, without which ssh reads no key."""
    if isinstance(secret, BinarySecret | UnknownSecret) or secret.reveal().endswith("\n"):
        return secret
    return Secret(f"{secret.reveal()}\n")


def _secret_json(content: Any) -> Secret:
    """Return content that nobody but root may read."""
    return Secret(json.dumps(content, indent=1) + "\n")
