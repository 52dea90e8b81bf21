"""The files of a directory: which are counted, how they are read, and their times."""

import errno
import os
import subprocess
import time
from pathlib import Path

import pytest

from model.errors import ConfigError
from model.keys import tree
from model.keys.digest import changed
from model.keys.tree import Entry, read_tree, tree_inputs


def test_a_tree_counts_what_git_keeps(tmp_path: Path) -> None:
    """Path, content, the executable bit and link targets count; times and other mode bits do not."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("x")
    (tmp_path / "link").symlink_to("sub/file")
    before = tree_inputs("r", read_tree(tmp_path))

    (tmp_path / "sub" / "file").chmod(0o600)
    os.utime(tmp_path / "sub" / "file", (1, 1))
    assert tree_inputs("r", read_tree(tmp_path)) == before

    (tmp_path / "sub" / "file").chmod(0o700)
    assert changed(before, tree_inputs("r", read_tree(tmp_path))) == ["r/sub/file changed"]


@pytest.mark.parametrize("edit", ["content", "add", "remove", "rename", "relink"])
def test_every_edit_of_a_tree_shows(tmp_path: Path, edit: str) -> None:
    """Removing a line from a role counts, as does every other edit that can reach the image."""
    (tmp_path / "a").write_text("one\ntwo\n")
    (tmp_path / "l").symlink_to("a")
    before = tree_inputs("r", read_tree(tmp_path))

    match edit:
        case "content":
            (tmp_path / "a").write_text("one\n")
        case "add":
            (tmp_path / "b").write_text("")
        case "remove":
            (tmp_path / "a").unlink()
        case "rename":
            (tmp_path / "a").rename(tmp_path / "c")
        case "relink":
            (tmp_path / "l").unlink()
            (tmp_path / "l").symlink_to("b")

    assert tree_inputs("r", read_tree(tmp_path)) != before


def test_an_empty_directory_does_not_count(tmp_path: Path) -> None:
    """Git keeps none, so that a fresh clone must make the same image without it; what leads to a file does count."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").mkdir()
    assert read_tree(tmp_path) == ()

    (tmp_path / "a" / "b" / "file").write_text("")
    assert [entry.path for entry in read_tree(tmp_path)] == ["a", "a/b", "a/b/file"]


@pytest.mark.parametrize("kind", ["name", "target"])
def test_names_are_utf8(tmp_path: Path, kind: str) -> None:
    """What is not UTF-8 can't be in a key; it is refused with its name, and not met as a traceback later."""
    odd = os.fsdecode(b"f\xff")
    if kind == "name":
        (tmp_path / odd).write_text("")
    else:
        (tmp_path / "link").symlink_to(odd)

    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_tree(tmp_path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A socket or a pipe in a role can't be copied, and is said so."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigError, match="pipe: is not a file, directory or link"):
        read_tree(tmp_path)


def test_a_directory_that_can_not_be_read_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said with its path: what is in it would be missing from the image."""
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut" / "file").write_text("x")
    real = os.scandir

    def scandir(path: str) -> object:
        if os.fspath(path).endswith("shut"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    with pytest.raises(ConfigError, match=f"^{tmp_path}/shut: Permission denied$"):
        read_tree(tmp_path)


def test_large_files_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one large file nor many small ones are in memory as a whole; keys are those of held ones."""
    (tmp_path / "large").write_bytes(b"x" * 100)
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"y" * 20)
    held = read_tree(tmp_path)
    monkeypatch.setattr(tree, "HELD_FILE", 50)
    monkeypatch.setattr(tree, "HELD_TREE", 45)

    found = read_tree(tmp_path)

    assert [(each.path, len(each.data), each.size) for each in found] == [
        ("a", 20, 20), ("b", 20, 20), ("c", 0, 20), ("large", 0, 100),
    ]  # fmt: skip
    assert [each.input for each in found] == [each.input for each in held]
    assert [each.time for each in found] == [each.time for each in held]
    assert b"".join(found[3].blocks()) == b"x" * 100


@pytest.mark.parametrize("content", [b"y" * 100, b"x" * 99, b"x" * 101, None])
def test_a_file_that_is_not_held_is_the_one_that_was_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """What is sent has the hashed content, or the run fails and says which file was changed meanwhile."""
    path = tmp_path / "large"
    path.write_bytes(b"x" * 100)
    monkeypatch.setattr(tree, "HELD_FILE", 50)
    (entry,) = read_tree(tmp_path)
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=f"^{path}: (was changed while|No such file)"):
        list(entry.blocks())


def test_times_follow_from_the_content() -> None:
    """Another content of the same size has another time, the same content the same one, all after 1980 and past."""
    one, other = (Entry("a", 0o644, text, "file").time for text in (b"a", b"b"))

    assert one != other
    assert one == Entry("elsewhere", 0o755, b"a", "file").time
    directory = Entry("d", 0o755, b"", "directory").time
    assert all(315532800 < each < time.time() for each in (one, other, directory))


def test_git_itself_and_what_it_ignores_do_not_count(tmp_path: Path) -> None:
    """A colleague's clone has the same files; also with a repository in a role, and with rules on any level."""
    role = tmp_path / "roles" / "r"
    (role / "files" / ".git").mkdir(parents=True)
    (role / "files" / ".git" / "config").write_text("")
    (role / "sub" / "__pycache__").mkdir(parents=True)
    (role / "sub" / "__pycache__" / "x.pyc").write_text("")
    for name in ("setup.sh", ".DS_Store", "files/y", "notes~", "tracked~", "sub/deep.log"):
        (role / name).write_text("")
    (tmp_path / ".gitignore").write_text("*.pyc\n.DS_Store\n*~\n")
    (role / "sub" / ".gitignore").write_text("*.log\n")
    assert "files/.git/config" not in {entry.path for entry in read_tree(role)}

    for words in (["init", "-q"], ["add", "."], ["add", "-f", "roles/r/tracked~"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, timeout=20)

    assert [entry.path for entry in read_tree(role) if entry.kind != "directory"] == [
        "files/y", "setup.sh", "sub/.gitignore", "tracked~",
    ]  # fmt: skip


def test_what_is_ignored_as_a_whole_is_there(tmp_path: Path) -> None:
    """Who names a directory that git ignores, as that of an installed role, means what is in it."""
    role = tmp_path / "roles" / "installed"
    role.mkdir(parents=True)
    (role / "setup.sh").write_text("")
    (tmp_path / ".gitignore").write_text("/roles/installed\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True, timeout=20)

    assert [entry.path for entry in read_tree(role)] == ["setup.sh"]


def test_empty_directories_where_they_are_wanted(tmp_path: Path) -> None:
    """They are there and count, but for those that only hold what git ignores: a clone lacks these."""
    for name in ("empty/deep", "ignored", "full"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "full" / "file").write_text("")
    (tmp_path / "ignored" / "x.pyc").write_text("")
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True, timeout=20)

    found = read_tree(tmp_path, empty=True)

    assert [each.path for each in found] == [".gitignore", "empty", "empty/deep", "full", "full/file"]
    assert set(tree_inputs("c", found)) == {"c/.gitignore", "c/empty/deep/", "c/full/file"}
