"""Files out of a tar stream that somebody else has made."""

import io
import os
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


def stream(
    *members: tuple[tarfile.TarInfo, bytes], first: tuple[tarfile.TarInfo, bytes] | None = None
) -> io.BytesIO:
    """Return a stream of a directory `tree`, or of another first member, with these members in it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, data in (first or member("tree", tarfile.DIRTYPE), *members):
            tar.addfile(info, io.BytesIO(data))
    out.seek(0)
    return out


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Give a file that is not the copy's."""
    path = tmp_path / "outside"
    path.write_text("mine")
    path.chmod(0o600)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give the directory that is copied to."""
    path = tmp_path / "home"
    path.mkdir()
    return path


def is_untouched(path: Path) -> bool:
    """Return whether a file is as it was."""
    return (path.read_text(), path.stat().st_mode & 0o777) == ("mine", 0o600)


NAMES = ["tree/link", "tree//link", "tree/./link"]


@pytest.mark.parametrize("is_earlier", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_replaces_a_link(outside: Path, home: Path, name: str, *, is_earlier: bool) -> None:
    """Of the same stream, or left by an earlier copy: what it leads to, elsewhere, stays as it is."""
    link, file = member("tree/link", tarfile.SYMTYPE, str(outside)), member(name, data=b"theirs")
    if is_earlier:
        unpack(stream(link), home, "new")
        unpack(stream(file), home, "new")
    else:
        unpack(stream(link, file), home, "new")

    assert is_untouched(outside)
    assert (home / "new" / "link").read_bytes() == b"theirs"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("leads_to", ["outside", "home/other"])
def test_a_directory_follows_no_link(tmp_path: Path, home: Path, name: str, leads_to: str) -> None:
    """A link is where a directory is to be, also one that stays in the target: refused, with the way out."""
    (tmp_path / leads_to).mkdir(mode=0o700)
    unpack(stream(member("tree/link", tarfile.SYMTYPE, str(tmp_path / leads_to))), home, "new")

    with pytest.raises(
        StateError, match=r"new/link: is a symbolic link here and a directory there.*remove it"
    ):
        unpack(stream(member(name, tarfile.DIRTYPE), member(f"{name}/x", data=b"theirs")), home, "new")
    with pytest.raises(StateError, match="outside of"):
        unpack(stream(member(f"{name}/x", data=b"theirs")), home, "new")
    assert [*(tmp_path / leads_to).iterdir()] == []
    assert (tmp_path / leads_to).stat().st_mode & 0o777 == 0o700


def test_another_name_of_a_file_keeps_its_content(outside: Path, home: Path) -> None:
    """As in a copy that somebody made by hard links; and a tree with hard links can be copied twice."""
    (home / "new").mkdir()
    (home / "new" / "file").hardlink_to(outside)
    tree = (member("tree/file", data=b"theirs"), member("tree/same", tarfile.LNKTYPE, "tree/file"))

    unpack(stream(*tree), home, "new")
    unpack(stream(*tree), home, "new")

    assert is_untouched(outside)
    assert (home / "new" / "file").samefile(home / "new" / "same")
    assert (home / "new" / "same").read_bytes() == b"theirs"


def test_a_device_in_the_way(home: Path) -> None:
    """A FIFO would be waited on for ever, and a device would be written to: refused, also behind a link by name.

    A link within the tree, as of a log to /dev/stdout, is copied anew.
    """
    (home / "new").mkdir()
    os.mkfifo(home / "new" / "fifo")
    with pytest.raises(StateError, match="new/fifo: is a device, a FIFO or a socket, and no file: copy to"):
        unpack(stream(member("tree/fifo", data=b"theirs")), home, "new")

    (home / "out").symlink_to("/dev/null")
    with pytest.raises(StateError, match="out: is a device"):
        unpack(stream(member("tree/x"), first=member("tree", data=b"theirs")), home, "out")
    assert (home / "out").is_symlink()

    log = member("tree/log", tarfile.SYMTYPE, "/dev/null")
    unpack(stream(log), home, "new")
    unpack(stream(log), home, "new")
    assert (home / "new" / "log").is_symlink()


@pytest.mark.parametrize("is_earlier", [True, False])
def test_a_hard_link_to_a_link(outside: Path, home: Path, *, is_earlier: bool) -> None:
    """It becomes another symbolic link, and what that leads to keeps its mode."""
    link = member("tree/link", tarfile.SYMTYPE, str(outside))
    same = member("tree/same", tarfile.LNKTYPE, "tree/link")
    if is_earlier:
        unpack(stream(link), home, "new")
        unpack(stream(same), home, "new")
    else:
        unpack(stream(link, same), home, "new")

    assert (home / "new" / "same").readlink() == outside
    assert is_untouched(outside)
