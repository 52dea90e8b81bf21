"""Which generation `at=` means, and what hives are asked for."""

from pathlib import Path
from typing import Any

import pytest

from model.errors import HostError
from tasks.backup.site_backups import SiteBackups
from tests import made as rig
from tests.doubles.agent import AgentHost, Answer, agents

BACKUP = """\
[setup_hosts]
timezone = "Asia/Tokyo"

[backup]

[networks.back]
"""
SCRIPTS = """\
initialize_roles = ["first"]

[[services.web.backup_scripts]]
name = "files"
volume = "data"
"""


def generation(identity: str, time: str, kind: str = "scheduled", service: str = "web") -> dict[str, Any]:
    """Return a generation as the agent tells it."""
    return {"id": identity, "time": f"{time}+00:00", "kind": kind, "service": service}


# 01:00 in Tokyo is 16:00 of the day before.
FIRST = generation("aa000001", "2026-11-25T16:00:10")
SECOND = generation("aa000002", "2026-11-26T16:00:40")
BEFORE = generation("bb000003", "2026-11-27T09:00:00", "before-restore")
OTHER = generation("cc000004", "2026-11-28T00:00:00", service="db")


def always(answer: Any) -> Answer:
    """Return what gives this answer whatever it is asked."""
    return lambda _: answer


class Site:
    """A site with backups.

    Args:
        directory: Where site.toml is.

    """

    def __init__(self, directory: Path) -> None:
        made = rig.new(directory)
        made.edit("[networks.back]\n", BACKUP)
        made.edit('initialize_roles = ["first"]\n', SCRIPTS)
        self.generations = [FIRST, SECOND, BEFORE, OTHER]
        run = made.run()
        self.hosts = {
            host.short: AgentHost(host.short, {"generations": lambda _: self.generations})
            for host in run.stage.hosts
        }
        agents(run, self.hosts)
        self.backups = SiteBackups(run)

    def answers(self, verb: str, **of_hives: Any) -> None:
        """Have hives answer a verb."""
        for name, answer in of_hives.items():
            self.hosts[name].answers = {verb: always(answer)}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Give a site."""
    return Site(tmp_path)


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
def test_at(site: Site, at: str, found: dict[str, Any]) -> None:
    """An id or its beginning; a time of the site's zone, the minute whole; the latest, of no restoration."""
    assert site.backups.chosen("web", at) == found


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("aa", "at=aa: several generations begin so; there are: aa000001 of 2026-11-26 01:00"),
        ("dd", "at=dd: no generation of web; there are: aa000001"),
        ("2026-11-01", "web: no generation is that old; the oldest is aa000001 of 2026-11-26 01:00"),
    ],
)
def test_at_nothing(site: Site, at: str, said: str) -> None:
    """What is meant is never guessed, and those that there are are named."""
    with pytest.raises(HostError) as error:
        site.backups.chosen("web", at)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("there", [[], [BEFORE]])
def test_no_latest(site: Site, there: list[dict[str, Any]]) -> None:
    """Without a generation, or with those before restorations alone, there is no latest."""
    site.generations = there

    with pytest.raises(HostError, match=r"^web: "):
        site.backups.chosen("web", "latest")


def test_a_service_without_backups(site: Site) -> None:
    """It is refused by name, with those that have some."""
    with pytest.raises(HostError, match=r"^nosuch: .*services with: web$"):
        site.backups.services(["nosuch"])


def test_hives_make_what_is_theirs(site: Site) -> None:
    """All hives are asked; results are put together, and one hive's failure takes no other's result away."""
    good = {"generations": [{"service": "web", "id": "aa"}], "failed": {}, "elsewhere": []}
    site.answers("run", hive0=good, hive1="No space left on device")

    result = site.backups.backup(["web"], lambda *_: None)

    assert result["generations"] == good["generations"]
    assert result["failed"] == {"hive1": "hive1: No space left on device"}
    assert site.hosts["hive1"].asked == ["run --kind asked --service web"]


def test_a_service_that_no_hive_saved_has_failed(site: Site) -> None:
    """Silence is no backup."""
    none = {"generations": [], "failed": {}, "elsewhere": ["web"]}
    site.answers("run", hive0=none, hive1=none)

    assert site.backups.backup(["web"], lambda *_: None)["failed"].keys() == {"web"}


def test_a_killed_restoration_goes_on_where_it_began(site: Site) -> None:
    """The hive with its journal is asked, though the service's task may be on another one meanwhile."""
    free = {"pending": False, "runs": False, "volumes": False}
    site.answers("where", hive0=free | {"runs": True}, hive1=free | {"pending": True})

    assert site.backups.home("web").short == "hive1"
    assert site.backups.pending("web")
