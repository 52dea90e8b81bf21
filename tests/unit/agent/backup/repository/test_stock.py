"""What is noted of the generations that there are, for `doit status` and the alarms."""

from datetime import UTC, datetime, timedelta
from typing import Any

from agent.backup.repository.generations import Generation, Listing
from agent.backup.repository.stock import stock_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def at(days: float) -> int:
    """Return a time, by its days from now."""
    return int((NOW + days * DAY).timestamp())


def generation(
    days: float, service: str = "web", *, tested: float | None = None, ok: bool = True
) -> Generation:
    """Return a generation that came some days from now, with a trial."""
    came = NOW + days * DAY
    tests: Any = () if tested is None else ({"ok": ok, "at": (NOW + tested * DAY).isoformat()},)
    return Generation(f"{days}", service, "hive0", came, came, "scheduled", {}, {"hive0": "aa"}, tests=tests)


def stock(*generations: Generation, before: dict[str, Any] | None = None, **unread: str) -> dict[str, Any]:
    """Return what is noted."""
    return stock_of(Listing(list(generations), unread=unread), before or {}, NOW)


def test_what_there_is() -> None:
    """The newest, the first, and the last trial that went well of any."""
    made = [
        generation(-9, tested=-8),
        generation(-3, tested=-2, ok=False),
        generation(-1),
        generation(-5, "db"),
    ]
    assert stock(*made) == {
        "listed": at(0),
        "newest": {"web": at(-1), "db": at(-5)},
        "since": {"web": at(-9), "db": at(-5)},
        "tested": {"web": at(-8)},
    }


def test_what_is_kept_for_a_short_time_is_known_for_longer() -> None:
    """`keep` may let the first one, and that which was tried, go long before the next trial; not a service's last."""
    before = stock(generation(-9, tested=-8), generation(-9, "gone", tested=-8))
    found = stock(generation(-1), before=before)
    assert (found["since"], found["tested"]) == ({"web": at(-9)}, {"web": at(-8)})
    assert stock(before=before)["newest"] == {}


def test_what_can_not_be_read_counts_as_before() -> None:
    """Also when all was read last, so that nobody takes it for missing."""
    before = {
        "listed": at(-2),
        "newest": {"web": at(-3), "db": at(-3)},
        "since": {"db": at(-9)},
        "tested": {},
    }
    found = stock(generation(-1), before=before, hive1="restic: a snapshot is broken")
    assert found["listed"] == at(-2)
    assert found["newest"] == {"web": at(-1), "db": at(-3)}
    assert found["since"] == {"web": at(-1), "db": at(-9)}


def test_what_is_of_the_future_hides_nothing() -> None:
    """This host's clock was ahead: what came since is newer; only what is alone is noted so."""
    before = {"newest": {"db": at(9)}, "since": {"web": at(8)}, "tested": {"web": at(8)}}
    found = stock(generation(-1, tested=9), generation(10), before=before, hive1="unread")
    assert found["newest"] == {"web": at(-1)}
    assert found["tested"] == {}
    assert found["since"] == {"web": at(-1)}
    assert stock(generation(10))["newest"] == {"web": at(10)}
