"""Waits for a cloud."""

from collections.abc import Iterator

import pytest

from model.errors import ProviderError
from providers.cloud import retry as module
from providers.cloud.retry import RetryPolicy, poll, retry
from remote.mother.wait import Pace


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    """Have the cloud be asked often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PACE", Pace(first=0.001, longest=0.001))
        yield


def test_what_passes_is_waited_out_and_told_once() -> None:
    """The call is repeated until it works; each kind of error is said one time."""
    errors = [TimeoutError("slow down"), TimeoutError("slow down"), TimeoutError("not found")]
    said: list[str] = []

    def call() -> str:
        if errors:
            raise errors.pop(0)
        return "made"

    assert retry(call, RetryPolicy(lambda e: isinstance(e, TimeoutError), 30), said.append) == "made"
    assert said == ["again soon: slow down", "again soon: not found"]


def test_what_does_not_pass_is_raised_at_once() -> None:
    """So is a transient error when time is over: as it is, for the caller to explain."""
    calls: list[str] = []

    def call() -> None:
        calls.append("called")
        raise ValueError(len(calls))

    with pytest.raises(ValueError, match=r"^[12]$"):
        retry(call, RetryPolicy(lambda _: False, 30))
    with pytest.raises(ValueError, match=r"^[12]$"):
        retry(call, RetryPolicy(lambda _: True, 0))
    assert len(calls) == 2


def test_a_wait_ends_with_how_it_stands() -> None:
    """The message has the event that was waited for, and the cloud's last answer."""
    answers = iter([None, "running"])

    assert poll(lambda: next(answers), "hive0 to run", 30, lambda: "") == "running"
    with pytest.raises(ProviderError, match="waited 0 s for hive0 to run: it is pending, request 12"):
        poll(lambda: None, "hive0 to run", 0, lambda: "it is pending, request 12")
