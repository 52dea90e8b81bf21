"""The context of a Dockerfile's build: what `.dockerignore` leaves out."""

import os
import socket
from pathlib import Path

import pytest

from model.errors import ConfigError
from model.images.build_context import read_context


def context(directory: Path, ignore: bytes, name: str = ".dockerignore") -> Path:
    """Make a context with a few files."""
    root = directory / "app"
    (root / "src" / "deep").mkdir(parents=True)
    for path in ("Dockerfile", "a.txt", "b.md", "src/a.txt", "src/deep/b.md", "a+b"):
        (root / path).write_text(path)
    (root / name).write_bytes(ignore)
    return root


ALL = {"a.txt", "b.md", "src/a.txt", "src/deep/b.md", "a+b"}


@pytest.mark.parametrize(
    ("ignore", "kept"),
    [
        ("", ALL),
        ("*.md", ALL - {"b.md"}),
        ("**/*.md", ALL - {"b.md", "src/deep/b.md"}),
        ("**.md", ALL - {"b.md", "src/deep/b.md"}),
        ("**/b.md", ALL - {"b.md", "src/deep/b.md"}),
        ("src", {"a.txt", "b.md", "a+b"}),
        ("/src/deep/", ALL - {"src/deep/b.md"}),
        ("*\n!a.txt", {"a.txt"}),
        ("*\n!src/deep", {"src/deep/b.md"}),
        ("*\n!**/*.md", {"b.md", "src/deep/b.md"}),
        ("src/**\n!src/deep/b.md", ALL - {"src/a.txt"}),
        ("!a.txt\n*", set()),
        ("# *\n\n?.txt", ALL - {"a.txt"}),
        (" # *\n  a.txt  ", ALL - {"a.txt"}),
        ("[ab].*", {"src/a.txt", "src/deep/b.md", "a+b"}),
        ("[^a].*", ALL - {"b.md"}),
        ("Dockerfile", ALL),
        ("\ufeffa.txt", ALL - {"a.txt"}),
        ("a.txt\r\nb.md\r\n", ALL - {"a.txt", "b.md"}),
        ("src/../a.txt", ALL - {"a.txt"}),
        ("./src/./a.txt", ALL - {"src/a.txt"}),
        ("../app/a.txt\n.\n/\n..", ALL),
        ("a+b", ALL - {"a+b"}),
        ("a\\.txt", ALL - {"a.txt"}),
        ("aa?b", ALL),
    ],
)
def test_dockerignore(tmp_path: Path, ignore: str, kept: set[str]) -> None:
    """What its lines name does not count, as Docker reads them; the Dockerfile always does, the file itself never."""
    context(tmp_path, ignore.encode())

    found = {entry.path for entry in read_context(tmp_path, "app") if entry.kind == "file"}

    assert found == kept | {"Dockerfile"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[z-a]x", "the range z-a is upside down"),
        ("[a", r"a `\[` without its `\]`"),
        ("[]a]", "stands at the wrong place"),
        ("[a-]", "stands at the wrong place"),
        ("a\\", "nothing stands behind"),
        ("!", "nothing stands behind the `!`"),
        ("!/", "only paths below the context can be taken back"),
        ("!/a/../", "only paths below the context can be taken back"),
    ],
)
def test_a_line_that_is_none(tmp_path: Path, line: str, reason: str) -> None:
    """It is said with file and line, and not by a traceback."""
    context(tmp_path, f"a\n\n{line}\n".encode())

    with pytest.raises(ConfigError, match=rf"^app/\.dockerignore: line 3: .*{reason}"):
        read_context(tmp_path, "app")


@pytest.mark.parametrize("ignore", ["data", "data/**", "*\n!a.txt", "**/pipe\n**/shut\n**/socket"])
def test_what_is_left_out_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignore: str
) -> None:
    """Pipes, sockets and directories that can't be read are in the way of nothing."""
    data = context(tmp_path, ignore.encode()) / "data"
    (data / "shut").mkdir(parents=True)
    os.mkfifo(data / "pipe")
    monkeypatch.chdir(data)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    real = os.scandir

    def scandir(path: str) -> object:
        if os.fspath(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    assert not [each for each in read_context(tmp_path, "app") if each.path.startswith("data/")]


def test_what_is_not_left_out_is_said(tmp_path: Path) -> None:
    """A pipe in a context is refused with its path, and with the way to leave it out."""
    os.mkfifo(context(tmp_path, b"") / "pipe")

    with pytest.raises(ConfigError, match=r"app/pipe: is not a file, .*\(what app/\.dockerignore names"):
        read_context(tmp_path, "app")


def test_the_dockerfiles_own_dockerignore(tmp_path: Path) -> None:
    """`<Dockerfile>.dockerignore` counts instead of `.dockerignore`, and then that is a file as any other."""
    root = context(tmp_path, b"a.txt")
    (root / "Dockerfile.dockerignore").write_bytes(b"*.md")

    found = {entry.path for entry in read_context(tmp_path, "app") if entry.kind == "file"}

    assert found == {"Dockerfile", ".dockerignore", "a.txt", "src/a.txt", "src/deep/b.md", "a+b"}


def test_a_directory_that_dockerignore_empties_is_there(tmp_path: Path) -> None:
    """As one that holds nothing but `.gitkeep`."""
    root = context(tmp_path, b"**/.gitkeep\nsrc")
    (root / "logs").mkdir()
    (root / "logs" / ".gitkeep").write_text("")

    found = read_context(tmp_path, "app")

    assert [each.path for each in found if each.kind == "directory"] == ["logs"]


def test_the_state_is_no_part_of_a_context(tmp_path: Path) -> None:
    """A site that is its own context would be stale after each run, and have its secrets in the image."""
    (tmp_path / "Dockerfile").write_text("")
    (tmp_path / "state" / "private" / "secrets").mkdir(parents=True)
    (tmp_path / "state" / "private" / "secrets" / "vault.json").write_text("")

    assert [each.path for each in read_context(tmp_path, ".")] == ["Dockerfile"]
