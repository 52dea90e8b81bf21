"""Messages that all clouds have."""

from providers.cloud.errors import gone, refusal


def test_a_refusal_has_all_that_is_known_and_no_more() -> None:
    """The call, the code, the reason without its full stop, the request's id and the way out."""
    assert refusal("AWS", "RunInstances", "Busy", "Try later. ", "r-1", "run again") == (
        "AWS RunInstances: Busy: Try later (request r-1): run again"
    )
    assert refusal("AWS", "RunInstances", "", "no answer", "", "") == "AWS RunInstances: no answer"


def test_what_is_gone_is_told_with_its_task() -> None:
    """The way out is the task that makes it."""
    assert str(gone("hive0.example", "its public address", "address.hive0")) == (
        "hive0.example: its public address is gone: run `doit build_infra:address.hive0` first"
    )
