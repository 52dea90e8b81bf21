"""Work in threads that nothing waits for in the end, since a host may never answer."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import cycle
from typing import TypeVar

from model.errors import HostError, SkepError

T = TypeVar("T")

AGAIN = 2.5
"""Seconds after which the same is asked again, where no answer has come."""


def begin(work: Callable[[], T]) -> "Future[T]":
    """Begin a piece of work in a thread that does not hold up the end of this process."""
    future: Future[T] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    return future


def first_answer(questions: Sequence[Callable[[], T]], ends: float) -> T:
    """Return the first answer to any of these questions.

    The next one is asked when one is refused, or has had no answer for a while; behind the last, those that were not
    refused once more. A manager that has lost the swarm's leader holds a question for 20 s (`swarmRequestTimeout` of
    moby's daemon/cluster), and answers one that is asked after the election at once.

    Args:
        questions: The questions.
        ends: The end of the time, by the monotonic clock.

    Raises:
        TimeoutError: There is no answer in time.
        SkepError: All are refused: one of the refusals.

    """
    waiting: dict[Future[T], int] = {}
    refused: dict[int, SkepError] = {}
    for index in cycle(range(len(questions))):
        if index in refused:
            continue
        if (left := ends - time.monotonic()) <= 0:
            raise TimeoutError
        waiting[begin(questions[index])] = index
        for answer in wait(waiting, min(AGAIN, left), FIRST_COMPLETED).done:
            asked = waiting.pop(answer)
            try:
                return answer.result()
            except SkepError as error:
                refused[asked] = error
        if len(refused) == len(questions):
            raise refused[index]
    raise HostError("nobody is there to be asked")
