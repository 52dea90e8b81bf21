"""The figures of backups, out of the notes of the agent's own jobs; late by the rule of `doit status`."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.observe.backup_figures import backup_figures
from agent.observe.exposition import Exposition
from agent.observe.observe_config import ObserveConfig, ObservedService
from model.site_file.load import load, select
from tasks.backup.repository_note import RepositoryNote
from tasks.operate.backup_status import backup_problems
from tasks.operate.host_reading import HostReading
from tasks.operate.site_reading import SiteReading

SITE = """\
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
number_of_hosts = 1
separate_repository = false
[backup]
schedule = "01:00"
[volumes.data]
hosts = ["hive0"]
[images.web]
from = "debian:12"
[services.web]
image = "web"
endpoint_mode = "dnsrr"
volumes = [{ source = "data", target = "/data" }]
[[services.web.backup_scripts]]
name = "files"
volume = "data"
"""
CONFIG = ObserveConfig(
    services={"web": ObservedService("web", 1, is_saved=True), "plain": ObservedService("plain", 1)},
    schedule="01:00",
)
REPOSITORY = CONFIG._replace(registry="/var/lib/docker-registry")
DAY = 86_400.0
SCHEDULE = {"schedule": "01:00", "period": DAY, "first": {"web": 100_000.0}}
SINCE = {"verify": "daily", "verify_since": 350_000}


def figures_of(
    notes: Path, config: ObserveConfig = CONFIG, now: float = 400_000.0, **jobs: Any
) -> dict[str, float]:
    """Return the figures of notes, by the ends of their metrics' names."""
    places = {
        "held": "held.json",
        "released": "released.json",
        "restoring": "restore/web.json",
        "web": "status/web.json",
        "schedule": "schedule.json",
        "upkeep": "repository.json",
    }
    for name, job in jobs.items():
        path = notes / places[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(job))
    figures = Exposition()
    backup_figures(config, figures, now, notes)
    lines = (line.split() for line in figures.text().splitlines() if not line.startswith("#"))
    return {
        name.removeprefix("skep_").removeprefix("backup_").replace('{service="web"}', ""): float(value)
        for name, value in lines
    }


def test_a_service_that_is_saved(tmp_path: Path) -> None:
    """When it was saved and tested last, and whether that failed; and whether the upkeep did."""
    job = {"service": "web", "last_try": 300_000, "last_good": 200_000, "error": "no room", "verified": 5}
    upkeep: dict[str, Any] = {
        "newest": {"web": 200_010, "gone": 7},
        "since": {"web": 9},
        "listed": 399_000,
        "failed": {"keep": {}},
        "begun": 398_900,
        "ended": 399_000,
    }
    assert figures_of(tmp_path, REPOSITORY, web=job, schedule=SCHEDULE, upkeep=upkeep) == {
        "last_success_timestamp_seconds": 200_000,
        "failed": 1,
        "last_test_timestamp_seconds": 5,
        "upkeep_failed": 1,
        "upkeep_stopped": 0,
        "newest_timestamp_seconds": 200_010,
        "untested_since_timestamp_seconds": 9,
    }


def test_what_the_repository_host_has(tmp_path: Path) -> None:
    """None is 0; the last trial counts. It knows nothing of what came since it looked; a former one says nothing."""
    upkeep = {"newest": {}, "since": {"web": 9}, "tested": {"web": 70}, "listed": 396_500, "ended": 396_500}
    told = {"upkeep_failed": 0, "upkeep_stopped": 0, "untested_since_timestamp_seconds": 70}
    assert figures_of(tmp_path, REPOSITORY, upkeep=upkeep) == told | {"newest_timestamp_seconds": 0}
    assert figures_of(tmp_path, REPOSITORY, now=400_200.0) == told
    assert figures_of(tmp_path, REPOSITORY, now=396_400.0) == told
    assert figures_of(tmp_path) == {}


