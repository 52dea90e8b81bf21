"""From when on a generation's data is: what came later may not be in it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.backup.repository.generations import Generation

ARRIVED = datetime(2026, 11, 27, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


def generation(made: datetime, **facts: Any) -> Generation:
    """Return one that arrived at 3 o'clock, after two hours."""
    return Generation(
        "aa", "web", "hive0", made, ARRIVED, "scheduled", {"seconds": 7200.0, **facts}, {"hive0": "aa"}
    )


@pytest.mark.parametrize(
    ("made", "begun", "told"),
    [
        (ARRIVED - HOUR, "2026-11-27T00:58:00+00:00", "2026-11-27T00:58:00+00:00"),
        # A clock that was a year ahead; then one that was a minute ahead; then an agent that did not say it.
        (ARRIVED + 9000 * HOUR, "2027-12-07T00:58:00+00:00", "2026-11-27T01:00:00+00:00"),
        (ARRIVED, "2026-11-27T03:01:00+00:00", "2026-11-27T03:00:00+00:00"),
        (ARRIVED - HOUR, None, "2026-11-27T01:00:00+00:00"),
    ],
)
def test_when_it_was_begun(made: datetime, begun: str | None, told: str) -> None:
    """As the hive's clock says, unless that was wrong: then by the repository host's, and by how long it took."""
    assert generation(made, begun=begun).told()["begun"] == told


def test_what_is_ahead() -> None:
    """What is dated more than an hour into the future was dated by a clock that was wrong."""
    found = generation(ARRIVED)
    assert not found.is_ahead(ARRIVED - timedelta(minutes=59))
    assert found.is_ahead(ARRIVED - timedelta(minutes=61))


@pytest.mark.parametrize(
    "facts", [{"begun": "soon"}, {"begun": "2026-11-27T00:58:00"}, {"seconds": "long"}, {"seconds": 1e300}]
)
def test_what_a_hive_makes_up(facts: dict[str, Any]) -> None:
    """A seal that makes no sense keeps nobody's generations from being told."""
    told = generation(ARRIVED - HOUR, **facts).told()["begun"]
    assert told == ("2026-11-27T03:00:00+00:00" if "seconds" in facts else "2026-11-27T01:00:00+00:00")
