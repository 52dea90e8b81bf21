"""Messages that all clouds have."""

import pytest

from providers.cloud.errors import gone, refusal


def test_a_refusal_has_all_that_is_known_and_no_more() -> None:
    """The call, the code, the reason without its full stop, the request's id and the way out."""
    assert refusal("AWS", "RunInstances", "Busy", "Try later. ", "r-1", "run again") == (
        "AWS RunInstances: Busy: Try later (request r-1): run again"
    )
    assert refusal("AWS", "RunInstances", "", "no answer", "", "") == "AWS RunInstances: no answer"


@pytest.mark.parametrize(
    "reason",
    [
        "The specified disk size 20 GB is smaller than the size of the corresponding disk in the VM image: 30 GB.",
        "Volume of size 15GB is smaller than  snapshot 'snap-1', expect size >= 30GB",
        "Invalid value: '20'. Requested disk size cannot be smaller than the image size (50 GB)",
        "Flavor's disk is too small for requested image. Flavor disk is 1 bytes, image is 2 bytes.",
    ],
)
def test_a_disk_that_is_too_small_for_its_image(reason: str) -> None:
    """Whatever a cloud calls it, the way out is disk_size, and no quota."""
    assert refusal("X", "make", "C", reason, "", "ask for more").endswith(
        ": the image needs a larger disk: set disk_size (or repository_disk_size), or leave it out"
    )


def test_what_is_gone_is_told_with_its_task() -> None:
    """The way out is the task that makes it."""
    assert str(gone("hive0.example", "its public address", "address.hive0")) == (
        "hive0.example: its public address is gone: run `doit build_infra:address.hive0` first"
    )
