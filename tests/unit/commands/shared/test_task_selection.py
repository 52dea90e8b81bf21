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
