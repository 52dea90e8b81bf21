"""What is wrong with the backups, out of what the agents wrote down."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from model.site_file.load import parse_site
from model.stage import Stage
from tasks.backup.repository_note import RepositoryNote
from tasks.operate.backup_status import backup_problems
from tasks.operate.host_reading import HostReading, parse_reading
from tasks.operate.site_reading import SiteReading, SwarmReading

NOW = 1_800_000_000
HOUR, DAY = 3600, 86_400
SITE: dict[str, Any] = {
    "site": "example",
    "stages": {"private": {"provider": "docker", "cidr": "192.0.2.0/24"}},
    "volumes": {"data": {"hosts": ["hive0"]}},
    "services": {
        "web": {
            "image": "web",
            "volumes": [{"source": "data", "target": "/data"}],
            "backup_scripts": [{"name": "files", "volume": "data"}],
        }
    },
    "backup": {},
}


def problems(
    *, runs_on: str = "", skew: Mapping[str, float] | None = None, **jobs: list[dict[str, Any]]
) -> list[str]:
    """Return what is wrong where hosts' agents wrote this down, and a hive's task runs if the swarm is known.

    A host's clock is ahead by its `skew`.
    """
    site = parse_site(SITE)
    stage = Stage(site, "private", site.stages["private"])
    hosts = {short: HostReading(jobs=tuple(each)) for short, each in jobs.items()}
    names = {host.short: host.name for host in stage.hosts}
    swarm = SwarmReading(
        nodes={short: {"Description": {"Hostname": name}} for short, name in names.items()},
        services={"web": {"ID": "web1"}},
        tasks={"web1": [{"NodeID": runs_on, "DesiredState": "running", "Status": {"State": "running"}}]},
    )
    known = swarm if runs_on else "no manager"
    return list(backup_problems(stage, SiteReading(hosts, {}, known, skew=skew or {}, at=NOW)))


def job(**changes: Any) -> dict[str, Any]:
    """Return how a service's backup ended: well, an hour ago."""
    return {
        "service": "web",
        "last_try": NOW - 3600,
        "last_good": NOW - 3600,
        "error": "",
        "since": None,
    } | changes


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([], []),
        ([job()], []),
        (
            [job(error="script db: backup_command ended with 1", since=NOW - 2 * DAY)],
            ["web: its backup has failed for 2 d: script db: backup_command ended with 1"],
        ),
        ([job(service="gone", error="of a service that site.toml has no more")], []),
        (
            [
                job(
                    untried={
                        "why": "generation aa could not be tried: its disk is full",
                        "since": NOW - 2 * DAY,
                    }
                )
            ],
            ["web: for 2 d generation aa could not be tried: its disk is full"],
        ),
    ],
)
def test_what_is_said(jobs: list[dict[str, Any]], expected: list[str]) -> None:
    """A failure since when; nothing of a service that is gone, or where no host tells what is due."""
    assert problems(hive0=jobs) == expected


def test_the_upkeep() -> None:
    """A failure since when, a copy that grows: of the repository host, and not of one that was it before."""
    failed = {"copy s3": {"why": "restic: no such host", "since": NOW - 7200}}
    old = {"done": {}, "failed": failed, "grows": {"s3": "no deletions"}, "newest": {"web": NOW - 9 * DAY}}
    assert problems(hive3=[old]) == [
        "backups: copy s3 has failed for 2 h on hive3: restic: no such host",
        "backups: copy s3 only grows, since it can't forget: no deletions",
    ]
    daily = due(first=NOW - 9 * DAY)
    assert problems(hive0=[old, daily], hive3=[upkeep(web=NOW - 3600)]) == []


def due(
    period: int | None = DAY, first: int | None = NOW - 30 * DAY, schedule: str = "01:00"
) -> dict[str, Any]:
    """Return when a hive says that backups are due."""
    return {"schedule": schedule, "period": period, "first": {"web": first}}


def upkeep(*, listed: int | None = None, **newest: int) -> dict[str, Any]:
    """Return what the repository host has, and when it looked."""
    return {"done": {}, "failed": {}, "listed": listed, "newest": newest}


