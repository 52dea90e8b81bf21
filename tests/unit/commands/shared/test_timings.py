"""`doit run --timings`: the chain that the run's end waited for."""

import pytest

from commands.shared.timings import chain, lines
from remote.mother.task_times import A_PLACE, TaskTimes

BEFORE = {
    "image": ["registry", "base"],
    "base": ["registry"],
    "registry": ["host"],
    "group": ["image", "base"],
    "service": ["group", "secret"],
}


def times(**given: tuple[float, float]) -> dict[str, TaskTimes]:
    """Return times of tasks, in seconds since the run began at 100."""
    return {task: TaskTimes(task, 100 + began, 100 + ended) for task, (began, ended) in given.items()}


def test_each_link_is_what_was_done_last_of_what_the_next_one_needs() -> None:
    """Through groups as well; what ended early is not in it, though the last task needs it."""
    ran = times(host=(1, 3), registry=(3, 5), base=(5, 9), image=(9, 12), secret=(3, 4), service=(12, 20))

    links = chain(BEFORE, ran, 100)

    assert [(link.task, link.began, link.took) for link in links] == [
        ("host", 1, 2),
        ("registry", 3, 2),
        ("base", 5, 4),
        ("image", 9, 3),
        ("service", 12, 8),
    ]


def test_a_task_that_was_up_to_date_hands_on_what_it_needs() -> None:
    """It took no time; but what it needs ran before the one that needs it could begin."""
    links = chain(BEFORE, times(host=(1, 3), image=(3, 6), secret=(1, 2)), 100)

    assert [link.task for link in links] == ["host", "image"]


def test_a_task_that_did_not_end_is_no_link() -> None:
    """As one whose log can't be written."""
    ran = {**times(host=(1, 3)), "registry": TaskTimes("registry", 104)}

    assert [link.task for link in chain(BEFORE, ran, 100)] == ["host"]


def test_the_lines_add_up_to_the_whole() -> None:
    """Each second of the run is in one line; waits are named beside the link that had them."""
    ran = times(host=(1.5, 3.5), registry=(6.0, 10.0))
    ran["registry"].waits = {A_PLACE: 2.5, "the swarm to run it": 3.0, "short": 0.01}

    shown = list(lines(chain(BEFORE, ran, 100), whole=11.0, ran=7))

    assert shown == [
        "the end of the run waited for this chain, 2 of the 7 tasks that ran:",
        "     from     took",
        "      0.0    1.5 s  (the start, and the look at the stage)",
        "      1.5    2.0 s  host",
        "      3.5    2.5 s  (until the next one began)  2.5 s for a place among the tasks at work",
        "      6.0    4.0 s  registry  3.0 s for the swarm to run it",
        "     10.0    1.0 s  (the end)",
        "its tasks took 6.0 s of 11.0 s, 55 %; 1.5 s passed before them, 2.5 s between them, 1.0 s after them",
    ]


@pytest.mark.parametrize("whole", [0.0, 0.5])
def test_a_run_with_nothing_to_do_has_no_chain(whole: float) -> None:
    """It says where the time went nevertheless."""
    [line] = lines([], whole, 0)

    assert line == f"no task ran: {whole:.1f} s for the start, the look at the stage and the end"
