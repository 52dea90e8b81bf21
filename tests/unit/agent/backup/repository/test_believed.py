"""What a hive writes of another hive's generations: nothing of it counts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.backup.config import RepositoryConfig
from agent.backup.notes import SEAL, VERIFIED, data_tags, note_tags
from agent.backup.repository.brought import believed, brought, note_brought
from agent.backup.repository.generations import Listing, combined
from tests.doubles.hive_repositories import RepositoryHost

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Repositories:
    """What two hives' repositories have, and what was brought there."""

    def __init__(self) -> None:
        self.snapshots: dict[str, list[dict[str, Any]]] = {"hive0": [], "hive1": []}
        self.own: dict[str, float] = {}
        self.brought: dict[str, dict[str, float]] = {"hive0": {}, "hive1": {}}

    def add(self, hive: str, tags: list[str], arrived: datetime, **more: str) -> str:
        """Have a snapshot arrive; return its id."""
        identity = f"{len(self.own):064d}"
        time = "2030-01-01T00:00:00Z"
        self.snapshots[hive].append(
            {"id": identity, "hostname": hive, "tags": ["skep", *tags], "time": time, **more}
        )
        self.own[identity] = arrived.timestamp()
        return identity

    def generation(self, hive: str, arrived: datetime, **more: str) -> str:
        """Have a generation of `web` arrive, with its seal; return its id."""
        identity = self.add(hive, data_tags("private", "web", "scheduled"), arrived, **more)
        self.add(hive, note_tags(SEAL, more.get("original", identity), {}), arrived)
        return identity

    def listing(self) -> Listing:
        """Return the generations."""
        return combined(
            {
                hive: list(believed(hive, found, self.own, self.brought[hive]))
                for hive, found in self.snapshots.items()
            }
        )


@pytest.mark.parametrize(
    "lies",
    [
        pytest.param(lambda _n: {}, id="generations of its own"),
        pytest.param(lambda n: {"original": f"{n:064x}"}, id="copies of what was never there"),
        pytest.param(lambda _n: {"hostname": "hive0"}, id="another hive's name"),
    ],
)
def test_generations_of_another_hive_push_none_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lies: Callable[[int], dict[str, Any]]
) -> None:
    """The upkeep leaves a hive its seven nights, whatever another one says to have made of the same service."""
    host = RepositoryHost(tmp_path, monkeypatch)
    nights = {host.generation("hive0", NOON + timedelta(days=n)) for n in range(7)}
    for n in range(7):
        host.generation("hive1", NOON + timedelta(days=n, hours=9), **lies(n))
    before = host.ids("hive0")
    result = host.upkeep(NOON + timedelta(days=7), keep={"daily": 7}).keep()
    assert result["failed"] == {}
    assert nights <= host.ids("hive0")
    assert host.ids("hive0") == before


def test_a_test_that_another_hive_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no generation forgotten: of one that failed its test the upkeep would make no more than a week's."""
    host = RepositoryHost(tmp_path, monkeypatch)
    good = host.generation("hive0", NOON)
    for n in range(2):
        host.generation("hive0", NOON + timedelta(days=8 + n))
    host.note("hive1", VERIFIED, good, {"ok": False}, NOON)
    host.upkeep(NOON + timedelta(days=10), keep={"last": 3}).keep()
    assert good in host.ids("hive0")


def test_a_copy_that_nobody_made() -> None:
    """A snapshot that says to be of another one, or from another hive, is no generation and no place of one."""
    there = Repositories()
    good = there.generation("hive0", NOON)
    there.generation("hive1", NOON, original=good)
    there.generation("hive1", NOON, original="f" * 64)
    there.generation("hive1", NOON, hostname="hive0")
    [found] = there.listing().generations
    assert (found.id, dict(found.places)) == (good, {"hive0": good})


def test_notes_of_another_hives_generation() -> None:
    """They count where the repository has the data, by whichever id it knows it; else they say nothing."""
    there = Repositories()
    good = there.generation("hive0", NOON)
    there.add("hive1", note_tags(VERIFIED, good, {"ok": False}), NOON)
    assert there.listing().generations[0].is_good
    there.brought["hive1"][good] = NOON.timestamp()
    shared = there.add(
        "hive1", data_tags("private", "web", "scheduled"), NOON + timedelta(days=1), original=good
    )
    there.add("hive1", note_tags(VERIFIED, shared, {"ok": False}), NOON + timedelta(days=1))
    [found] = there.listing().generations
    assert not found.is_good
    assert set(found.places) == {"hive0", "hive1"}
    assert found.arrived == NOON, "sharing it, with a hive's clock that is wrong, changes nothing"


def test_what_is_brought_is_noted_before(tmp_path: Path) -> None:
    """With the first arrival that is known, never in the future; a second time changes nothing."""
    config = RepositoryConfig(tmp_path, "", {"hive0": ""}, "", {}, ())
    assert brought(config, "hive0") == {}
    note_brought(config, "hive0", {"aa": NOON - timedelta(days=365)})
    note_brought(config, "hive0", {"aa": NOON, "bb": datetime(2999, 1, 1, tzinfo=UTC)})
    found = brought(config, "hive0")
    assert found["aa"] == (NOON - timedelta(days=365)).timestamp()
    assert found["bb"] <= datetime.now(UTC).timestamp()
