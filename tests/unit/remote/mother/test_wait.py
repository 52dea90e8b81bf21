"""Waiting: its end, its message, and its pauses."""

from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError, ProviderError
from remote.mother.wait import Pace, attempts, telling, wait_for

QUICK = Pace(first=0.001, longest=0.001)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the pauses that are made, on a clock that only they move."""
    made: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(made), sleep=made.append)
    monkeypatch.setattr("remote.mother.wait.time", clock)
    return made


def test_the_answer_is_returned() -> None:
    """None and False are no answers yet; all else is, though it be empty."""
    answers: Any = iter([None, False, []])

    assert wait_for(lambda: next(answers), "an answer", 30, pace=QUICK) == []


def test_time_is_over_with_what_is_waited_for_and_how_it_stands() -> None:
    """The message has what, for how long, and the reason; without a reason it ends there."""
    with pytest.raises(ProviderError) as caught:
        wait_for(lambda: False, "hive0 to run", 0, kind=ProviderError, reason=lambda: "it is stopped")
    assert str(caught.value) == "waited 0 s for hive0 to run: it is stopped"

    with pytest.raises(HostError) as plain:
        wait_for(lambda: False, "hive0 to run", 0)
    assert str(plain.value) == "waited 0 s for hive0 to run"


def test_errors_that_mean_not_yet() -> None:
    """They are waited out, and the last one is the reason; others end the wait at once."""
    errors = [OSError("refused"), OSError("reset")]

    def condition() -> bool:
        if errors:
            raise errors.pop(0)
        return True

    assert wait_for(condition, "an answer", 30, retry=OSError, pace=QUICK)

    errors[:] = [OSError("no route")]
    with pytest.raises(HostError, match=r"^waited 0 s for an answer: no route$"):
        wait_for(condition, "an answer", 0, retry=OSError)

    errors[:] = [OSError("no route")]
    with pytest.raises(OSError, match="no route"):
        wait_for(condition, "an answer", 30, retry=ValueError)


def test_pauses_grow_and_end_with_the_time(pauses: list[float]) -> None:
    """Each pause is longer, up to a longest; the last attempt is made when time is over, and none is made later."""
    count = sum(1 for _ in attempts(10, Pace(first=1, longest=3, factor=2)))

    assert pauses == [1, 2, 3, 3, 1]
    assert count == 6


def test_pauses_are_spread(pauses: list[float]) -> None:
    """Many who wait don't ask at the same moment: a part of each pause is left to chance."""
    for _ in attempts(20, Pace(first=1, longest=1, spread=0.5)):
        pass

    assert all(0.5 <= pause <= 1 for pause in pauses[:-1])
    assert len(set(pauses)) > 10


def test_one_attempt_is_made_without_time() -> None:
    """Who has no time to wait still asks once."""
    assert len(list(attempts(0))) == 1


def test_who_waits_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log gets what is waited for, and why it is not so yet: at first, when that changes, and every half minute."""
    clock, lines, answers = [100.0], list[str](), iter(["no", "no", "not yet", "", "", None])
    monkeypatch.setattr("remote.mother.wait.time", SimpleNamespace(monotonic=lambda: clock[0]))
    reason = [""]

    def condition() -> bool:
        clock[0] += 20
        answer = next(answers)
        reason[0] = answer or ""
        if answer:
            raise HostError(answer)
        return answer is None

    ask = telling(condition, "hive0", lines.append, lambda: "as it is")
    for _ in range(3):
        with pytest.raises(HostError):
            ask()
    assert [ask(), ask(), ask()] == [False, False, True]

    as_it_is = "waiting for hive0: as it is"
    assert lines == ["waiting for hive0: no", "waiting for hive0: not yet", as_it_is]
    answers = iter(["", "", ""])
    assert [ask(), ask(), ask()] == [False, False, False]
    assert lines[3:] == [as_it_is, as_it_is]
