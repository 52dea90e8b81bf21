"""The steps of backups: which host has which, what makes them stale, and that no secret leaks."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.backup.config import hive_config
from model.secrets.backup_passwords import backup_password, repository_password, server_password
from model.secrets.secret import Secret
from model.secrets.stage_secrets import StageSecrets, generate
from model.site_file.load import parse_site
from model.stage import Stage
from remote.hostsetup.apply import apply_script, step_key
from remote.hostsetup.backup import BackupSources
from remote.hostsetup.firewall import firewall_script
from remote.hostsetup.host_step import HostStep
from remote.hostsetup.steps import steps

SITE: dict[str, Any] = {
    "site": "example",
    "stages": {"private": {"provider": "docker", "cidr": "192.0.2.0/24", "separate_repository": True}},
    "secrets": {"s3_key": {"generate": 32}},
    "volumes": {"data": {"hosts": ["hive0"]}},
    "services": {
        "web": {
            "image": "web",
            "volumes": [{"source": "data", "target": "/data"}],
            "backup_scripts": [
                {"name": "files", "volume": "data", "consistency": "pause", "timeout": "1h30m"}
            ],
        }
    },
    "backup": {
        "keep": {"daily": 3},
        "copies": [
            {
                "repository": "s3:x",
                "secrets": {"AWS_SECRET_ACCESS_KEY": "s3_key"},
                "files": {"/root/key": "s3_key"},
            }
        ],
    },
}
OF_BACKUPS = [
    "agent",
    "backup_data",
    "backup_server",
    "backup_keep",
    "backup_site",
    "backup_hive",
    "backup_boot",
]
SOURCES = BackupSources(
    lambda _name: Secret("the key of the bucket"), lambda: b"the site's files", lambda: "one"
)


@pytest.fixture(scope="module")
def secrets() -> StageSecrets:
    """Give the secrets of a stage."""
    return generate("example", "private")


def stage_of(**backup: Any) -> Stage:
    """Return the stage, with a changed `[backup]`."""
    site = parse_site({**SITE, "backup": {**SITE["backup"], **backup}})
    return Stage(site, "private", site.stages["private"])


def of_host(
    stage: Stage, short: str, secrets: StageSecrets, sources: BackupSources = SOURCES
) -> dict[str, HostStep]:
    """Return a host's steps of backups."""
    found = steps(stage, stage.host(short), secrets, sources)
    return {step.name: step for step in found if step.name.startswith(("agent", "backup"))}


def content(step: HostStep, path: str) -> str:
    """Return what a step writes to a file."""
    [file] = [file for file in step.files() if file.path == path]
    return file.content.reveal() if isinstance(file.content, Secret) else file.content


def test_each_host_has_its_part(secrets: StageSecrets) -> None:
    """A hive saves, the repository host keeps; without [backup] no host has any of it, and no step has another key."""
    stage = stage_of()
    assert list(of_host(stage, "hive0", secrets)) == ["agent", "backup_hive", "backup_boot"]
    assert list(of_host(stage, stage.repository.short, secrets)) == OF_BACKUPS[:-2]
    site = parse_site(
        {key: value for key, value in SITE.items() if key not in {"backup", "services", "volumes"}}
    )
    without = Stage(site, "private", site.stages["private"])
    assert of_host(without, "hive0", secrets) == {}
    assert of_host(without, without.repository.short, secrets) == {}
    assert "8843" not in firewall_script(without, without.repository)


def test_a_hive_knows_its_own_passwords_alone(secrets: StageSecrets) -> None:
    """Each has two of its own; that of the whole site is on the repository host, in files that root alone reads."""
    stage, key = stage_of(), backup_password(secrets)
    seen = set()
    for hive in ("hive0", "hive1"):
        step = of_host(stage, hive, secrets)["backup_hive"]
        login, password = server_password(key, hive).reveal(), repository_password(key, hive).reveal()
        place = f"rest:https://{hive}:{login}@{stage.repository.name}:8843/{hive}/\n"
        assert content(step, "/etc/skep/backup/repository") == place
        assert content(step, "/etc/skep/backup/password") == f"{password}\n"
        seen |= {login, password}
        written = "".join(content(step, file.path) for file in step.files())
        assert key.reveal() not in written
        assert {file.mode for file in step.files() if isinstance(file.content, Secret)} == {0o600}
    assert len(seen | {key.reveal()}) == 5
    config = json.loads(
        content(
            of_host(stage, stage.repository.short, secrets)["backup_keep"], "/etc/skep/backup-repository.json"
        )
    )
    assert config["password"] == key.reveal()
    assert list(config["hives"]) == [*(hive.short for hive in stage.hives), "site"]
    logins = content(
        of_host(stage, stage.repository.short, secrets)["backup_server"], "/etc/skep/backup-server/htpasswd"
    )
    assert [line.partition(":")[0] for line in logins.splitlines()] == [hive.short for hive in stage.hives]


