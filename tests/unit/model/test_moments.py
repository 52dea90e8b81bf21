"""Points in time as people type them."""

from datetime import datetime

import pytest

from model.errors import ConfigError
from model.moments import future_moment, past_moment

NOON = datetime(2026, 11, 29, 12, 0).astimezone()


def local(text: str) -> float:
    """Return a local time in seconds since 1970."""
    return datetime.fromisoformat(text).astimezone().timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOON.timestamp() - 90),
        ("1h30m", NOON.timestamp() - 5400),
        ("2d", NOON.timestamp() - 172_800),
        ("01:00", local("2026-11-29 01:00")),
        ("1:00", local("2026-11-29 01:00")),
        ("13:00", local("2026-11-28 13:00")),
        ("2026-11-01", local("2026-11-01 00:00")),
        ("2026-11-28 01:02:03", local("2026-11-28 01:02:03")),
        ("2026-11-28T01:02:03+00:00", local("2026-11-28T01:02:03+00:00")),
    ],
)
def test_past(text: str, moment: float) -> None:
    """A length of time is ago; a time of the day is the last one."""
    assert past_moment(text, NOON.timestamp()) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOON.timestamp() + 7200),
        ("13:00", local("2026-11-29 13:00")),
        ("01:00", local("2026-11-30 01:00")),
    ],
)
def test_future(text: str, moment: float) -> None:
    """A length of time is from now on; a time of the day is the next one."""
    assert future_moment(text, NOON.timestamp()) == moment


@pytest.mark.parametrize("text", ["", "soon", "5", "2h30", "25:00", "h", "-1h", "2026-13-01"])
def test_others_are_refused(text: str) -> None:
    """What is neither is refused with examples."""
    for reads in (past_moment, future_moment):
        with pytest.raises(ConfigError, match="15m, 2h, 1d"):
            reads(text, NOON.timestamp())


def test_until_when_is_not_past() -> None:
    """A point in the future may not be past."""
    with pytest.raises(ConfigError, match="is past"):
        future_moment("2026-11-28 01:00", NOON.timestamp())
