"""Images are never stale and never built needlessly, whatever the history."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.doubles.engine import Fault
from tests.doubles.image_histories import ANSIBLE, AROUND, EDITS, Edit, play

SHM = Path("/dev/shm")
NUMBERS = st.integers(0, 59)
EDIT: st.SearchStrategy[Edit] = st.tuples(
    st.sampled_from([*EDITS, *ANSIBLE, *AROUND]), NUMBERS, NUMBERS, NUMBERS
)
FAULT = st.builds(Fault, st.integers(1, 40), st.booleans(), st.sampled_from(["refused", "lost", "killed"]))
STEP = st.tuples(EDIT, st.one_of(st.none(), st.none(), FAULT))


@pytest.mark.slow
@pytest.mark.timeout(300)  # a busy machine takes many times the usual 15 s
@settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(STEP, max_size=8))
def test_any_history_leaves_what_a_build_from_nothing_makes(history: list[tuple[Edit, Fault | None]]) -> None:
    """After each step: the same files and configuration as from nothing, and no layer built that was not changed."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as directory:
        play(Path(directory), history)
