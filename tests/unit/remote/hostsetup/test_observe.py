"""The step that has a host tell of itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.observe.observe_config import ObserveConfig, observe_config
from model.secrets.stage_secrets import StageSecrets, generate
from model.site_file.load import parse_site
from model.stage import Stage
from remote.hostsetup.host_agent import agent_digest
from remote.hostsetup.host_step import HostStep
from remote.hostsetup.steps import steps
from tasks.services.deployed_service import _NOT_INPUTS

SITE: dict[str, Any] = {
    "site": "example",
    "stages": {"private": {"provider": "docker", "cidr": "10.0.0.0/24", "number_of_hosts": 3}},
    "images": {"web": {"from": "debian:12"}},
    "monitoring": {},
    "services": {
        "web": {
            "image": "web",
            "replicas": 2,
            "monitor_error": ["ERROR"],
            "ignore_error": ["ERROR: ignore me"],
            "stop_grace_period": "2m",
        },
        "each": {"image": "web", "mode": "global", "restart_config": {"condition": "on-failure"}},
        "once": {"image": "web", "mode": "replicated-job"},
    },
}


@pytest.fixture(scope="module")
def secrets() -> StageSecrets:
    """Give the secrets of a stage."""
    return generate("example", "private")


def stage_of(**changed: Any) -> Stage:
    """Return the stage, with other tables."""
    site = parse_site({**SITE, **changed})
    return Stage(site, "private", site.stages["private"])


def step_of(stage: Stage, short: str, secrets: StageSecrets) -> HostStep | None:
    """Return a host's step."""
    return next((step for step in steps(stage, stage.host(short), secrets) if step.name == "observe"), None)


def config_of(stage: Stage, short: str, secrets: StageSecrets, directory: Path) -> ObserveConfig:
    """Return the configuration that a host gets, as the agent reads it."""
    step = step_of(stage, short, secrets)
    assert step is not None
    [file] = [file for file in step.files() if file.path == "/etc/skep/observe.json"]
    assert file.mode == 0o600
    path = directory / "observe.json"
    path.write_text(str(file.content))
    return observe_config(path)


def test_what_a_hive_knows(secrets: StageSecrets, tmp_path: Path) -> None:
    """All services with what they want, as the agent reads it; jobs and those that may stop may end well."""
    stage = stage_of()
    found = config_of(stage, "hive1", secrets, tmp_path)
    assert found == ObserveConfig(
        is_hive=True,
        owner={"skep.site": "example", "skep.stage": "private"},
        hosts={hive.name: hive.short for hive in stage.hives},
        services=found.services,
        managers=len(stage.hives),
    )
    assert [each[:4] for each in found.services.values()] == [
        ("each", len(stage.hives), True, False),
        ("once", None, True, False),
        ("web", 2, False, False),
    ]
    web = found.services["web"]
    assert (web.grace, found.services["each"].grace) == (120, 10)
    assert (web.monitor_error, web.ignore_error) == (("ERROR",), ("ERROR: ignore me",))


def test_what_the_repository_host_knows(secrets: StageSecrets, tmp_path: Path) -> None:
    """Where the registry's images are; and that no service runs on it, where it is no hive."""
    stage = stage_of()
    found = config_of(stage, stage.repository_short, secrets, tmp_path)
    assert (found.is_hive, found.registry) == (False, "/var/lib/docker-registry")


def test_the_engines_data_is_where_site_toml_has_it(secrets: StageSecrets, tmp_path: Path) -> None:
    """`data-root` of `setup_hosts.daemon` is where services' logs are, and so where errors in them are counted."""
    stage = stage_of(setup_hosts={"daemon": {"data-root": "/srv/docker"}})
    assert config_of(stage, "hive0", secrets, tmp_path).containers == "/srv/docker/containers"


def test_it_may_hold_the_logs_of_a_full_hive(secrets: StageSecrets) -> None:
    """Two files of each container, ended ones as well, and its connections; a process may have 1,024 by default."""
    step = step_of(stage_of(), "hive0", secrets)
    assert step is not None
    [unit] = [file for file in step.files() if file.path == "/etc/skep/observe.unit"]
    assert "\nLimitNOFILE=16384\n" in str(unit.content)


def test_backups(secrets: StageSecrets, tmp_path: Path) -> None:
    """A service with backup_scripts is known for one that is saved, and the schedule of backups is."""
    scripts = [{"name": "db", "backup_command": "dump", "restore_command": "load"}]
    web = {**SITE["services"]["web"], "backup_scripts": scripts}
    found = config_of(
        stage_of(backup={"schedule": "02:00"}, services={"web": web}), "hive0", secrets, tmp_path
    )
    assert (found.schedule, found.services["web"].is_saved) == ("02:00", True)


def test_no_monitoring(secrets: StageSecrets) -> None:
    """Without [monitoring] no host has it, nor the agent for it."""
    stage = stage_of(monitoring=None)
    assert step_of(stage, "hive0", secrets) is None
    assert "agent" not in {step.name for step in steps(stage, stage.host("hive0"), secrets)}
    assert "agent" in {step.name for step in steps(stage_of(), stage.host("hive0"), secrets)}


def test_what_makes_it_stale(secrets: StageSecrets) -> None:
    """Another expression is named by its place; another agent is known, since the one that runs is to go."""
    services = {
        **SITE["services"],
        "web": {**SITE["services"]["web"], "monitor_error": ["ERROR", "Traceback"]},
    }
    before, after = (
        step_of(stage_of(), "hive0", secrets),
        step_of(stage_of(services=services), "hive0", secrets),
    )
    assert before is not None
    assert after is not None
    changed = {name for name, _ in before.inputs.items() ^ after.inputs.items()}
    assert changed == {
        "services.web.monitor_error",
        "services.web.monitor_error[0]",
        "services.web.monitor_error[1]",
        "file /etc/skep/observe.json",
    } - {"services.web.monitor_error", "services.web.monitor_error[0]"}
    assert before.inputs["agent"] == agent_digest()
    assert set(before.needs) == {"agent", "node_metrics", "trust"}


def test_expressions_start_no_task_anew() -> None:
    """They are no part of a service's key."""
    assert {"monitor_error", "ignore_error"} <= _NOT_INPUTS


def test_the_configuration_is_text_for_people(secrets: StageSecrets) -> None:
    """It is JSON, sorted, so that the same site makes the same file."""
    step = step_of(stage_of(), "hive0", secrets)
    assert step is not None
    [content] = [str(file.content) for file in step.files() if file.path.endswith(".json")]
    assert content == json.dumps(json.loads(content), indent=1, sort_keys=True) + "\n"
