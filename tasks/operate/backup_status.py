"""What is wrong with the backups, as the hosts' agents wrote it down."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from model.alarms.backup_gaps import longest_untried
from model.json_types import Json
from model.site.backup import Backup
from model.stage import Stage
from tasks.backup.noted_times import as_here
from tasks.backup.repository_note import SILENT, RepositoryNote, is_ahead
from tasks.operate.host_reading import HostReading
from tasks.operate.site_reading import SiteReading
from tasks.operate.site_view import RUNNING, short_names

GRACE = 3600.0
"""Seconds that a backup may take, and a timer may be late."""
LONGEST_TRIAL = 6 * 3600.0
"""Seconds that a trial may take before it is said that it does not end: the night, for which other jobs wait for it."""
_TIMES = ("last_try", "last_good")
"""The times of a service's note that say when it was saved, by its hive's clock."""


@dataclass(frozen=True)
class _Due:
    """When backups are due, as hives reckon the schedule that site.toml has, and their trials.

    Args:
        period: The seconds between two of its times at most; None if there is no second one, or nobody tells.
        first: Service to the time at which it is due first, as the hive has it that knows it for the longest.
        untried: The seconds that may pass between two trials; None if there are to be none, or are none yet.
        verify_since: Since when trials are to be made so, as the hive has it that knows it for the longest; 0 if that
            is not known.

    """

    period: float | None
    first: Mapping[str, float]
    untried: float | None
    verify_since: float


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
    skew = reading.skew
    jobs = {
        short: [as_here(job, skew.get(short, 0.0)) for job in each.jobs]
        for short, each in reading.hosts.items()
        if isinstance(each, HostReading) and each.jobs
    }
    every = [job for each in jobs.values() for job in each]
    now = reading.at or time.time()
    due = _due(every, stage.site.backup, now)
    upkeep = jobs.get(stage.repository_short, ())
    note = RepositoryNote.of(upkeep)
    for name, service in stage.services.items():
        if service.backup_scripts:
            notes = {short: job for short, each in jobs.items() for job in each if job.get("service") == name}
            yield from _service(name, notes, _homes(stage, reading, name), note, due, now)
    for short, each in jobs.items():
        for job in each:
            if (kept := job.get("standby")) and job.get("error"):
                yield (
                    f"{kept}: its standby on {short} has failed for {_span(now, job.get('since') or now)}: "
                    f"{job['error']}"
                )
            elif kept and job.get("made") and due.period is not None:
                made = datetime.fromisoformat(job["made"]).timestamp() - skew.get(stage.repository_short, 0.0)
                if is_ahead(made, now):
                    yield f"{kept}: its standby on {short} is dated {_span(made, now)} ahead, by a clock that was wrong"
                elif now - made > 2 * due.period + GRACE:
                    yield f"{kept}: its standby on {short} is {_span(now, made)} old"
    # A host that was the repository before says nothing more of it.
    yield from _upkeep(stage.repository_short, reading.hosts.get(stage.repository_short), note, every, now)
    for job in upkeep:
        for part, failure in (job.get("failed") or {}).items():
            since = _span(now, failure["since"])
            yield f"backups: {part} has failed for {since} on {stage.repository_short}: {failure['why']}"
        for copy, why in (job.get("grows") or {}).items():
            yield f"backups: copy {copy} only grows, since it can't forget: {why}"


def _upkeep(
    short: str, host: HostReading | str | None, note: RepositoryNote, jobs: Sequence[Json], now: float
) -> Iterator[str]:
    """Yield that the repository host's care for the backups is not done, or does not end."""
    fault = note.fault(now)
    saved = any(0 < float(job.get("last_good") or 0) < now - SILENT for job in jobs)
    if isinstance(host, HostReading) and not note.begun and not note.tells and saved:
        fault = "has never been done"
    if fault:
        is_known = note.ended and not is_ahead(note.ended, now)
        ended = f"; it ended {_span(now, note.ended)} ago" if is_known else ""
        yield (
            f"backups: their upkeep on {short} {fault}{ended} (doit ssh {short} systemctl status "
            "skep-backup-keep.timer skep-backup-keep.service)"
        )


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


