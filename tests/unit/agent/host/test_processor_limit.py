"""Work of the processor that is ended in time."""

import re
import time

import pytest

from agent.host.processor_limit import OverLimitError, processor_limit

_ENDLESS = re.compile("(a+)+$")


def test_what_takes_longer_is_ended() -> None:
    """Also within `re`, which is one call of Python's."""
    with pytest.raises(OverLimitError), processor_limit(0.05):
        _ENDLESS.search("a" * 40 + "b")


def test_what_ends_in_time_is_ended_no_more() -> None:
    """The limit goes with the block, and waiting takes nothing of it."""
    with processor_limit(0.05):
        time.sleep(0.06)
    began = time.process_time()
    while time.process_time() < began + 0.1:
        pass
