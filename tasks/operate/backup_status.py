"""What is wrong with the backups, as the hosts' agents wrote it down."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from model.json_types import Json
from model.stage import Stage
from tasks.operate.host_reading import HostReading
from tasks.operate.site_reading import SiteReading

GRACE = 3600.0
"""Seconds that a backup may take, and a timer may be late."""


@dataclass(frozen=True)
class _Due:
    """When backups are due, as hives reckon the schedule that site.toml has.

    Args:
        period: The seconds between two of its times at most; None if there is no second one, or nobody tells.
        first: Service to the time at which it is due first, as the hive has it that knows it for the longest.

    """

    period: float | None
    first: Mapping[str, float]


def backup_problems(stage: Stage, reading: SiteReading) -> Iterator[str]:
    """Yield what is wrong with the backups of a stage: those that failed, are old or missing, or the upkeep fails at.

    A service that was never saved is wrong once it should have been.

    Args:
        stage: The stage.
        reading: The hosts' readings.

    """
    if stage.site.backup is None:
        return
    for short, reading_here in reading.hosts.items():
        if isinstance(reading_here, HostReading):
            yield from _half_restored(stage.site_name, short, reading_here)
    jobs = {
        short: each.jobs
        for short, each in reading.hosts.items()
        if isinstance(each, HostReading) and each.jobs
    }
    every = [job for each in jobs.values() for job in each]
    now = reading.at or time.time()
    due = _due(every, stage.site.backup.schedule)
    upkeep = jobs.get(stage.repository_short, ())
    newest = _newest(upkeep)
    for name, service in stage.services.items():
        if not service.backup_scripts:
            continue
        # It may have moved: the hive that saved it last speaks for it.
        found = [job for job in every if job.get("service") == name]
        last = max(found, key=lambda job: float(job.get("last_try") or 0), default={})
        if last.get("error"):
            yield f"{name}: its backup has failed for {_span(now, last.get('since') or now)}: {last['error']}"
        else:
            yield from _late(name, float(last.get("last_good") or 0), newest, due, now)
        if untried := last.get("untried"):
            yield f"{name}: for {_span(now, untried['since'])} {untried['why']}"
    for short, each in jobs.items():
        for job in each:
            if (kept := job.get("standby")) and job.get("error"):
                yield (
                    f"{kept}: its standby on {short} has failed for {_span(now, job.get('since') or now)}: "
                    f"{job['error']}"
                )
            elif kept and job.get("made") and due.period is not None:
                made = datetime.fromisoformat(job["made"]).timestamp()
                if now - made > 2 * due.period + GRACE:
                    yield f"{kept}: its standby on {short} is {_span(now, made)} old"
    # A host that was the repository before says nothing more of it.
    for job in upkeep:
        for part, failure in (job.get("failed") or {}).items():
            since = _span(now, failure["since"])
            yield f"backups: {part} has failed for {since} on {stage.repository_short}: {failure['why']}"
        for copy, why in (job.get("grows") or {}).items():
            yield f"backups: copy {copy} only grows, since it can't forget: {why}"


def _half_restored(site: str, short: str, reading: HostReading) -> Iterator[str]:
    """Yield the restorations that have not ended on a host, and what goes on with them."""
    for service, note in reading.restoring.items():
        at = str(note.get("generation", note.get("id", "")))[:8]
        only = "".join(f" script={name}" for name in note.get("scripts", ()))
        state = "runs with a part of it" if note.get("loading") else "may be stopped"
        yield (
            f"{service}: is half restored to {at} on {short}, and {state}: if nobody is at it, doit restore {service} "
            f"at={at}{only} confirm={site} goes on"
        )
    for service, note in reading.swapped.items():
        if service not in reading.restoring:
            at = str(note.get("id", ""))[:8]
            yield (
                f"{service}: the files of {at} are on their way into its volumes on {short}: if nobody is at it, type "
                "again the doit move_volume, doit replace_host or doit restore site that was"
            )


def _late(
    name: str, last_good: float, newest: Mapping[str, float] | None, due: _Due, now: float
) -> Iterator[str]:
    """Yield that a service's backup is older than its schedule has it, or that there never was one."""
    # A hive that saved it before may be gone: what the repository host has counts as well.
    last = max(last_good, (newest or {}).get(name, 0.0))
    if last:
        if due.period is not None and now - last > 2 * due.period + GRACE:
            yield f"{name}: its last backup is {_span(now, last)} old"
        return
    first = due.first.get(name)
    if newest is not None and first is not None and now > first + GRACE:
        yield f"{name}: never backed up, though due {_span(now, first)} ago (doit backup {name})"


def _due(jobs: Sequence[Json], schedule: str) -> _Due:
    """Return when backups are due, out of what hives noted of this schedule."""
    noted = [job for job in jobs if job.get("schedule") == schedule]
    periods = [float(job["period"]) for job in noted if job.get("period") is not None]
    first: dict[str, float] = {}
    for job in noted:
        for name, at in (job.get("first") or {}).items():
            if at is not None:
                first[name] = min(float(at), first.get(name, float(at)))
    return _Due(max(periods, default=None), first)


def _newest(jobs: Sequence[Json]) -> Mapping[str, float] | None:
    """Return when the newest generation of each service came to the repository host; None if that does not tell."""
    return next((job["newest"] for job in jobs if "newest" in job), None)


def _span(now: float, then: float) -> str:
    """Return how long ago something was."""
    seconds = max(0.0, now - float(then))
    for size, unit in ((86_400, "d"), (3600, "h")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} min"
