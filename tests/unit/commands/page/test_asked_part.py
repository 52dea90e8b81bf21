"""Parts of a page that a host is asked for."""

import threading
import time

import pytest

from commands.page import asked_part
from commands.page.asked_part import AskedPart
from model.errors import HostError
from tasks.page.page_data import PageSource, Unread
from tests.rig import wait_until


def test_an_answer_is_good_enough_for_a_while() -> None:
    """It is not asked for again within that time; where there is none, at each reading."""
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        return len(asked)

    often, seldom = AskedPart("a", ask, 10.0), AskedPart("b", ask, 10.0, 1000.0)
    unread: list[Unread] = []
    for part, expected in ((often, 1), (often, 2), (seldom, 3), (seldom, 3)):
        part.begin()
        assert part.answer(unread).value == expected
    assert unread == []


def test_where_no_answer_comes_the_last_is_shown_and_called_older(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is late and who refuses is said, and of when what is shown is; without an answer before there is none."""
    monkeypatch.setattr(time, "time", lambda: 1_796_040_000.0)
    answers: list[int | Exception] = [
        HostError("hive2 does not answer"),
        7,
        HostError("hive2 does not answer"),
    ]
    late = threading.Event()

    def ask() -> int:
        if not answers:
            late.wait(10)
            return 8
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    part = AskedPart("alarms", ask, 0.2)
    unread: list[Unread] = []
    shown = []
    for _ in range(4):
        part.begin()
        shown.append(part.answer(unread))
    late.set()

    assert [each.value for each in shown] == [None, 7, 7, 7]
    assert [each.source for each in shown] == [
        PageSource(None, "hive2 does not answer"),
        PageSource(1_796_040_000.0),
        PageSource(1_796_040_000.0, "hive2 does not answer"),
        PageSource(1_796_040_000.0, "no answer within 0 s"),
    ]
    assert [each.source.is_sure for each in shown] == [False, True, False, False]
    assert unread == [
        Unread("alarms", "hive2 does not answer"),
        Unread("alarms", "hive2 does not answer (what is shown is of 2026-11-30 12:00 UTC)"),
        Unread("alarms", "no answer within 0 s (what is shown is of 2026-11-30 12:00 UTC)"),
    ]


def test_a_question_that_is_still_at_work_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the page is read: its answer is taken when it comes. After a long time it counts as lost."""
    asked: list[int] = []
    go_on = threading.Event()

    def ask() -> int:
        asked.append(1)
        number = len(asked)
        if number == 1:
            go_on.wait(30)
        return number

    part = AskedPart("log lines", ask, 0.01, 1000.0)
    unread: list[Unread] = []
    for _ in range(3):
        part.begin()
        assert part.answer(unread).value is None
    assert (len(asked), len(unread)) == (1, 3)
    go_on.set()
    wait_until(lambda: part.answer([]).value == 1, "the answer that is late")
    part.begin()
    assert (part.answer(unread).value, len(asked), len(unread)) == (1, 1, 3)

    go_on.clear()
    asked.clear()
    lost = AskedPart("log lines", ask, 0.01)
    lost.begin()
    assert lost.answer([]).source.why
    monkeypatch.setattr(asked_part, "GIVEN_UP", 0.0)
    lost.begin()
    wait_until(lambda: lost.answer([]).value == 2, "the answer to the second question")
    go_on.set()


def test_an_answer_that_came_after_its_time_may_be_old_by_now() -> None:
    """As where nobody looked at the page for hours: what is to be of now is asked for anew."""
    asked: list[int] = []
    go_on = threading.Event()

    def ask() -> int:
        asked.append(1)
        number = len(asked)
        go_on.wait(30)
        return number

    part = AskedPart("alarms", ask, 0.01)
    part.begin()
    assert part.answer([]).value is None
    go_on.set()
    wait_until(lambda: part._coming is not None and part._coming.done(), "the answer that is late")

    part.begin()
    wait_until(lambda: part.answer([]).value == 2, "the answer of now")


def test_a_fault_is_no_answer() -> None:
    """What is not said by a host is a fault of skep's own, and is not hidden."""

    def ask() -> int:
        raise ValueError("a fault")

    part = AskedPart("alarms", ask, 10.0)
    part.begin()
    with pytest.raises(ValueError, match="a fault"):
        part.answer([])