def _service(
    name: str,
    notes: Mapping[str, Json],
    homes: Collection[str],
    repository: RepositoryNote,
    due: _Due,
    now: float,
) -> Iterator[str]:
    """Yield what is wrong with a service's backups.

    Args:
        name: The service.
        notes: Hive to how it noted that its last backups ended.
        homes: The hives that run a task of it.
        repository: What the repository host has.
        due: When backups are due.
        now: The time, in seconds since 1970.

    """
    errors = faults = 0
    for short in _speaking(notes, homes, now):
        job = notes[short]
        if job.get("error") and not _is_mended(job, notes.values(), now):
            errors += 1
            yield f"{name}: its backup has failed for {_span(now, job.get('since') or now)}: {job['error']}"
        if (untried := job.get("untried")) and not (
            _is_at_work(untried, now) or _is_outdated(job, notes.values(), repository.tested.get(name), now)
        ):
            faults += 1
            yield f"{name}: for {_span(now, untried['since'])} {untried['why']}"
        if ahead := [at for key in _TIMES if is_ahead(at := float(job.get(key) or 0), now)]:
            yield (
                f"{name}: {short} noted its last backup as made {_span(max(ahead), now)} from now, which does not "
                f"count: the clock of {short} is or was wrong (doit ssh {short} timedatectl)"
            )
    if not errors:
        yield from _late(name, notes, repository, due, now)
    if not errors and not faults and due.untried is not None:
        yield from _untried(name, notes, repository, due.untried, due.verify_since, now)


def _homes(stage: Stage, reading: SiteReading, service: str) -> set[str]:
    """Return the hives that run a task of a service; none where the swarm does not tell."""
    swarm = reading.swarm
    if isinstance(swarm, str) or service not in swarm.services:
        return set()
    names = short_names(stage, swarm)
    return {
        names.get(str(task.get("NodeID")), "")
        for task in swarm.tasks.get(str(swarm.services[service]["ID"]), ())
        if task.get("DesiredState") == RUNNING and (task.get("Status") or {}).get("State") == RUNNING
    }


def _speaking(notes: Mapping[str, Json], homes: Collection[str], now: float) -> list[str]:
    """Return the hives whose notes tell how a service's backup is: those that run it, else that which saved it last."""
    if there := [short for short in notes if short in homes]:
        return there
    tries = {short: float(job.get("last_try") or 0) for short, job in notes.items()}
    past = {short: at for short, at in tries.items() if not is_ahead(at, now)}
    return [max(past or tries, key=tries.__getitem__)] if tries else []


def _is_mended(failed: Json, notes: Collection[Json], now: float) -> bool:
    """Return whether another hive has saved a service well since one failed to: its lowest task is there now."""
    since = float(failed.get("last_try") or 0)
    return any(
        not job.get("error")
        and since < float(job.get("last_try") or 0)
        and not is_ahead(job["last_try"], now)
        for job in notes
    )


