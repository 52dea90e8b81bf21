"""What the words of the command line select."""

import pytest

from commands.shared.task_selection import all_before, run_by

TASKS = {
    "hosts": ["hosts:one", "hosts:two"],
    "hosts:one": ["key"],
    "hosts:two": ["key"],
    "key": [],
    "services": ["services:web"],
    "services:web": ["hosts:one"],
}


@pytest.mark.parametrize(
    ("words", "needed", "own"),
    [
        (["services:web"], {"services:web", "hosts:one", "key"}, {"services:web"}),
        (["hosts"], {"hosts", "hosts:one", "hosts:two", "key"}, {"hosts", "hosts:one", "hosts:two"}),
        (["*:*e*"], {"hosts:one", "services:web", "key"}, {"hosts:one", "services:web"}),
    ],
)
def test_a_run_has_what_its_tasks_need_unless_they_run_alone(
    words: list[str], needed: set[str], own: set[str]
) -> None:
    """`doit -s` runs the named tasks, or those of a named phase, and nothing that they need."""
    before = all_before(TASKS)

    assert run_by(words, TASKS, before, alone=False) == needed
    assert run_by(words, TASKS, before, alone=True) == own


def test_a_chain_of_any_length() -> None:
    """As of many hosts that are replaced one after the other: whichever task is looked at first."""
    chain = {f"task{i}": [f"task{i + 1}"] if i < 2999 else [] for i in range(3000)}

    for tasks in (chain, dict(reversed(chain.items()))):
        before = all_before(tasks)
        assert list(before) == list(tasks)
        assert len(before["task0"]) == 2999
        assert before["task2998"] == {"task2999"}
        assert before["task2999"] == set()


def test_a_task_that_several_need() -> None:
    """What comes before it comes before each of them; a circle, which doit refuses, ends."""
    diamond = {"a": ["b", "c"], "b": ["d"], "c": ["d", "b"], "d": []}

    assert all_before(diamond) == {"a": {"b", "c", "d"}, "b": {"d"}, "c": {"b", "d"}, "d": set()}
    assert all_before({"a": ["b"], "b": ["a"]}).keys() == {"a", "b"}
