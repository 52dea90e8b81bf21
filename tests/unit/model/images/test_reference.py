"""References of images, in Docker's own grammar."""

import pytest

from model.images.reference import Reference, is_registry, parse

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "reference", "shown"),
    [
        ("debian", Reference("docker.io", "library/debian", "latest"), "debian:latest"),
        ("debian:12", Reference("docker.io", "library/debian", "12"), "debian:12"),
        ("docker.io/library/debian:12", Reference("docker.io", "library/debian", "12"), "debian:12"),
        ("index.docker.io/a/b:1", Reference("docker.io", "a/b", "1"), "a/b:1"),
        ("a/b:1", Reference("docker.io", "a/b", "1"), "a/b:1"),
        ("localhost/a:1", Reference("localhost", "a", "1"), "localhost/a:1"),
        ("registry.example/a/b/c:1", Reference("registry.example", "a/b/c", "1"), "registry.example/a/b/c:1"),
        ("127.0.0.1:5000/a", Reference("127.0.0.1:5000", "a", "latest"), "127.0.0.1:5000/a:latest"),
        ("[::1]:5000/a:1", Reference("[::1]:5000", "a", "1"), "[::1]:5000/a:1"),
        (f"debian@{DIGEST}", Reference("docker.io", "library/debian", "", DIGEST), f"debian@{DIGEST}"),
        (f"a/b:1@{DIGEST}", Reference("docker.io", "a/b", "1", DIGEST), f"a/b:1@{DIGEST}"),
    ],
)
def test_a_reference_is_taken_apart(text: str, reference: Reference, shown: str) -> None:
    """What is understood is filled in; shown again, it is as people write it, and means the same."""
    assert parse(text) == reference
    assert str(reference) == shown
    assert parse(shown) == reference


@pytest.mark.parametrize(
    "text", ["", "Debian:12", "a b:1", "a:", "a:-x", "a@sha256:12", "https://docker.io/a:1", "/a:1", "a//b:1"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    """A text that Docker would refuse is refused before anything is asked."""
    with pytest.raises(ValueError, match="is not a "):
        parse(text)


def test_a_digest_takes_the_place_of_a_tag() -> None:
    """What is pulled by its digest has no tag that could say another thing."""
    assert str(parse("debian:12").at(DIGEST)) == f"debian@{DIGEST}"


@pytest.mark.parametrize(
    ("mirror", "shown"),
    [
        ("mirror.example:5000", "mirror.example:5000/library/debian:12"),
        ("mirror.example/hub", "mirror.example/hub/library/debian:12"),
    ],
)
def test_a_mirror_has_the_whole_path(mirror: str, shown: str) -> None:
    """Docker Hub's `library/` is understood there and written out elsewhere."""
    assert str(parse("debian:12").on(mirror)) == shown


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("docker.io", True),
        ("registry.example:5000", True),
        ("https://docker.io", False),
        ("registry.example/a", False),
        ("index.docker.io", False),
        ("", False),
    ],
)
def test_registries_have_one_spelling(text: str, *, good: bool) -> None:
    """A registry's table is found by what references are taken apart into."""
    assert is_registry(text) is good