@pytest.mark.parametrize(
    ("last", "note", "said"),
    [
        (2 * DAY + 3000, due(), False),
        (2 * DAY + 4000, due(), True),
        (10 * DAY, due(7 * DAY), False),
        (15 * DAY, due(7 * DAY), True),
        (6 * 3600, due(3600), True),
        (300 * DAY, due(None), False),
        (300 * DAY, due(schedule="Sun 04:00"), False),
    ],
)
def test_an_old_one(last: int, note: dict[str, Any], said: bool) -> None:  # noqa: FBT001 - a column of the table
    """Older than two periods of its schedule and an hour; nothing where that comes once, or is not applied yet."""
    found = problems(hive0=[note, job(last_good=NOW - last)])
    assert [line.startswith("web: its last backup is ") for line in found] == [True] * said


@pytest.mark.parametrize(
    ("first", "newest", "said"),
    [
        (NOW - 3000, {}, []),
        (NOW - 2 * DAY, {}, ["web: never backed up, though due 2 d ago (doit backup web)"]),
        (NOW - 2 * DAY, {"web": NOW - DAY}, []),
        (NOW - 9 * DAY, {"web": NOW - 9 * DAY}, ["web: its last backup is 9 d old"]),
        (NOW + DAY, {}, []),
        (
            NOW + 30 * DAY,
            {},
            ["web: never backed up, and due in 30 d by a hive's clock that was wrong (doit backup web)"],
        ),
        (NOW + 30 * DAY, {"web": NOW - 3600}, []),
        (None, {}, []),
    ],
)
def test_one_that_was_never_made(first: int | None, newest: dict[str, int], said: list[str]) -> None:
    """It is missed once it was due; what a hive that is gone has made counts as well."""
    assert problems(hive0=[due(first=first)], hive3=[upkeep() | {"newest": newest}]) == said


def test_who_knows_a_service_for_the_longest() -> None:
    """A hive that came later does not put off the time; without the repository host's word nothing is never made."""
    early, late = due(first=NOW - 2 * DAY), due(first=NOW + DAY)
    assert len(problems(hive0=[late], hive1=[early], hive3=[upkeep()])) == 1
    assert problems(hive0=[early], hive1=[late]) == []


def test_the_hive_that_saved_it_last_speaks_for_a_service() -> None:
    """It may have moved: what the former hive still has of it does not count."""
    former = job(last_try=NOW - 9 * DAY, error="was here", since=NOW - 10 * DAY)
    assert problems(hive0=[former], hive1=[job()]) == []


WRONG = (
    "web: hive0 noted its last backup as made 10 d from now, which does not count: the clock of hive0 is or was wrong "
    "(doit ssh hive0 timedatectl)"
)


def test_a_hive_whose_clock_was_ahead_for_a_night() -> None:
    """The repository host's clock counts, both while the hive's note is of a time to come and once that has come."""
    ahead = job(last_try=NOW + 10 * DAY, last_good=NOW + 10 * DAY)
    there = upkeep(listed=NOW - 600, web=NOW - 20 * DAY)
    assert problems(hive0=[due(), ahead], hive3=[there]) == [WRONG, "web: its last backup is 20 d old"]
    then = job(last_try=NOW - 7200, last_good=NOW - 7200)
    assert problems(hive0=[due(), then], hive3=[there]) == ["web: its last backup is 20 d old"]


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (upkeep(listed=NOW - 600), True),
        (upkeep(listed=NOW - 13 * DAY), False),
        (upkeep(listed=NOW + DAY), False),
        (upkeep(), False),
    ],
)
def test_a_repository_that_lost_all(there: dict[str, Any], said: bool) -> None:  # noqa: FBT001 - a column of the table
    """It is said at once if the repository host looked since, and saw all; not if its clock is wrong."""
    made = job(last_try=NOW - 13 * DAY, last_good=NOW - 13 * DAY)
    found = problems(hive0=[due(7 * DAY), made], hive3=[there])
    lost = "web: the repository host has no backup of it, though hive0 made one 13 d ago (doit backup web)"
    assert [line for line in found if line.startswith("web")] == [lost] * said


def test_a_backup_that_the_repository_host_has_not_seen_yet() -> None:
    """Its upkeep may be at work for days: what a hive made since it looked counts."""
    assert problems(hive0=[due(), job()], hive3=[upkeep(listed=NOW - 3 * DAY, web=NOW - 4 * DAY)]) == []


