"""What is wrong with the backups, as the hosts' agents wrote it down."""

import time
from collections.abc import Iterator

from model.json_types import Json
from model.stage import Stage
from tasks.operate.host_reading import HostReading
from tasks.operate.site_reading import SiteReading

OLD = 2 * 86_400.0
"""Seconds after which a service's last backup is old, if it is not tried more seldom by its schedule."""


def backup_problems(stage: Stage, reading: SiteReading) -> Iterator[str]:
    """Yield what is wrong with the backups of a stage: those that failed, are old, or that the upkeep fails at.

    A service that was never saved yet is not wrong: `doit backups` names it.

    Args:
        stage: The stage.
        reading: The hosts' readings.

    """
    if stage.site.backup is None:
        return
    jobs = {
        short: each.jobs
        for short, each in reading.hosts.items()
        if isinstance(each, HostReading) and each.jobs
    }
    now = reading.at or time.time()
    for name, service in stage.services.items():
        if not service.backup_scripts:
            continue
        # It may have moved: the hive that saved it last speaks for it.
        found = [job for each in jobs.values() for job in each if job.get("service") == name]
        if found:
            yield from _service(name, max(found, key=lambda job: float(job.get("last_try") or 0)), now)
    for short, each in jobs.items():
        for job in each:
            for part, failure in (job.get("failed") or {}).items():
                yield f"backups: {part} has failed for {_span(now, failure['since'])} on {short}: {failure['why']}"
            for copy, why in (job.get("grows") or {}).items():
                yield f"backups: copy {copy} only grows, since it can't forget: {why}"


def _service(name: str, job: Json, now: float) -> Iterator[str]:
    """Yield what is wrong with a service's backups."""
    if job.get("error"):
        yield f"{name}: its backup has failed for {_span(now, job.get('since') or now)}: {job['error']}"
    elif now - float(job.get("last_good") or now) > OLD:
        yield f"{name}: its last backup is {_span(now, job['last_good'])} old"


def _span(now: float, then: float) -> str:
    """Return how long ago something was."""
    seconds = max(0.0, now - float(then))
    for size, unit in ((86_400, "d"), (3600, "h")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} min"
