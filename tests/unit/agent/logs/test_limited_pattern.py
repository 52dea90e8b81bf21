"""Regular expressions of people."""

import pytest

from agent.errors import AgentError
from agent.logs import limited_pattern
from agent.logs.limited_pattern import LimitedPattern


def test_an_expression_that_would_never_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would end it: the ssh session that asked may be gone, and nothing is written that could fail."""
    monkeypatch.setattr(limited_pattern, "LIMIT", 0.05)
    pattern = LimitedPattern("(a+)+$")

    assert pattern.is_in("a" * 40)
    with pytest.raises(AgentError, match="grep= took over"):
        pattern.is_in("a" * 40 + "b")
    assert not pattern.is_in("b")
