"""Where a copy goes: into a directory that is there, else under the name that was given."""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from commands.operate.cp import _bring, _fetch, _Progress
from model.errors import ServiceError, StateError
from remote.engine.container_archive import PathStat


class Files:
    """A container's files: what a path is, and what was put where."""

    def __init__(self, **paths: str) -> None:
        self.paths = {"/tmp": "directory", "/srv/page": "file", "/srv/link": "-> ../tmp", **paths}
        self.put_into = ""
        self.names: list[str] = []

    def stat(self, path: str) -> PathStat | None:
        """Return what a path is."""
        kind = {"/srv/../tmp": "directory"}.get(path) or self.paths.get(path.rstrip("/"))
        if kind is None:
            return None
        return PathStat(
            path.rpartition("/")[2], 4, kind == "directory", kind[3:] if kind.startswith("-> ") else ""
        )

    def get(self, path: str, take: Callable[[BinaryIO], None]) -> None:
        """Give a stream of a file `page`."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            member = tarfile.TarInfo(path.rpartition("/")[2])
            member.size = 4
            tar.addfile(member, io.BytesIO(b"page"))
        stream.seek(0)
        take(stream)

    def put(self, directory: str, pieces: Iterator[bytes]) -> None:
        """Note what comes."""
        self.put_into = directory
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
            self.names = tar.getnames()


@pytest.mark.parametrize(("target", "expected"), [(".", "page"), ("new", "new"), ("sub", "sub/page")])
def test_out(tmp_path: Path, target: str, expected: str) -> None:
    """Into a directory that is there, under its own name; else under the new one."""
    (tmp_path / "sub").mkdir()
    files: Any = Files()
    _fetch(files, "/srv/page", tmp_path / target, _Progress())

    assert (tmp_path / expected).read_text() == "page"


def test_out_of_nothing(tmp_path: Path) -> None:
    """What is not there, and a directory here that is not there, are said."""
    files: Any = Files()

    with pytest.raises(ServiceError, match=r"^/none: not there in the container$"):
        _fetch(files, "/none", tmp_path, _Progress())
    with pytest.raises(StateError, match=r"/no/where: there is no such directory$"):
        _fetch(files, "/srv/page", tmp_path / "no" / "where" / "page", _Progress())


@pytest.mark.parametrize(
    ("path", "into", "names"),
    [
        ("/tmp", "/tmp", ["tree", "tree/file"]),
        ("/tmp/", "/tmp/", ["tree", "tree/file"]),
        ("/tmp/other", "/tmp", ["other", "other/file"]),
        ("/srv/link", "/srv/../tmp", ["tree", "tree/file"]),
    ],
)
def test_in(tmp_path: Path, path: str, into: str, names: list[str]) -> None:
    """Into a directory that is there, also by way of a link; else under the new name."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("x")
    files: Any = Files()
    _bring(files, tmp_path / "tree", path, _Progress())

    assert (files.put_into, files.names) == (into, names)


def test_in_where_it_can_not_be(tmp_path: Path) -> None:
    """A directory onto a file, into a directory that is not there, and a source that is not there, are said."""
    (tmp_path / "tree").mkdir()
    files: Any = Files()

    with pytest.raises(
        ServiceError, match=r"^/srv/page: is a file in the container, and .*tree a directory$"
    ):
        _bring(files, tmp_path / "tree", "/srv/page", _Progress())
    with pytest.raises(ServiceError, match=r"^/none/: there is no such directory in the container$"):
        _bring(files, tmp_path / "tree", "/none/", _Progress())
    with pytest.raises(StateError, match=r"none: there is no such file$"):
        _bring(files, tmp_path / "none", "/tmp", _Progress())
