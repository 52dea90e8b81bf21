"""Layers of files: what they name of an image, so that nothing of it changes but the files."""

import io
import tarfile
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import NotFound

from model.errors import BuildError
from model.keys.tree import FIRST_TIME, Entry
from remote.images.archive import Archive
from remote.images.file_layers import Directory, Found, Other, Surroundings, SymbolicLink, look_in

IMAGE: dict[str, Found] = {
    "etc": Directory(0o751, 3, 4, 1111),
    "etc/hosts": Other(),
    "bin": SymbolicLink("usr/bin"),
    "usr": Directory(),
    "usr/bin": Directory(0o755, 0, 0, 2222),
    "loop": SymbolicLink("loop"),
}


def file(path: str, data: bytes = b"x") -> Entry:
    """Return a file."""
    return Entry(path, 0o644, data, "file")


def listed(archive: Archive) -> list[tuple[str, int, int, int, int]]:
    """Return the members of a layer: path, mode, owner, group, time."""
    with tarfile.open(fileobj=io.BytesIO(bytes(archive))) as read:
        return [(each.name, each.mode, each.uid, each.gid, int(each.mtime)) for each in read]


class Image:
    """An image whose paths are looked up, each of them noted."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, path: str) -> Found:
        """Return what is there."""
        self.asked.append(path)
        return IMAGE.get(path)


def test_a_directory_of_the_image_stays_what_it_is() -> None:
    """Owner, mode and time are the image's; a new directory is root's, with a time that is always the same."""
    image = Image()
    entries = (Entry("etc", 0o755, b"", "directory"), file("etc/new/a"), file("etc/new/sub/b"), file("top"))

    found = listed(Surroundings(image).archive("roles/x", entries))

    assert [each[:4] for each in found] == [
        ("etc", 0o751, 3, 4),
        ("etc/new", 0o755, 0, 0),
        ("etc/new/a", 0o644, 0, 0),
        ("etc/new/sub", 0o755, 0, 0),
        ("etc/new/sub/b", 0o644, 0, 0),
        ("top", 0o644, 0, 0),
    ]
    assert [each[4] for each in found if each[0] in {"etc", "etc/new"}] == [1111, FIRST_TIME]
    # In a directory that is new nothing has to be looked for.
    assert image.asked == ["etc", "etc/new"]


def test_a_link_of_the_image_is_followed() -> None:
    """`/bin/tool` goes into `/usr/bin`, where `/bin` leads to, and `/bin` stays a link."""
    found = listed(Surroundings(Image()).archive("roles/x", [file("bin/tool")]))

    assert [each[0] for each in found] == ["usr", "usr/bin", "usr/bin/tool"]
    assert found[1][4] == 2222


def test_later_layers_find_what_earlier_ones_put_there() -> None:
    """A directory, and a link; each is named in every layer that needs it, and looked up once."""
    image = Image()
    around = Surroundings(image)

    first = around.archive("roles/x", [file("etc/new/a"), Entry("short", 0o777, b"etc/new", "link")])
    second = around.archive("roles/y", [file("short/b")])

    assert [each[0] for each in listed(first)] == ["etc", "etc/new", "etc/new/a", "short"]
    assert [each[0] for each in listed(second)] == ["etc", "etc/new", "etc/new/b"]
    assert image.asked == ["etc", "etc/new"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("etc/hosts/a", "roles/x/root/etc/hosts/a: /etc/hosts is no directory in the image"),
        ("loop/a", "roles/x/root/loop/a: leads through links that have no end in the image: /loop"),
    ],
)
def test_a_path_that_can_not_be(path: str, words: str) -> None:
    """The message has the file, and the path in the image."""
    with pytest.raises(BuildError, match=words):
        Surroundings(Image()).archive("roles/x/root", [file(path)])


def test_equal_files_on_an_equal_image_are_one_layer() -> None:
    """Byte for byte; another content is another layer, and has another time."""

    def layer(data: bytes) -> Archive:
        return Surroundings(Image()).archive("roles/x", [file("etc/a", data)])

    assert layer(b"a").measured() == layer(b"a").measured()
    assert layer(b"a").measured()[1] != layer(b"b").measured()[1]
    assert listed(layer(b"a"))[1][4] != listed(layer(b"b"))[1][4]
    assert not Surroundings(Image()).archive("roles/x", [])


def _answers(kind: bytes, target: str = "") -> Any:
    """Return a container whose path has a kind; its content never ends."""
    info = tarfile.TarInfo("etc/")
    info.type, info.mode, info.uid, info.gid, info.mtime = kind, 0o41777, 5, 6, 77

    def blocks() -> Any:
        yield info.tobuf(tarfile.PAX_FORMAT)
        while True:
            yield bytes(100)

    return SimpleNamespace(get_archive=lambda _path: (blocks(), {"linkTarget": target}))


def test_what_the_engine_says_of_a_path() -> None:
    """Of a directory only the beginning of its content is read, however much there is; of its mode only the rights."""

    def missing(path: str) -> Any:
        raise NotFound(f"Could not find the file {path}")

    assert look_in(_answers(tarfile.DIRTYPE), "etc") == Directory(0o1777, 5, 6, 77)
    assert look_in(_answers(tarfile.REGTYPE), "etc") == Other()
    assert look_in(_answers(tarfile.SYMTYPE, "/usr/bin"), "bin") == SymbolicLink("usr/bin")
    assert look_in(SimpleNamespace(get_archive=missing), "none") is None
