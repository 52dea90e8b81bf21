"""Building a Dockerfile: the context that is sent, and the command."""

import tarfile
from io import BytesIO

import pytest

from model.images.dockerignore import counted
from model.keys.digest import Entry
from remote.images.dockerfile import build_command, context_archive


def entry(path: str, data: bytes = b"", kind: str = "file") -> Entry:
    """Return an entry of a context."""
    return Entry(path, 0o644 if kind == "file" else 0o755, data, kind)


@pytest.mark.parametrize(
    ("ignore", "kept"),
    [
        ("", {"a.txt", "b.md", "src/a.txt", "src/deep/b.md"}),
        ("*.md", {"a.txt", "src/a.txt", "src/deep/b.md"}),
        ("**/*.md", {"a.txt", "src/a.txt"}),
        ("src", {"a.txt", "b.md"}),
        ("/src/deep/", {"a.txt", "b.md", "src/a.txt"}),
        ("*\n!a.txt", {"a.txt"}),
        ("src/**\n!src/deep/b.md", {"a.txt", "b.md", "src/deep/b.md"}),
        ("# *\n\n?.txt", {"b.md", "src/a.txt", "src/deep/b.md"}),
        ("[ab].*", {"src/a.txt", "src/deep/b.md"}),
        ("Dockerfile", {"a.txt", "b.md", "src/a.txt", "src/deep/b.md"}),
    ],
)
def test_dockerignore(ignore: str, kept: set[str]) -> None:
    """What it names does not count, and is not sent."""
    tree = [
        entry(".dockerignore", ignore.encode()),
        entry("Dockerfile"),
        entry("a.txt"),
        entry("b.md"),
        entry("src", kind="directory"),
        entry("src/a.txt"),
        entry("src/deep", kind="directory"),
        entry("src/deep/b.md"),
    ]

    left = counted(tree)

    assert kept | {"Dockerfile"} == {each.path for each in left if each.kind == "file"}
    with tarfile.open(fileobj=BytesIO(context_archive(left))) as archive:
        assert [each.path for each in left] == archive.getnames()


def test_the_build_command() -> None:
    """Its context comes on its input; an image of limited age takes nothing from the cache."""
    assert "docker build  --network host -t skep/dockerfile:k -" in build_command(
        "skep/dockerfile:k", anew=False
    )
    assert "--no-cache --pull" in build_command("t", anew=True)
