"""The data of a site's page, composed of readings."""

import json
from dataclasses import replace
from pathlib import Path

from tasks.page.page_backups import page_backups
from tasks.page.page_data import VERSION, PageRun
from tasks.page.site_page import page_phases
from tasks.page.site_parts import PageDeployment
from tests.page_sites import AT, DEAD_HOST, DEPLOYING, EMPTY, LARGE, PHASES, WELL, Wanted, recorded, whole


def test_a_site_that_runs_well(tmp_path: Path) -> None:
    """Hosts have the tasks that run there, services their networks, volumes, and who deployed their revision."""
    page = WELL.page(tmp_path)
    hive0, hive1, hive2 = page.hosts
    services = {each.name: each for each in page.services}

    assert page.problems == ()
    assert [task.name for task in hive0.tasks] == ["proxy.1", "wiki.1", "database.1"]
    assert [task.name for task in hive1.tasks] == ["proxy.2", "mail.1"]
    assert hive0.tasks[0].health == "healthy"
    assert (hive0.role, hive0.is_repository, hive2.is_repository) == ("leader", False, True)
    assert (hive0.load, hive0.memory_used, hive0.disk) == (0.42, 3 * 10**9, 0.16)
    assert services["database"].networks == ("back",)
    assert services["database"].volumes == ("tables", "uploads")
    assert services["proxy"].deployed == PageDeployment(
        "alice@laptop", "2026-11-29T17:00:00Z", "1f2e3d4c5b6a"
    )
    assert next((each.name, each.host, each.size) for each in page.volumes) == ("tables", "hive0", 3 * 10**8)
    assert page.run is None
    assert page.read_at == AT


def test_the_deployment_is_that_of_the_present_revision(tmp_path: Path) -> None:
    """Of several runs that deployed a service, the last that gave it the revision it has; none if none did."""
    services = {each.name: each for each in WELL.page(tmp_path).services}
    without = {each.name: each for each in replace(WELL, past=()).page(tmp_path).services}

    assert services["database"].deployed is not None
    assert services["database"].deployed.who == "gitlab"
    assert without["database"].deployed is None


def test_a_dead_host_keeps_its_tasks_as_unknown(tmp_path: Path) -> None:
    """What the swarm goes on to call running there is neither hidden nor called well; what has no host waits."""
    page = DEAD_HOST.page(tmp_path)
    hive1 = page.hosts[1]
    search = next(each for each in page.services if each.name == "search")

    assert (hive1.is_up, hive1.load, hive1.disk) == (False, None, None)
    assert [(task.name, task.state, task.is_well) for task in hive1.tasks] == [
        ("proxy.2", "unknown", False),
        ("mail.1", "unknown", False),
    ]
    assert [(task.name, task.state) for task in search.waiting] == [("search.2", "pending")]
    assert "hive1: does not answer within 8 s" in page.problems


def test_nobody_answers(tmp_path: Path) -> None:
    """Then nothing is said to be well, and networks are those of site.toml."""
    page = replace(WELL, silent=frozenset({0, 1, 2})).page(tmp_path)

    assert not page.can_tell
    assert page.services[0].networks == ("front", "back")
    assert [host.tasks for host in page.hosts] == [(), (), ()]


def test_a_run_at_work_is_named(tmp_path: Path) -> None:
    """The last line of the history that has no end yet, and what it is at."""
    page = DEPLOYING.page(tmp_path)

    assert page.run == PageRun("bob@desk", "doit deploy_services", "2026-11-30T11:59:30Z")
    assert page.services[0].notes == ("is being updated",)
    assert page.hosts[0].tasks[0].health == "starting"


def test_a_task_that_is_unhealthy_is_not_well(tmp_path: Path) -> None:
    """Though its container runs."""
    page = replace(WELL, services=(Wanted("sick", {1: 0}, ("back",), health="(unhealthy)"),)).page(tmp_path)

    assert not page.hosts[0].tasks[0].is_well


def test_phases_have_their_order_and_counts() -> None:
    """All seven are there, also those with nothing to make; each names those that something of it comes after."""
    phases = {each.name: each for each in page_phases(PHASES, *recorded(["web", "mail"], ["hive0", "hive1"]))}

    assert list(phases) == list(PHASES)
    assert phases["setup_hosts"].after == ("build_infra",)
    assert phases["deploy_services"].after == ("build_images", "build_networks", "build_volumes")
    assert phases["initialize_services"].after == ("deploy_services",)
    assert phases["deploy_services"].counts == {"failed": 1, "may follow": 1}
    assert phases["build_networks"].counts == {"up to date": 1}
    assert [each.counts for each in page_phases(PHASES, *recorded([], []))] == [{}] * 7
    assert phases["build_images"].resources[0].reasons == ("roles/web/setup.sh changed",)


def test_backups_have_the_newest_and_the_last_test() -> None:
    """The newest backup may not be tried yet: the last test is that of any of the service's; none is said as well."""

    def generation(day: int, *, ok: bool | None = None) -> dict[str, object]:
        test = (
            None if ok is None else {"at": f"2026-11-{day:02}T02:00:00+00:00", "ok": ok, "why": "it is empty"}
        )
        return {
            "id": f"{day}",
            "service": "db",
            "host": "hive0",
            "time": f"2026-11-{day:02}T01:00:00+00:00",
            "bytes": 7,
            "test": test,
        }

    found = page_backups(["db", "web"], [generation(27, ok=True), generation(28, ok=False), generation(29)])
    good = page_backups(["db"], [generation(27, ok=False), generation(28, ok=True)])

    assert (found[0].id, found[0].count, found[0].size) == ("29", 3, 7)
    assert (found[0].tested, found[0].is_good, found[0].why) == (
        "2026-11-28T02:00:00+00:00",
        False,
        "it is empty",
    )
    assert (found[1].at, found[1].is_good) == ("", None)
    assert (good[0].is_good, good[0].why) == (True, "")


def test_the_newest_backup_is_none_of_the_future() -> None:
    """It is the one that `latest` means, and not what the repository host dated into the future."""
    known = {"service": "db", "host": "hive0", "bytes": 7, "test": None}
    made = {"id": "1", "time": "2026-11-27T01:00:00+00:00", "is_ahead": False} | known
    ahead = {"id": "2", "time": "9999-01-01T00:00:00+00:00", "is_ahead": True} | known

    assert [each.id for each in page_backups(["db"], [made, ahead])] == ["1"]
    assert [each.id for each in page_backups(["db"], [ahead])] == ["2"]


def test_the_data_is_json_with_its_version_first(tmp_path: Path) -> None:
    """Programs find the form's version, and the same parts that the page has."""
    data = json.loads(json.dumps(whole(DEAD_HOST.page(tmp_path)).data()))

    assert next(iter(data)) == "version"
    assert data["version"] == VERSION
    assert data["hosts"][1]["tasks"][0]["state"] == "unknown"
    assert data["backups"][1]["is_good"] is False
    assert data["charts"][1]["series"][1]["values"][50] is None


def test_sites_of_all_sizes(tmp_path: Path) -> None:
    """Two hundred tasks of fifty services are all there, and a site without services is a page as well."""
    large = LARGE.page(tmp_path)
    empty = EMPTY.page(tmp_path)

    assert len(large.services) == 50
    assert sum(len(host.tasks) for host in large.hosts) == 200
    assert (empty.services, empty.problems) == ((), ())
