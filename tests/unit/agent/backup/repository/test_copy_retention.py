"""What copies off the site keep."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.backup.config import RepositoryConfig
from agent.backup.repository.copy_retention import superfluous
from agent.backup.repository.generations import Generation, Listing

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
CONFIG = RepositoryConfig(root=Path("/nowhere"), user="", hives={}, password="", keep={"last": 2}, copies=())


def made(name: str, age: float, service: str = "db") -> Generation:
    """Return a generation that a hive dated so many days ago."""
    at = NOW - timedelta(days=age)
    return Generation(name, service, "hive0", at, at, "scheduled", {}, {"away": name})


def going(there: list[Generation], here: list[Generation]) -> list[str]:
    """Return the ids of those that a copy need not keep."""
    return [each.id for each in superfluous(CONFIG, Listing(there), Listing(here), NOW)]


def test_the_same_policy_for_each_service() -> None:
    """A copy keeps of each service what the policy says; another service's generations push nothing out."""
    there = [made("c", 3), made("b", 2), made("a", 1), *[made(f"w{n}", n / 9, "web") for n in range(2)]]
    assert going(there, there[1:]) == ["c"]


def test_a_wrong_clock_pushes_nothing_out() -> None:
    """Generations dated years ahead don't have one forgotten that the repository host keeps."""
    there = [made("good", 1), made("ahead", -900), made("later", -901)]
    assert going(there, [there[0]]) == []


def test_an_empty_repository_host_empties_no_copy() -> None:
    """After a loss the copy is all that there is: the policy alone counts."""
    assert going([made("b", 2), made("a", 1)], []) == []


def test_a_fault_shortens_no_life_off_the_site() -> None:
    """A hive that is broken into, and notes that all of its generations are bad, has none of them go there either."""
    fault = {"ok": False}
    bad = [replace(made(name, age), tests=(fault,)) for name, age in (("a", 20.0), ("b", 10.0))]
    assert going([*bad, made("garbage", 8)], []) == ["a"]
    assert going(bad, []) == []