def test_a_repository_host_whose_clock_was_ahead() -> None:
    """What it dated into the future is named, and the hives' own times count meanwhile."""
    there = upkeep(listed=NOW - 600, web=NOW + 10 * DAY)
    ahead = "web: its newest backup is dated 10 d ahead, by a clock that was wrong"
    assert problems(hive0=[due(), job()], hive3=[there]) == [ahead]
    old = job(last_try=NOW - 9 * DAY, last_good=NOW - 9 * DAY)
    assert problems(hive0=[due(), old], hive3=[there]) == [ahead, "web: its last backup is 9 d old"]


FAILED = job(error="no room", since=NOW - 7200)


@pytest.mark.parametrize("runs_on", ["hive1", ""])
def test_a_former_hive_of_the_future_hides_no_failure(runs_on: str) -> None:
    """The hive that runs the service speaks for it; where the swarm does not tell, no note of a time to come does."""
    former = job(last_try=NOW + 10 * DAY, last_good=NOW + 10 * DAY)
    assert problems(runs_on=runs_on, hive0=[former], hive1=[FAILED]) == [
        "web: its backup has failed for 2 h: no room"
    ]


def test_a_failure_of_a_hive_that_runs_the_service() -> None:
    """It is said though another hive saved it before; not once one did so later, and not of a hive that has no task."""
    before, later = job(last_try=NOW - DAY), job(last_try=NOW - 600)
    assert len(problems(runs_on="hive1", hive0=[before], hive1=[FAILED])) == 1
    assert problems(runs_on="hive1", hive0=[later], hive1=[FAILED]) == []
    assert problems(runs_on="hive0", hive0=[before], hive1=[FAILED]) == []


def tried(*, at: int = 0, here: int = 0, since: int = 0, **changes: Any) -> list[str]:
    """Return what is said where the repository host knows of a trial, the hive of one, and when backups began."""
    there = upkeep(listed=NOW - 600, web=NOW - 3600)
    there |= {"tested": {"web": at} if at else {}, "since": {"web": since} if since else {}}
    return problems(hive0=[job(verified=here or None, **changes)], hive3=[there])


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"at": NOW - 15 * DAY, "since": NOW - 99 * DAY}, ""),
        ({"at": NOW - 16 * DAY, "since": NOW - 99 * DAY}, "for 16 d"),
        ({"here": NOW - 16 * DAY}, "for 16 d"),
        ({"at": NOW - 16 * DAY, "here": NOW - DAY}, ""),
        ({"at": NOW - 16 * DAY, "here": NOW + DAY}, "for 16 d"),
        ({"since": NOW - 15 * DAY}, ""),
        ({"since": NOW - 16 * DAY}, "ever: there have been some for 16 d"),
        ({}, ""),
    ],
)
def test_backups_that_nobody_tried(times: dict[str, int], said: str) -> None:
    """Older than two weeks of `verify` and a day; or there have been some for so long, and none ever was tried."""
    line = f"web: none of its backups was restored for a trial {said} (doit verify_backups web)"
    assert tried(**times) == [line] * bool(said)


@pytest.mark.parametrize(
    ("hives", "said"),
    [
        ([{}], True),
        ([{"verify": "weekly", "verify_since": NOW - 16 * DAY}], True),
        ([{"verify": "weekly", "verify_since": NOW - 14 * DAY}], False),
        ([{"verify": "weekly", "verify_since": NOW + 9 * DAY}], True),
        ([{"verify": "never", "verify_since": NOW - 99 * DAY}], False),
        (
            [
                {"verify": "weekly", "verify_since": NOW - 16 * DAY},
                {"verify": "weekly", "verify_since": NOW - DAY},
            ],
            True,
        ),
    ],
)
def test_trials_are_due_since_they_are_made_so(hives: list[dict[str, Any]], said: bool) -> None:  # noqa: FBT001 - a column of the table
    """Another `verify` counts since the first hive has it, and not before; a hive of an older skep does not tell."""
    there = upkeep(listed=NOW - 600, web=NOW - 3600) | {"since": {"web": NOW - 99 * DAY}}
    noted = [due() | hive for hive in hives]
    found = problems(hive0=[job(), noted[0]], hive1=noted[1:], hive3=[there])
    assert bool(found) == said