def _late(
    name: str, notes: Mapping[str, Json], repository: RepositoryNote, due: _Due, now: float
) -> Iterator[str]:
    """Yield that a service's backup is older than its schedule has it, that it is lost, or that there never was one."""
    told = {short: float(job.get("last_good") or 0) for short, job in notes.items()}
    said = {short: at for short, at in told.items() if at > 0 and not is_ahead(at, now)}
    # A hive that saved it may be gone, or its clock wrong; what it made may be lost: the repository host knows better.
    kept = float(repository.newest.get(name) or 0)
    if is_ahead(kept, now):
        yield f"{name}: its newest backup is dated {_span(kept, now)} ahead, by a clock that was wrong"
        seen = said
    else:
        seen = {short: at for short, at in said.items() if not repository.has_seen(at, now)}
        seen[""] = kept
    last = max(seen.values(), default=0.0)
    if last:
        if due.period is not None and now - last > 2 * due.period + GRACE:
            yield f"{name}: its last backup is {_span(now, last)} old"
    elif said:
        short = max(said, key=said.__getitem__)
        yield (
            f"{name}: the repository host has no backup of it, though {short} made one {_span(now, said[short])} ago "
            f"(doit backup {name})"
        )
    else:
        first = due.first.get(name)
        if repository.tells and first is not None and now > first + GRACE:
            yield f"{name}: never backed up, though due {_span(now, first)} ago (doit backup {name})"
        elif (
            repository.tells
            and first is not None
            and due.period is not None
            and first > now + due.period + GRACE
        ):
            yield (
                f"{name}: never backed up, and due in {_span(first, now)} by a hive's clock that was wrong "
                f"(doit backup {name})"
            )


def _is_at_work(untried: Json, now: float) -> bool:
    """Return whether a trial that has not ended may still be at work: no other one before it ended so either."""
    return bool(untried.get("begun")) and now - float(untried["since"]) <= LONGEST_TRIAL


def _is_outdated(job: Json, notes: Collection[Json], tested: float | None, now: float) -> bool:
    """Return whether a trial that was not made counts no more: another hive saves the service, or one went well since.

    Args:
        job: The note that has it.
        notes: The service's notes, of all hives.
        tested: When the last trial that the repository host knows of went well.
        now: The time.

    """
    untried = job["untried"]
    tried = max(float(at or 0) for at in (job.get("last_try"), untried["since"], untried.get("begun")))
    later = [float(at or 0) for each in notes for at in (each.get("verified"), each.get("last_try"))]
    return any(tried < at and not is_ahead(at, now) for at in (*later, float(tested or 0)))


def _untried(
    name: str,
    notes: Mapping[str, Json],
    repository: RepositoryNote,
    longest: float,
    verify_since: float,
    now: float,
) -> Iterator[str]:
    """Yield that none of a service's backups was restored for a trial for too long, whatever is the reason."""
    found = [float(job.get("verified") or 0) for job in notes.values()]
    found.append(float(repository.tested.get(name) or 0))
    tested = max(at for at in (0.0, *found) if not is_ahead(at, now))
    since = tested or float(repository.since.get(name) or now)
    if now - max(since, verify_since) > longest:
        words = "for" if tested else "ever: there have been some for"
        yield (
            f"{name}: none of its backups was restored for a trial {words} {_span(now, since)} "
            f"(doit verify_backups {name})"
        )


def _due(jobs: Sequence[Json], backup: Backup, now: float) -> _Due:
    """Return when backups are due, out of what hives noted of this schedule."""
    noted = [job for job in jobs if job.get("schedule") == backup.schedule]
    periods = [float(job["period"]) for job in noted if job.get("period") is not None]
    first: dict[str, float] = {}
    for job in noted:
        for name, at in (job.get("first") or {}).items():
            if at is not None:
                first[name] = min(float(at), first.get(name, float(at)))
    # A hive that was set up by an older skep does not tell; one that tells another `verify` is to be set up yet.
    verifying = [job for job in jobs if "schedule" in job]
    since = [
        0.0 if is_ahead(at := float(job.get("verify_since") or 0), now) else at
        for job in verifying
        if job.get("verify", backup.verify) == backup.verify
    ]
    is_applied = bool(since) or not verifying
    untried = longest_untried(backup.verify, backup.schedule) if is_applied else None
    return _Due(max(periods, default=None), first, untried, min(since, default=0.0))


def _span(now: float, then: float) -> str:
    """Return how long ago something was."""
    seconds = max(0.0, now - float(then))
    for size, unit in ((86_400, "d"), (3600, "h")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} min"