def test_what_a_hive_saves(secrets: StageSecrets) -> None:
    """The parts as site.toml has them, volumes by Docker's names; when, by systemd's timer, which catches up."""
    step = of_host(stage_of(schedule="Sun 04:00"), "hive0", secrets)["backup_hive"]
    config = json.loads(content(step, "/etc/skep/backup.json"))
    assert config["services"] == {
        "web": [{"name": "files", "volume": "data", "consistency": "pause", "timeout": 5400}]
    }
    timer = content(step, "/etc/skep/backup-hive.timer")
    assert "OnCalendar=Sun 04:00\n" in timer
    assert "Persistent=true\n" in timer
    assert "backup release --night\n" in content(step, "/etc/skep/backup-hive.unit")


def test_what_makes_which_step_stale(secrets: StageSecrets) -> None:
    """A change reaches the steps that it is of, and no other."""

    def changed(sources: BackupSources = SOURCES, **backup: Any) -> list[str]:
        found = []
        for short in ("hive0", stage_of().repository.short):
            before, after = (
                of_host(stage_of(), short, secrets),
                of_host(stage_of(**backup), short, secrets, sources),
            )
            found += [name for name in before if step_key(before[name])[1] != step_key(after[name])[1]]
        return sorted(found)

    assert changed() == []
    assert changed(schedule="02:00") == ["backup_hive"]
    assert changed(verify="daily") == ["backup_hive"]
    assert changed(keep={"daily": 4}) == ["backup_keep"]
    assert changed(copies=[]) == ["backup_keep"]
    assert changed(replace(SOURCES, secret=lambda _name: Secret("another key"))) == ["backup_keep"]
    assert changed(replace(SOURCES, directory=lambda: "two")) == ["backup_site"]


def test_the_agent_reads_what_is_written(secrets: StageSecrets, tmp_path: Path) -> None:
    """Each key of a command's that is for the hive, and none that is for the one who writes site.toml."""
    script = {
        "backup_command": "dump",
        "batch_scripts": ["sync"],
        "backup_file": "/tmp/dump",
        "restore_command": "load",
        "restore_file": "/tmp/load",
        "verify_command": "true",
        "covers": ["data"],
        "cleanup_days_before": 3,
    }
    web = {**SITE["services"]["web"], "backup_scripts": [script]}
    site = parse_site({**SITE, "services": {"web": web}})
    step = of_host(Stage(site, "private", site.stages["private"]), "hive0", secrets)["backup_hive"]
    path = tmp_path / "backup.json"
    path.write_text(content(step, "/etc/skep/backup.json"))
    [part] = hive_config(path).service("web").scripts
    assert (part.name, part.backup_command, part.batch_scripts) == ("backup", "dump", ("sync",))
    assert (part.backup_file, part.restore_file) == ("/tmp/dump", "/tmp/load")


def test_files_for_a_place_off_the_site(secrets: StageSecrets) -> None:
    """Each is noted by its path; a text ends with a newline, and its secret alone makes the step stale."""
    copies = [
        {"repository": "sftp:x:/y", "files": {"/root/.ssh/id": "s3_key", "/root/rclone.conf": "s3_key"}}
    ]
    stage = stage_of(copies=copies)
    step = of_host(stage, stage.repository.short, secrets)["backup_keep"]
    staged = "/etc/skep/backup-files"
    assert content(step, f"{staged}/paths") == f"{staged}/0 /root/.ssh/id\n{staged}/1 /root/rclone.conf\n"
    assert content(step, f"{staged}/0") == "the key of the bucket\n"
    [mode] = {file.mode for file in step.files() if isinstance(file.content, Secret)}
    assert mode == 0o600
    other = replace(SOURCES, secret=lambda _name: Secret("another key\n"))
    changed = of_host(stage, stage.repository.short, secrets, other)["backup_keep"]
    assert content(changed, f"{staged}/1") == "another key\n"
    assert step_key(step)[1] != step_key(changed)[1]
    assert stage.backup_secrets == {"s3_key"}


