"""Archives that are made while they are sent."""

import io
import tarfile
import time
from pathlib import Path

import pytest

from model.keys import tree
from model.keys.tree import read_tree
from remote.images.archive import archive_of


def members(archive: bytes) -> list[tarfile.TarInfo]:
    """Return the members of an archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as read:
        return read.getmembers()


def test_an_archive_holds_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same whether files are held or not, in every reading, and block by block."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(b"x" * 3000)
    (tmp_path / "sub" / ("long" * 50)).write_bytes(b"")
    (tmp_path / "link").symlink_to("sub/file")
    held = bytes(archive_of(read_tree(tmp_path)))
    monkeypatch.setattr(tree, "HELD_FILE", 10)
    monkeypatch.setattr(tree, "BLOCK", 1000)

    archive = archive_of(read_tree(tmp_path))

    assert [bytes(archive) for _ in range(2)] == [held] * 2
    assert max(map(len, archive)) < 12000
    found = {each.name: each for each in members(held)}
    assert list(found) == ["link", "sub", "sub/file", f"sub/{'long' * 50}"]
    assert found["link"].linkname == "sub/file"
    with tarfile.open(fileobj=io.BytesIO(held)) as read:
        content = read.extractfile("sub/file")
        assert content is not None
        assert content.read() == b"x" * 3000


def test_another_content_of_the_same_size_has_another_time(tmp_path: Path) -> None:
    """Web servers make an ETag of size and time; and what refuses 1970 gets a time after 1980, none in the future."""
    times = []
    for text in ("a", "b", "a"):
        (tmp_path / "app.js").write_text(f'console.log("{text}")')
        (made,) = members(bytes(archive_of(read_tree(tmp_path))))
        times.append(made.mtime)

    assert times[0] == times[2] != times[1]
    assert all(315532800 < each < time.time() for each in times)
