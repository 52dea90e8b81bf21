"""Texts with a form of their own."""

import pytest

from model.site import PublishedPort
from model.site_file.forms import age, published_port, seconds, size_in_bytes


@pytest.mark.parametrize(
    ("text", "number"), [("90s", 90), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), ("0s", 0)]
)
def test_a_duration_is_a_number_of_seconds(text: str, number: float) -> None:
    """Parts of a duration are added up."""
    assert seconds(text) == number


@pytest.mark.parametrize(("text", "number"), [("12h", 43_200), ("7d", 604_800)])
def test_an_age_is_a_number_of_seconds(text: str, number: int) -> None:
    """Hours and days."""
    assert age(text) == number


@pytest.mark.parametrize(
    ("text", "number"), [("512M", 512 * 2**20), ("512mb", 512 * 2**20), ("1.5k", 1536), ("7", 7), ("7b", 7)]
)
def test_a_size_is_a_number_of_bytes(text: str, number: int) -> None:
    """Units are powers of 1,024, in either case, with or without a b."""
    assert size_in_bytes(text) == number


def test_a_text_that_is_no_size_is_refused() -> None:
    """The message shows what a size looks like."""
    with pytest.raises(ValueError, match=r"^'5x' is not a valid size \(example: 512M\)$"):
        size_in_bytes("5x")


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("80", PublishedPort(80)),
        ("8080:80", PublishedPort(80, 8080)),
        ("53/udp", PublishedPort(53, protocol="udp")),
        ("53:5353/sctp", PublishedPort(5353, 53, "sctp")),
    ],
)
def test_a_port_in_short_form_is_read_and_written(text: str, port: PublishedPort) -> None:
    """The short form of what was read is what was written."""
    assert published_port(text) == port
    assert port.short == text
