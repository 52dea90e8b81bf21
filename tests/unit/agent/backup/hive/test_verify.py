"""When a generation is to be tried."""

import time

import pytest

from agent.backup.hive.verify import is_due

_DAY = 86_400.0


@pytest.mark.parametrize(
    ("period", "age", "due"),
    [
        ("weekly", None, True),
        ("weekly", 6 * _DAY, False),
        ("weekly", 7 * _DAY, True),
        ("daily", 0.5 * _DAY, False),
        ("daily", -_DAY, True),
        ("never", None, False),
    ],
)
def test_when_it_is_due(*, period: str, age: float | None, due: bool) -> None:
    """As often as `verify` says; at once where none was tried, or a clock that was ahead noted the last one."""
    assert is_due(period, None if age is None else time.time() - age) is due
