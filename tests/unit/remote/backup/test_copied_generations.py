"""The generations of a copy, held against what the agent itself makes of the same snapshots."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.backup.notes import ARRIVED, SEAL, VERIFIED, data_tags, note_tags
from agent.backup.repository.copy_retention import held
from remote.backup.copied_generations import copied_generations, newest

FIRST = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)


class Snapshots:
    """Snapshots as restic lists those of a copy."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    def add(self, tags: list[str], day: int, original: str = "") -> str:
        """Add one, and return the id that a note names it by."""
        identity = f"{len(self.all):064d}"
        time = (FIRST + timedelta(days=day)).isoformat().replace("+00:00", ".123456789Z")
        self.all.append({"id": identity, "time": time, "tags": ["skep", *tags], "hostname": "hive1"})
        if original:
            self.all[-1]["original"] = original
        return original or identity

    def arrived(self, times: dict[str, datetime], host: str = "site") -> None:
        """Add a note of when generations arrived, as the repository host makes it."""
        self.add(note_tags(ARRIVED, "", {name: at.timestamp() for name, at in times.items()}), 0)
        self.all[-1]["hostname"] = host

    def generation(self, service: str, day: int, kind: str = "scheduled", **tests: bool) -> str:
        """Add a generation that was copied, with its seal; `ok=` is how its test ended a day later."""
        identity = self.add(
            data_tags("private", service, kind), day, original=f"{service}{day}".ljust(64, "0")
        )
        self.add(note_tags(SEAL, identity, {"bytes": 100 + day, "scripts": {"db": "db.dump"}}), day)
        for ok in tests.values():
            self.add(note_tags(VERIFIED, identity, {"ok": ok}), day + 1)
        return identity


def test_they_are_those_of_the_agent() -> None:
    """Ids, services, hosts, kinds, tests, sizes; what has no seal is left out; the oldest come first."""
    made = Snapshots()
    made.generation("web", 3, ok=False)
    made.generation("db", 1, ok=True)
    made.generation("web", 2)
    made.add(data_tags("private", "web", "asked"), 4)
    made.add(["of=x", "note=seal", "facts=broken"], 4)
    made.generation("late", 5)
    made.arrived({"late5".ljust(64, "0"): FIRST + timedelta(hours=1)})

    found = copied_generations(made.all)
    agents = held(made.all, "copy").generations

    assert [(each.id, each.service, each.host, each.kind, each.is_good, each.time) for each in found] == [
        (each.id, each.service, each.host, each.kind, each.is_good, each.arrived) for each in agents
    ]
    assert [(each.id[:4], each.size, each.parts, each.stage) for each in found] == [
        ("late", 105, ("db",), "private"),
        ("db10", 101, ("db",), "private"),
        ("web2", 102, ("db",), "private"),
        ("web3", 103, ("db",), "private"),
    ]


def test_the_newest_that_is_of_use() -> None:
    """One that failed its test is taken only where there is no other; one from before a restoration never is."""
    made = Snapshots()
    good = made.generation("web", 1)
    made.generation("web", 2, ok=False)
    made.generation("web", 3, kind="before-restore")
    bad = made.generation("db", 1, ok=False)
    found = copied_generations(made.all)
    assert [getattr(newest(found, name), "id", None) for name in ("web", "db", "site")] == [good, bad, None]


def test_as_they_arrived() -> None:
    """A hive's clock that was ahead makes nothing the newest; what anybody but the repository host noted is nothing."""
    made = Snapshots()
    wrong, right = made.generation("web", 2), made.generation("web", 1)
    made.arrived({wrong: FIRST, right: FIRST + timedelta(hours=1)})
    made.arrived({wrong: FIRST + timedelta(hours=2)})
    made.arrived({wrong: FIRST + timedelta(hours=2), right: FIRST - timedelta(days=9)}, "hive1")
    found = newest(copied_generations(made.all), "web", FIRST + timedelta(days=3))
    assert found is not None
    assert (found.id, found.time) == (right, FIRST + timedelta(hours=1))


def test_a_clock_that_was_ahead() -> None:
    """What a hive dated into the future is not the newest, but is taken where there is no other."""
    made = Snapshots()
    good = made.generation("web", 1)
    bad = made.generation("db", 1, ok=False)
    only = made.generation("mail", 9)
    for service in ("web", "db"):
        made.generation(service, 9)
    found = copied_generations(made.all)
    now = FIRST + timedelta(days=2)
    chosen = [newest(found, name, now) for name in ("web", "db", "mail")]
    assert [each.id if each is not None else "" for each in chosen] == [good, bad, only]


def test_what_a_hive_makes_up_keeps_nobody_from_a_restoration() -> None:
    """A seal or a time that makes no sense is left out where it does, as by the agent; the others are as they are."""
    made = Snapshots()
    made.generation("db", 1)
    for number, facts in enumerate(
        (
            {"bytes": [1]},
            {"scripts": 7, "bytes": 5},
            {"revision": [1]},
            {"revision": {"pinned": "no"}},
            [],
            "x",
        )
    ):
        identity = made.add(
            data_tags("private", "web", "scheduled"), 2, original=f"web{number}".ljust(64, "0")
        )
        made.add(note_tags(SEAL, identity, facts), 2)  # type: ignore[arg-type]
    deep = base64.urlsafe_b64encode(b"[" * 50_000).decode()
    made.add([f"of={identity}", "note=verified", f"facts={deep}"], 2)
    made.all[2]["time"] = "0000-12-31T00:00:00Z"
    found = {each.id.rstrip("0"): each for each in copied_generations(made.all)}
    agents = held(made.all, "copy").generations
    assert {"db1", "web1", "web2", "web3"} <= found.keys()
    assert {each.id.rstrip("0") for each in agents} <= found.keys()
    assert (found["db1"].size, found["db1"].parts) == (101, ("db",))
    assert (found["web1"].size, found["web1"].parts) == (5, ())
    assert found["web3"].pinned is None
