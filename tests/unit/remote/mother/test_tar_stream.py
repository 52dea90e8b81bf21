"""Files out of a tar stream that somebody else has made."""

import io
import tarfile
from pathlib import Path

import pytest

from model.errors import StateError
from remote.mother.tar_stream import unpack


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b""
) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member of a stream."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    info.mode = 0o777
    return info, data


def stream(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    """Return a stream of a directory `tree` with these members in it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, data in (member("tree", tarfile.DIRTYPE), *members):
            tar.addfile(info, io.BytesIO(data))
    out.seek(0)
    return out


@pytest.mark.parametrize("name", ["tree/link", "tree//link", "tree/./link"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE])
def test_a_link_of_the_stream_is_not_followed(tmp_path: Path, name: str, kind: bytes) -> None:
    """A link, and then a file or a directory of its name: what it leads to, elsewhere, stays as it is."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    outside.chmod(0o600)
    home = tmp_path / "home"
    home.mkdir()
    data = b"theirs" if kind == tarfile.REGTYPE else b""

    with pytest.raises(StateError, match="outside of"):
        unpack(
            stream(member("tree/link", tarfile.SYMTYPE, str(outside)), member(name, kind, data=data)),
            home,
            "new",
        )
    assert (outside.read_text(), outside.stat().st_mode & 0o777) == ("mine", 0o600)


def test_a_hard_link_to_a_link(tmp_path: Path) -> None:
    """It becomes another symbolic link, and what that leads to keeps its mode."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    outside.chmod(0o600)
    home = tmp_path / "home"
    home.mkdir()
    unpack(
        stream(
            member("tree/link", tarfile.SYMTYPE, str(outside)),
            member("tree/same", tarfile.LNKTYPE, "tree/link"),
        ),
        home,
        "new",
    )

    assert (home / "new" / "same").readlink() == outside
    assert outside.stat().st_mode & 0o777 == 0o600