def test_a_trial_that_does_not_end() -> None:
    """It may take a night. One that was killed the night before as well is said at once, and no second line with it."""
    why = "generation aa could not be tried: its test did not end, or is still at work"

    def untried(since: int, begun: int) -> list[str]:
        note = {"why": why, "since": NOW - since, "begun": NOW - begun}
        return tried(at=NOW - 20 * DAY, since=NOW - 99 * DAY, untried=note)

    assert untried(DAY, 600) == [f"web: for 1 d {why}"]
    assert [line for line in untried(600, 600) if why in line] == []


@pytest.mark.parametrize(
    ("other", "tested", "said"),
    [
        ({"last_try": NOW - 99 * DAY}, NOW - 41 * DAY, True),
        ({"last_try": NOW - DAY, "error": "no room", "since": NOW - DAY}, 0, False),
        ({"last_try": NOW + DAY}, 0, True),
        ({"last_try": NOW - 99 * DAY, "verified": NOW - DAY}, 0, False),
        ({"last_try": NOW - 99 * DAY}, NOW - DAY, False),
        ({"last_try": NOW - 99 * DAY}, NOW + DAY, True),
    ],
)
def test_a_trial_of_a_hive_that_saves_the_service_no_more(
    other: dict[str, Any],
    tested: int,
    said: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """It runs a task still, and not the lowest: it counts no more once another one saves it, or a trial went well."""
    why = "generation aa could not be tried: its test did not end, or is still at work"
    untried = {"why": why, "since": NOW - 60 * DAY, "begun": NOW - 40 * DAY}
    here = job(last_try=NOW - 40 * DAY - HOUR, untried=untried)
    there = upkeep(listed=NOW - 600, web=NOW - 3600) | {"tested": {"web": tested}}
    found = problems(runs_on="hive1", hive0=[job(**other)], hive1=[here], hive3=[there])
    assert (f"web: for 60 d {why}" in found) == said


COPY = "copy s3"


def kept(*, begun: int, ended: int = 0, alive: int = 0, tries: int = 0) -> dict[str, Any]:
    """Return what the upkeep noted of itself, by how many seconds ago that was; 0 for never."""
    times = {"begun": begun, "ended": ended, "alive": alive}
    return (
        upkeep()
        | {key: NOW - ago if ago else None for key, ago in times.items()}
        | {"tries": tries, "at": COPY}
    )


SILENT_UPKEEP = "neither ends nor is at work"


@pytest.mark.parametrize(
    ("note", "fault", "work"),
    [
        (kept(begun=900, ended=880), "", ""),
        (kept(begun=7 * HOUR, ended=7 * HOUR - 60), f"{SILENT_UPKEEP}; it ended 7 h ago", ""),
        (
            kept(begun=7 * HOUR, ended=7 * HOUR + 900, alive=7 * HOUR - 60, tries=1),
            f"{SILENT_UPKEEP}; it ended 7 h ago",
            "",
        ),
        (kept(begun=3 * DAY, ended=3 * DAY + 900, alive=300, tries=1), "", COPY),
        (kept(begun=DAY, ended=3 * DAY, alive=300, tries=2), "", COPY),
        (kept(begun=3 * DAY, alive=300, tries=1), "", COPY),
        (
            kept(begun=300, ended=7 * HOUR, alive=200, tries=26),
            f"was begun 26 times and did not end, at {COPY}; it ended 7 h ago",
            "",
        ),
        (kept(begun=300, alive=200, tries=4), f"was begun 4 times and did not end, at {COPY}", ""),
        (kept(begun=300, ended=2 * HOUR, alive=200, tries=4), "", ""),
        (kept(begun=7 * HOUR, ended=-30 * DAY), SILENT_UPKEEP, ""),
        (upkeep(), "", ""),
    ],
)
def test_an_upkeep_that_is_not_done(note: dict[str, Any], fault: str, work: str) -> None:
    """Neither an end nor work for six hours, or killed again and again; a first copy may take days, which is said."""
    where = "(doit ssh hive3 systemctl status skep-backup-keep.timer skep-backup-keep.service)"
    assert problems(hive3=[note]) == [f"backups: their upkeep on hive3 {fault} {where}"] * bool(fault)
    assert RepositoryNote.of([note]).work(NOW) == work


def test_an_upkeep_that_never_began() -> None:
    """It is missed once a hive has saved something hours ago."""
    old = job(last_good=NOW - 7 * HOUR)
    assert problems(hive0=[job()], hive3=[due()]) == []
    assert problems(hive0=[old], hive3=[due()])[0].startswith(
        "backups: their upkeep on hive3 has never been done ("
    )


def test_it_is_read_from_the_host() -> None:
    """A line for each file; one that is not whole is left out."""
    output = 'clock 1.0\njob {"service": "web", "error": "two  words"}\njob {"service": \njob 7\n'
    assert parse_reading(output).jobs == ({"service": "web", "error": "two words"},)


@pytest.mark.parametrize("ahead", [-3 * DAY, 2 * HOUR, 30 * DAY])
@pytest.mark.parametrize("wrong", [("hive0",), ("hive1",), ("hive3",), ("hive0", "hive1", "hive3")])
def test_a_clock_that_is_wrong(ahead: int, wrong: tuple[str, ...]) -> None:
    """Be it a host's or, as all of theirs seem so, this machine's: each note is as old as its host has it."""

    def of(host: str, at: int) -> int:
        return at + ahead * (host in wrong)

    saved = of("hive0", NOW - HOUR)
    here = job(last_try=saved, last_good=saved, verified=saved)
    daily = due(first=of("hive0", NOW - 9 * DAY)) | {
        "verify": "weekly",
        "verify_since": of("hive0", NOW - DAY),
    }
    standby = datetime.fromtimestamp(of("hive3", NOW - HOUR), UTC).isoformat()
    kept_here = {"standby": "web", "generation": "aa", "made": standby, "error": "", "since": None}
    newest = {"web": of("hive3", NOW - HOUR)}
    there = upkeep(listed=of("hive3", NOW - 600), **newest) | {"tested": newest, "since": newest}
    there |= {"begun": of("hive3", NOW - 900), "ended": of("hive3", NOW - 880), "tries": 0}
    skew = dict.fromkeys(wrong, float(ahead))
    assert problems(hive0=[here, daily], hive1=[kept_here], hive3=[there], skew=skew) == []
    failed = here | {"error": "no room", "since": of("hive0", NOW - 2 * DAY)}
    assert problems(hive0=[failed, daily], hive3=[there], skew=skew) == [
        "web: its backup has failed for 2 d: no room"
    ]


@pytest.mark.parametrize(
    ("standby", "expected"),
    [
        (
            {"error": "no room", "since": NOW - 7200},
            ["web: its standby on hive1 has failed for 2 h: no room"],
        ),
        ({"made": "2027-01-14T08:00:00+00:00"}, []),
        ({"made": "2027-01-10T08:00:00+00:00"}, ["web: its standby on hive1 is 5 d old"]),
        ({"made": ""}, []),
        (
            {"made": "2027-01-20T08:00:00+00:00"},
            ["web: its standby on hive1 is dated 5 d ahead, by a clock that was wrong"],
        ),
    ],
)
def test_a_standby(standby: dict[str, Any], expected: list[str]) -> None:
    """One that fails, and one that is as old as a backup must not be; one that is to come is no problem."""
    daily = {"schedule": "01:00", "period": DAY, "first": {}}
    kept = {"standby": "web", "generation": "aa", "made": "", "error": "", "since": None}

    assert problems(hive0=[job(), daily], hive1=[kept | standby]) == expected


def test_a_half_restoration() -> None:
    """It is named with the command that goes on, though the service may seem well: stopped or half loaded for weeks."""
    site = parse_site(SITE)
    stage = Stage(site, "private", site.stages["private"])
    noted = {"id": "cc" + "0" * 62, "generation": "aa000001" + "0" * 56, "scripts": ["db"], "loading": True}
    hosts = {
        "hive0": HostReading(restoring={"web": noted}, swapped={"web": noted}),
        "hive1": HostReading(restoring={"web": {"id": "bb000002" + "0" * 56}}),
        "hive2": HostReading(swapped={"web": {"id": "bb000002" + "0" * 56}}),
    }
    said = list(backup_problems(stage, SiteReading(hosts, {}, "", at=NOW)))
    assert said == [
        (
            "web: is half restored to aa000001 on hive0, and runs with a part of it: if nobody is at it, doit restore "
            "web at=aa000001 script=db confirm=example goes on"
        ),
        (
            "web: is half restored to bb000002 on hive1, and may be stopped: if nobody is at it, doit restore "
            "web at=bb000002 confirm=example goes on"
        ),
        (
            "web: the files of bb000002 are on their way into its volumes on hive2: if nobody is at it, type again the "
            "doit move_volume, doit replace_host or doit restore site that was"
        ),
    ]
