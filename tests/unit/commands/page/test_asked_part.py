"""Parts of a page that a host is asked for."""

import threading

import pytest

from commands.page.asked_part import AskedPart
from model.errors import HostError
from tasks.page.page_data import Unread


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
        assert part.answer(unread) == expected
    assert unread == []


def test_where_no_answer_comes_the_last_is_shown_and_called_older() -> None:
    """Who is late and who refuses is said; without an answer before there is none."""
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

    assert shown == [None, 7, 7, 7]
    assert unread == [
        Unread("alarms", "hive2 does not answer"),
        Unread("alarms", "hive2 does not answer (what is shown is older)"),
        Unread("alarms", "no answer within 0 s (what is shown is older)"),
    ]


def test_a_fault_is_no_answer() -> None:
    """What is not said by a host is a fault of skep's own, and is not hidden."""

    def ask() -> int:
        raise ValueError("a fault")

    part = AskedPart("alarms", ask, 10.0)
    part.begin()
    with pytest.raises(ValueError, match="a fault"):
        part.answer([])


def test_what_was_not_asked_for_is_not_there() -> None:
    """As where the repository host is not made."""
    assert AskedPart("alarms", int, 10.0).answer([]) is None
