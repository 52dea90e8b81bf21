"""The steps of backups on each hive: a timer, what goes on after a power cut, standbys."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from model.checks.backup import saving_services
from model.hosts.firewall import BACKUP_PORT
from model.secrets.backup_passwords import backup_password, repository_password, server_password
from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets
from model.site import BackupScript
from model.stage import Host, Stage
from remote.hostsetup.backup_units import TIMER, UNIT
from remote.hostsetup.file_step import file_digests, file_step
from remote.hostsetup.host_agent import AGENT, AGENT_STEP
from remote.hostsetup.host_step import HostFile, HostStep
from remote.hostsetup.packages import script

_SPOOL = "/var/lib/docker/skep-spool"
"""Where dumps are written to: on the disk that has the room for the volumes."""
_BOOT_UNIT = """\
# Made by skep: services that a backup held when this host went down go on, and that backup begins again.
[Unit]
Description=skep: backups that a power cut ended
After=network-online.target docker.service

[Service]
Type=exec
RemainAfterExit=yes
ExecStart=/usr/bin/python3 -I {agent} backup boot
Restart=on-failure
RestartSec=60

[Install]
WantedBy=multi-user.target
"""


def hive_steps(stage: Stage, host: Host, secrets: StageSecrets) -> Iterator[HostStep]:
    """Yield a hive's steps of backups.

    Args:
        stage: The stage, which has `[backup]`.
        host: The hive.
        secrets: The stage's secrets.

    """
    yield _hive_step(stage, host, secrets)
    unit = HostFile("/etc/skep/backup-boot.unit", _BOOT_UNIT.format(agent=AGENT))
    yield file_step("backup_boot", {}, [unit], units=("backup_boot",), needs=("backup_hive", "docker"))
    if any(host.short in hives for hives in standby_hives(stage).values()):
        yield _standby_step()


def _hive_step(stage: Stage, host: Host, secrets: StageSecrets) -> HostStep:
    """Return the step that has a hive save its services' data."""
    backup = stage.site.backup
    if backup is None:
        raise TypeError("there is no [backup]")
    password = backup_password(secrets)
    config = {
        "host": host.short,
        "stage": stage.name,
        "repository_file": "/etc/skep/backup/repository",
        "password_file": "/etc/skep/backup/password",
        "ca": "/etc/skep/ca.crt",
        "spool": _SPOOL,
        "verify": backup.verify,
        "standby": [name for name, hives in standby_hives(stage).items() if host.short in hives],
        "schedule": backup.schedule,
        "hives": [hive.name for hive in stage.hives],
        "services": {
            name: [_script(stage, each) for each in service.backup_scripts]
            for name, service in stage.services.items()
            if service.backup_scripts
        },
    }
    release = f"ExecStopPost=/usr/bin/python3 -I {AGENT} backup release --night\n"
    public = [
        HostFile("/etc/skep/backup.json", json.dumps(config, indent=1) + "\n", 0o600),
        HostFile(
            "/etc/skep/backup-hive.unit",
            UNIT.format(what="backup of the services' data", agent=AGENT, verb="run", more=release),
        ),
        HostFile(
            "/etc/skep/backup-hive.timer",
            TIMER.format(what="backup of the services' data", when=backup.schedule, more=""),
        ),
    ]

    def files() -> Sequence[HostFile]:
        login = server_password(password, host.short).reveal()
        place = f"{stage.repository.name}:{BACKUP_PORT}/{host.short}/"
        return [
            *public,
            HostFile(
                "/etc/skep/backup/repository", Secret(f"rest:https://{host.short}:{login}@{place}\n"), 0o600
            ),
            HostFile(
                "/etc/skep/backup/password",
                Secret(f"{repository_password(password, host.short).reveal()}\n"),
                0o600,
            ),
        ]

    return HostStep(
        name="backup_hive",
        inputs={
            "password": secrets.fingerprint(password),
            "repository": stage.repository.name,
            "schedule": backup.schedule,
            **file_digests(public),
        },
        script=script("backup_hive"),
        files=files,
        units=("backup_hive",),
        needs=(AGENT_STEP, "trust", "hosts_file"),
    )


def _standby_step() -> HostStep:
    """Return the step that has a hive keep services' newest backups restored."""
    what = "standbys of services' data"
    files = [
        HostFile(
            "/etc/skep/backup-standby.unit", UNIT.format(what=what, agent=AGENT, verb="standby", more="")
        ),
        # Between two rounds of the repository host's upkeep, which says what is newest.
        HostFile("/etc/skep/backup-standby.timer", TIMER.format(what=what, when="*:03/5", more="")),
    ]
    return file_step("backup_standby", {}, files, units=("backup_standby",), needs=("backup_hive",))


def standby_hives(stage: Stage) -> dict[str, list[str]]:
    """Return the services of which hives keep the newest backup restored, each with these.

    Args:
        stage: The stage.

    """
    found: dict[str, list[str]] = {}
    for name in stage.volumes:
        for service in saving_services(stage.site, name):
            hives = found.setdefault(service, [])
            hives += [short for short in stage.volumes[name].standby if short not in hives]
    return {service: hives for service, hives in found.items() if hives and service in stage.services}


def _script(stage: Stage, each: BackupScript) -> dict[str, Any]:
    """Return a part of a service's data as the agent reads it."""
    found: dict[str, Any] = {
        name: value for name in each.__struct_fields__ if (value := getattr(each, name)) not in (None, [])
    }
    # They are for the one who writes site.toml, not for the hive.
    for name in ("cleanup_days_before", "covers"):
        found.pop(name, None)
    if each.volume:
        found["volume"] = stage.docker_volume(each.volume)
    return found