def test_the_login_of_a_place_off_the_site(secrets: StageSecrets) -> None:
    """Root's file alone has its password, in the address that restic gets; another one makes the step stale."""
    stage = stage_of(copies=[{"repository": "rest:https://u@x:8000/y", "password": "s3_key"}])
    step = of_host(stage, stage.repository.short, secrets)["backup_keep"]
    [file] = [each for each in step.files() if each.path == "/etc/skep/backup-repository.json"]
    assert (file.mode, isinstance(file.content, Secret)) == (0o600, True)
    [place] = json.loads(content(step, file.path))["copies"]
    assert place["repository"] == "rest:https://u@x:8000/y"
    assert place["address"] == "rest:https://u:the%20key%20of%20the%20bucket@x:8000/y"
    assert "the%20key" not in json.dumps(step_key(step)[0])
    other = replace(SOURCES, secret=lambda _name: Secret("another"))
    changed = of_host(stage, stage.repository.short, secrets, other)["backup_keep"]
    assert step_key(step)[1] != step_key(changed)[1]


def test_no_secret_is_an_input_or_in_a_script(secrets: StageSecrets) -> None:
    """Inputs are kept in state/, where keyed digests of them may be, and scripts show in logs."""
    stage, key = stage_of(), backup_password(secrets)
    hidden = [key.reveal(), "the key of the bucket"]
    for hive in stage.hives:
        hidden += [server_password(key, hive.short).reveal(), repository_password(key, hive.short).reveal()]
    for short in ("hive0", stage.repository.short):
        for step in of_host(stage, short, secrets).values():
            inputs = json.dumps(step_key(step)[0])
            script = apply_script(step, [], step_key(step)[1])
            assert not [each for each in hidden if each in inputs or each in script], step.name


def test_the_server_is_open_to_the_hives(secrets: StageSecrets) -> None:
    """On the repository host, to their addresses and to nobody else."""
    del secrets
    stage = stage_of()
    rules = [line for line in firewall_script(stage, stage.repository).splitlines() if "--dport 8843" in line]
    assert [line.split("-s ")[1].split()[0] for line in rules] == [hive.address for hive in stage.hives]
    assert "8843" not in firewall_script(stage, stage.host("hive0"))


def test_a_hive_with_a_standby(secrets: StageSecrets) -> None:
    """It has a timer of its own, and knows its services; the repository host knows the hives."""
    volumes = {"data": {"hosts": ["hive0"], "standby": ["hive1"]}}
    site = parse_site({**SITE, "volumes": volumes})
    stage = Stage(site, "private", site.stages["private"])
    assert list(of_host(stage, "hive0", secrets)) == ["agent", "backup_hive", "backup_boot"]
    found = of_host(stage, "hive1", secrets)
    assert list(found) == ["agent", "backup_hive", "backup_boot", "backup_standby"]
    config = json.loads(content(found["backup_hive"], "/etc/skep/backup.json"))
    assert config["standby"] == ["web"]
    assert "backup standby\n" in content(found["backup_standby"], "/etc/skep/backup-standby.unit")
    keep, before = (
        of_host(each, stage.repository.short, secrets)["backup_keep"] for each in (stage, stage_of())
    )
    assert json.loads(content(keep, "/etc/skep/backup-repository.json"))["standby"] == {"web": ["hive1"]}
    assert step_key(keep)[1] != step_key(before)[1]


def test_after_a_power_cut(secrets: StageSecrets) -> None:
    """Each boot begins with what lets go what was held; it is tried until it can be done, and holds up no boot."""
    unit = content(of_host(stage_of(), "hive0", secrets)["backup_boot"], "/etc/skep/backup-boot.unit")
    assert "Type=exec\n" in unit
    assert "Restart=on-failure\n" in unit
    assert "WantedBy=multi-user.target\n" in unit
    [command] = [line.split()[-2:] for line in unit.splitlines() if line.startswith("ExecStart=")]
    assert command == ["backup", "boot"]
