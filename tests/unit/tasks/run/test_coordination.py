"""Tasks at work: no more at a time than there are places."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier, Event

from remote.mother.task_times import SHORTEST_WAIT, TaskTimes
from tasks.run.coordination import AT_A_TIME, Coordination
from tests.rig import wait_until


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


def test_what_a_task_waits_for_is_noted() -> None:
    """A lock by the task that holds it, an idle time by its cause; times of a thread without a task are nobody's."""
    coordination = Coordination()
    one, other = TaskTimes("p:one"), TaskTimes("p:other")
    holds, done = Event(), Event()

    def hold() -> None:
        with coordination.at_work(one), coordination.lock("x"):
            holds.set()
            done.wait(30)

    def want() -> None:
        with coordination.at_work(other):
            with coordination.lock("x"):
                pass
            with coordination.idle("the weather"):
                Event().wait(2 * SHORTEST_WAIT)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(hold)
        assert holds.wait(120)
        waiting = pool.submit(want)
        Event().wait(2 * SHORTEST_WAIT)
        done.set()
        waiting.result(30)

    assert one.waits == {}
    assert sorted(other.waits) == ["p:one", "the weather"]
    assert min(other.waits.values()) >= SHORTEST_WAIT
    assert one.ended is not None
    assert other.ended is not None
    assert one.began <= other.began < one.ended < other.ended
    with coordination.lock("x"):
        pass


def test_a_turn_goes_to_the_task_that_most_waits_for() -> None:
    """And who waits for it keeps no place from others."""
    coordination = Coordination()
    coordination.ranks = {"p:last": 1, "p:first": 2}
    order: list[str] = []
    names = [*(f"p:{n}" for n in range(AT_A_TIME)), "p:last", "p:first"]

    def take(name: str) -> None:
        with coordination.at_work(TaskTimes(name)), coordination.one_by_one("hive0"):
            order.append(name)

    with ThreadPoolExecutor(len(names)) as pool, coordination.one_by_one("hive0"):
        for name in names:
            pool.submit(take, name)
        turn = coordination._turns["hive0"]
        # More than there are places: who waits for a turn has none.
        wait_until(lambda: len(turn._waiting) == len(names), "all to wait")

    assert order[:2] == ["p:first", "p:last"]
    assert len(order) == len(names)
