"""What is wrong with the backups, out of what the agents wrote down."""

from typing import Any

import pytest

from model.site_file.load import parse_site
from model.stage import Stage
from tasks.operate.backup_status import backup_problems
from tasks.operate.host_reading import HostReading, parse_reading
from tasks.operate.site_reading import SiteReading

NOW = 1_800_000_000
DAY = 86_400
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


def problems(**jobs: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong where hosts' agents wrote this down."""
    site = parse_site(SITE)
    stage = Stage(site, "private", site.stages["private"])
    hosts = {short: HostReading(jobs=tuple(each)) for short, each in jobs.items()}
    return list(backup_problems(stage, SiteReading(hosts, {}, "", at=NOW)))


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
        ([job(last_good=NOW - 3 * DAY)], ["web: its last backup is 3 d old"]),
        (
            [job(error="script db: backup_command ended with 1", since=NOW - 2 * DAY)],
            ["web: its backup has failed for 2 d: script db: backup_command ended with 1"],
        ),
        ([job(service="gone", error="of a service that site.toml has no more")], []),
        (
            [{"done": {}, "failed": {"copy s3": {"why": "restic: no such host", "since": NOW - 7200}}}],
            ["backups: copy s3 has failed for 2 h on hive0: restic: no such host"],
        ),
    ],
)
def test_what_is_said(jobs: list[dict[str, Any]], expected: list[str]) -> None:
    """A failure since when, an old one, the upkeep's; nothing of a service that was never saved or is gone."""
    assert problems(hive0=jobs) == expected


def test_the_hive_that_saved_it_last_speaks_for_a_service() -> None:
    """It may have moved: what the former hive still has of it does not count."""
    former = job(last_try=NOW - 9 * DAY, error="was here", since=NOW - 10 * DAY)
    assert problems(hive0=[former], hive1=[job()]) == []


def test_it_is_read_from_the_host() -> None:
    """A line for each file; one that is not whole is left out."""
    output = 'clock 1.0\njob {"service": "web", "error": "two  words"}\njob {"service": \njob 7\n'
    assert parse_reading(output).jobs == ({"service": "web", "error": "two words"},)