@pytest.mark.parametrize(
    ("ended", "alive", "tries", "is_stopped"),
    [
        (399_000, None, None, 0),
        (378_000, None, None, 1),
        (200_000, 399_900, 3, 0),
        (200_000, 399_900, 4, 1),
        (399_000, 399_900, 4, 0),
        (None, 399_900, 1, 0),
        (200_000, 378_000, 1, 1),
        (499_000, None, None, 1),
        (None, None, None, 1),
    ],
)
def test_an_upkeep_that_is_not_done(
    ended: int | None, alive: int | None, tries: int | None, is_stopped: int, tmp_path: Path
) -> None:
    """As `doit status` judges it: neither an end nor work for six hours, or killed again and again; or no note."""
    note: dict[str, Any] = {"begun": 399_990, "ended": ended, "alive": alive, "tries": tries, "newest": {}}
    assert figures_of(tmp_path, REPOSITORY, upkeep=note)["upkeep_stopped"] == is_stopped
    assert bool(RepositoryNote.of([note]).fault(400_000.0)) == is_stopped
    (tmp_path / "repository.json").unlink()
    assert figures_of(tmp_path, REPOSITORY) == {"upkeep_stopped": 1}


def test_an_upkeep_that_an_older_skep_noted(tmp_path: Path) -> None:
    """It tells neither that one began nor that one ended: not known is no alarm, nor a problem of `doit status`."""
    note: dict[str, Any] = {"done": {"keep": 399_000}, "failed": {}, "newest": {}}
    assert figures_of(tmp_path, REPOSITORY, upkeep=note)["upkeep_stopped"] == 0
    assert RepositoryNote.of([note]).fault(400_000.0) == ""


def test_a_service_that_a_backup_holds(tmp_path: Path) -> None:
    """While it is paused or stopped, and then for as long as it may take until it runs; another one is not told."""
    held = {"service_held": 1.0}
    assert figures_of(tmp_path, held={"by": 1, "stopped": "web", "replicas": 1}) == held
    assert figures_of(tmp_path, held={"by": 1, "service": "web", "paused": ["c1"]}) == held
    assert figures_of(tmp_path, held={"by": 1, "stopped": "gone", "replicas": 1}) == {}
    for ago, figures in ((299.0, held), (301.0, {}), (-1.0, {})):
        assert figures_of(tmp_path, released={"web": 400_000.0 - ago}) == figures


def test_a_service_that_is_half_restored(tmp_path: Path) -> None:
    """As long as the note of that is there: the service may stand still, and the swarm wants no task of it."""
    assert figures_of(tmp_path, restoring={"id": "aa", "replicas": 1}) == {"service_half_restored": 1.0}
    (tmp_path / "restore/web.json").unlink()
    assert figures_of(tmp_path) == {}


def test_a_service_that_was_never_saved(tmp_path: Path) -> None:
    """It has no figures; neither has one without backups, whatever is left of it."""
    assert figures_of(tmp_path, schedule=SCHEDULE) == {}
    config = CONFIG._replace(services={"web": ObservedService("web", 1)})
    assert figures_of(tmp_path, config, web={"last_good": 1, "error": "x"}) == {}


def test_a_service_that_has_moved(tmp_path: Path) -> None:
    """The hive that it was on says for how long it can be right that the last backup failed, and no longer."""
    job = {"service": "web", "last_try": 100_000, "last_good": 90_000, "error": "no room"}
    long = 100_000 + 2 * DAY + 3600
    assert figures_of(tmp_path, web=job, schedule=SCHEDULE, now=long - 1)["failed"] == 1
    assert "failed" not in figures_of(tmp_path, now=long + 1)
    assert figures_of(tmp_path, schedule=SCHEDULE | {"schedule": "02:00"}, now=long + 1)["failed"] == 1


def test_since_when_trials_are_made_so(tmp_path: Path) -> None:
    """As the hive noted it when it was set up; none where an older skep did that."""
    figure = {"verify_since_timestamp_seconds": 350_000.0}
    assert figures_of(tmp_path, schedule=SCHEDULE | SINCE) == figure


def test_no_backups(tmp_path: Path) -> None:
    """A site without [backup] has no figures of them, whatever is left of old notes."""
    assert figures_of(tmp_path, CONFIG._replace(schedule=""), web={"last_good": 1}, schedule=SCHEDULE) == {}


@pytest.mark.parametrize("error", ["no room", ""])
def test_status_says_the_same(error: str, tmp_path: Path) -> None:
    """`doit status` names a backup that failed where the figure does."""
    job = {"service": "web", "last_try": 390_000.0, "last_good": 380_000.0, "error": error}
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    stage = select(load(path), "private")
    reading = SiteReading({"hive0": HostReading(jobs=(job, SCHEDULE))}, {}, "", at=400_000.0)
    said = list(backup_problems(stage, reading))
    assert figures_of(tmp_path, web=job, schedule=SCHEDULE)["failed"] == len(said) == bool(error)
