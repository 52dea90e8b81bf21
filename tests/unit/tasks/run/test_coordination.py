"""Tasks at work: no more at a time than there are places."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier, Event

from tasks.run.coordination import AT_A_TIME, Coordination


def test_who_only_waits_lets_others_work() -> None:
    """As many as may be at work keep nobody from it while they all wait for something; then they need a place."""
    coordination = Coordination()
    order: list[str] = []
    waits, done = Barrier(AT_A_TIME + 1), Event()

    def waiter() -> None:
        with coordination.at_work():
            with coordination.idle():
                waits.wait(30)
                done.wait(30)
            order.append("waiter")

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for _ in range(AT_A_TIME):
            pool.submit(waiter)
        waits.wait(30)
        with coordination.at_work():
            order.append("other")
        done.set()

    assert order == ["other", *["waiter"] * AT_A_TIME]
    with coordination.idle():  # outside of any task, as `doit rollback` waits
        pass
    with ExitStack() as full:
        for _ in range(AT_A_TIME):
            full.enter_context(coordination.at_work())
