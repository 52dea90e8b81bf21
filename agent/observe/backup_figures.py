"""The backups, as the agent's own notes have them. `doit status` judges the same notes (backup_status.py)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.host.durable_files import read_json
from agent.observe.exposition import Exposition
from agent.observe.observe_config import ObserveConfig

NOTES = Path("/var/lib/skep/backup")
GRACE = 3600.0
"""Seconds that a backup may take, and a timer may be late."""


def backup_figures(config: ObserveConfig, figures: Exposition, notes: Path = NOTES) -> None:
    """Add the figures of backups; none where site.toml has none.

    A service may have moved: the hive with the newest try speaks for it, and any has its newest backup.

    Args:
        config: The site.
        figures: Where they are added.
        notes: The directory of the agent's notes.

    """
    if not config.schedule:
        return
    due = read_json(notes / "schedule.json", {})
    due = due if due.get("schedule") == config.schedule else {}
    for service in config.services.values():
        if service.is_saved:
            _service(service.name, read_json(notes / "status" / f"{service.name}.json", {}), due, figures)
    upkeep = read_json(notes / "repository.json", {})
    if upkeep:
        figures.add("skep_backup_upkeep_failed", int(bool(upkeep.get("failed"))))


def _service(name: str, job: Mapping[str, Any], due: Mapping[str, Any], figures: Exposition) -> None:
    """Add a service's figures."""
    last, period = float(job.get("last_good") or 0), due.get("period")
    if job:
        figures.add("skep_backup_failed", int(bool(job.get("error"))), service=name)
    for metric, key in (
        ("skep_backup_last_success_timestamp_seconds", "last_good"),
        ("skep_backup_last_try_timestamp_seconds", "last_try"),
        ("skep_backup_last_test_timestamp_seconds", "verified"),
    ):
        if job.get(key):
            figures.add(metric, float(job[key]), service=name)
    first = (due.get("first") or {}).get(name)
    if last and period is not None:
        figures.add("skep_backup_late_timestamp_seconds", last + 2 * float(period) + GRACE, service=name)
    elif not last and first is not None:
        figures.add("skep_backup_late_timestamp_seconds", float(first) + GRACE, service=name)
