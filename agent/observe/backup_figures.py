"""The backups, as the agent's own notes have them. `doit status` judges the same notes (backup_status.py)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.host.durable_files import read_json
from agent.observe.exposition import Exposition
from agent.observe.observe_config import ObserveConfig

NOTES = Path("/var/lib/skep/backup")
GRACE = 3600.0
"""Seconds that a backup may take, and a timer may be late (tasks/operate/backup_status.py)."""
SILENT, TRIES = 6 * 3600.0, 3
"""Seconds for which the upkeep of the backups may neither end nor be at work, and how often it may be killed on end
(tasks/backup/repository_note.py)."""


def backup_figures(config: ObserveConfig, figures: Exposition, now: float, notes: Path = NOTES) -> None:
    """Add the figures of backups; none where site.toml has none.

    A service may have moved. The hive that saved it before says no more of failures when the next backups should have
    been there; the newest success that any hive tells is the service's.

    Args:
        config: The site.
        figures: Where they are added.
        now: The time, in seconds since 1970.
        notes: The directory of the agent's notes.

    """
    if not config.schedule:
        return
    due = read_json(notes / "schedule.json", {})
    period = due.get("period") if due.get("schedule") == config.schedule else None
    if verify_since := due.get("verify_since"):
        figures.add("skep_backup_verify_since_timestamp_seconds", float(verify_since))
    for service in config.services.values():
        job = read_json(notes / "status" / f"{service.name}.json", {}) if service.is_saved else {}
        for metric, key in (
            ("skep_backup_last_success_timestamp_seconds", "last_good"),
            ("skep_backup_last_test_timestamp_seconds", "verified"),
        ):
            if job.get(key):
                figures.add(metric, float(job[key]), service=service.name)
        is_former = period is not None and now - float(job.get("last_try") or 0) > 2 * float(period) + GRACE
        if (notes / "restore" / f"{service.name}.json").exists():
            figures.add("skep_service_half_restored", 1, service=service.name)
        if job and not is_former:
            figures.add("skep_backup_failed", int(bool(job.get("error"))), service=service.name)
    for name in _held(config, now, notes):
        figures.add("skep_service_held", 1, service=name)
    # A host that was the repository host before says nothing more of it.
    upkeep = read_json(notes / "repository.json", {}) if config.registry else {}
    if config.registry:
        figures.add("skep_backup_upkeep_stopped", int(_has_stopped(upkeep, now)))
    if upkeep:
        _add_upkeep(config, figures, now, upkeep)


def _add_upkeep(config: ObserveConfig, figures: Exposition, now: float, upkeep: Mapping[str, Any]) -> None:
    """Add the figures of what the repository host does for the backups, and of what it has.

    While it is at work for long, as with a first copy off the site, it does not know what came meanwhile: then what the
    hives say counts.
    """
    figures.add("skep_backup_upkeep_failed", int(bool(upkeep.get("failed"))))
    is_fresh = 0 <= now - float(upkeep.get("listed") or 0) <= GRACE
    since, tested = (upkeep.get(key) or {} for key in ("since", "tested"))
    for service in config.services.values():
        if service.is_saved and is_fresh:
            newest = float(upkeep["newest"].get(service.name, 0))
            figures.add("skep_backup_newest_timestamp_seconds", newest, service=service.name)
        if service.is_saved and (untested := tested.get(service.name) or since.get(service.name)):
            figures.add("skep_backup_untested_since_timestamp_seconds", float(untested), service=service.name)


def _has_stopped(upkeep: Mapping[str, Any], now: float) -> bool:
    """Return whether the upkeep does not run, or is killed again and again.

    A note of an older skep, which did not note when it began, tells neither.
    """
    if upkeep and not upkeep.get("begun"):
        return False
    ended, alive = (
        at if (at := float(upkeep.get(key) or 0)) <= now + GRACE else 0.0 for key in ("ended", "alive")
    )
    killed = int(upkeep.get("tries") or 0) > TRIES and now - ended > SILENT
    return killed or now - max(ended, alive) > SILENT


def _held(config: ObserveConfig, now: float, notes: Path) -> list[str]:
    """Return the services that a backup of this hive has paused or stopped, or that start again after it."""
    held = read_json(notes / "held.json", {})
    released = read_json(notes / "released.json", {})
    return [
        service.name
        for service in config.services.values()
        if service.name in (held.get("service"), held.get("stopped"))
        or 0 <= now - float(released.get(service.name) or 0) < service.start
    ]
