"""Which generation `at=` means, and what hives are asked for."""

from pathlib import Path
from typing import Any

import pytest

from model.errors import HostError
from tasks.backup.site_backups import SiteBackups
from tests.backup_site import BEFORE, FIRST, SECOND, BackupSite, always, generation


@pytest.fixture
def site(tmp_path: Path) -> BackupSite:
    """Give a site."""
    return BackupSite(tmp_path)


@pytest.fixture
def backups(site: BackupSite) -> SiteBackups:
    """Give its backups."""
    return SiteBackups(site.run)


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("aa000001", FIRST),
        ("bb", BEFORE),
        ("latest", SECOND),
        ("2026-11-27 01:00", SECOND),
        ("2026-11-27 00:59", FIRST),
        ("2026-11-26T16:01:00+00:00", SECOND),
        ("2026-11-30", BEFORE),
    ],
)
def test_at(backups: SiteBackups, at: str, found: dict[str, Any]) -> None:
    """An id or its beginning; a time of the site's zone, the minute whole; the latest, of no restoration."""
    assert backups.chosen("web", at) == found


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("aa", "at=aa: several generations begin so; there are: aa000001 of 2026-11-26 01:00"),
        ("dd", "at=dd: no generation of web; there are: aa000001"),
        ("2026-11-01", "web: no generation is that old; the oldest is aa000001 of 2026-11-26 01:00"),
    ],
)
def test_at_nothing(backups: SiteBackups, at: str, said: str) -> None:
    """What is meant is never guessed, and those that there are are named."""
    with pytest.raises(HostError) as error:
        backups.chosen("web", at)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("there", [[], [BEFORE]])
def test_no_latest(site: BackupSite, backups: SiteBackups, there: list[dict[str, Any]]) -> None:
    """Without a generation, or with those before restorations alone, there is no latest."""
    site.generations = there

    with pytest.raises(HostError, match=r"^web: "):
        backups.chosen("web", "latest")


AHEAD = generation("dd000005", "9999-01-01T00:00:00", is_ahead=True)


def test_the_latest_is_none_of_the_future(site: BackupSite, backups: SiteBackups) -> None:
    """What the repository host dated into the future is older than it seems: taken only if there is nothing else."""
    site.generations = [FIRST, SECOND, AHEAD]
    assert backups.chosen("web", "latest") == backups.newest("web") == SECOND
    assert backups.newest_good_ones(["web"]) == {"web": SECOND}
    assert backups.chosen("web", "dd") == AHEAD
    site.generations = [BEFORE, AHEAD]
    assert backups.chosen("web", "latest") == backups.newest("web") == AHEAD


@pytest.mark.parametrize(
    "new",
    [
        generation("dd000005", "9999-01-01T00:00:00"),
        generation("dd000005", "2026-11-27T16:00:40", is_ahead=True),
    ],
)
def test_one_clock_alone_makes_nothing_of_the_future(
    site: BackupSite, backups: SiteBackups, new: dict[str, Any]
) -> None:
    """A clock that is behind now, this machine's or the repository host's, loses nothing that is new."""
    site.generations = [FIRST, SECOND, new]
    assert backups.chosen("web", "latest") == new


def test_a_service_without_backups(backups: SiteBackups) -> None:
    """It is refused by name, with those that have some."""
    with pytest.raises(HostError, match=r"^nosuch: .*services with: web$"):
        backups.services(["nosuch"])


def test_hives_make_what_is_theirs(site: BackupSite, backups: SiteBackups) -> None:
    """All hives are asked; results are put together, and one hive's failure takes no other's result away."""
    good = {"generations": [{"service": "web", "id": "aa"}], "failed": {}, "elsewhere": []}
    site.answer("hive0", run=always(good))
    site.answer("hive1", run=always("No space left on device"))

    result = backups.backup(["web"], lambda *_: None)

    assert result["generations"] == good["generations"]
    assert result["failed"] == {"hive1": "hive1: No space left on device"}
    assert site.hosts["hive1"].asked == ["run --kind asked --service web"]


def test_a_service_that_no_hive_saved_has_failed(site: BackupSite, backups: SiteBackups) -> None:
    """Silence is no backup."""
    none = {"generations": [], "failed": {}, "elsewhere": ["web"]}
    site.answer("hive0", run=always(none))
    site.answer("hive1", run=always(none))

    assert backups.backup(["web"], lambda *_: None)["failed"].keys() == {"web"}


def test_a_killed_restoration_goes_on_where_it_began(site: BackupSite, backups: SiteBackups) -> None:
    """The hive with its journal is asked, though the service's task may be on another one meanwhile."""
    free = {"pending": "", "runs": False, "volumes": False}
    site.answer("hive0", where=always(free | {"runs": True}))
    site.answer("hive1", where=always(free | {"pending": "aa000001"}))

    home = backups.home("web")
    assert (home.host.short, home.pending) == ("hive1", "aa000001")
