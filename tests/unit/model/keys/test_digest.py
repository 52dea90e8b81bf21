"""Inputs, digests and keys."""

import errno
import os
from pathlib import Path

import pytest

from model.errors import ConfigError
from model.keys.digest import changed, flatten, key_of, read_tree, tree_inputs
from model.secrets.secret import Secret


def test_flatten_names_every_value_by_its_key_path() -> None:
    """Each value is one input; empty tables and lists count too."""
    assert flatten("s", {"a": {"b": 1}, "c": [True, "x"], "d": [], "e": {}}) == {
        "s.a.b": "1",
        "s.c[0]": "true",
        "s.c[1]": '"x"',
        "s.d": "[]",
        "s.e": "{}",
    }


def test_a_long_value_is_kept_as_its_digest() -> None:
    """State files stay small, and a change still shows."""
    assert flatten("s", "x" * 500)["s"].startswith("sha256:")
    assert flatten("s", "x" * 500) != flatten("s", "x" * 501)


def test_a_key_does_not_depend_on_order() -> None:
    """Key order in TOML means nothing."""
    assert key_of({"a": "1", "b": "2"}) == key_of({"b": "2", "a": "1"})
    assert key_of({"a": "1"}) != key_of({"a": "2"})


def test_changes_are_named() -> None:
    """What was added, removed or changed is said by name, old against new where it can be read."""
    said = changed({"a": "1", "b": "hmac:0", "c": "1"}, {"a": "2", "b": "hmac:1", "d": "1"})

    assert said == ["a: 1 → 2", "c removed", "d added", "b changed"]


def test_changes_are_named_without_pythons_words() -> None:
    """A provider's input that is None, True or False is said in words; a text of site.toml's stays as it is."""
    old = {"cpus": "2", "memory_size": "None", "publish": "False", "vars.who": '"None"'}
    new = {"cpus": "None", "memory_size": "2048", "publish": "True", "vars.who": '"you"'}
    assert changed(old, new) == [
        "cpus: 2 → not set",
        "memory_size: not set → 2048",
        "publish: false → true",
        'vars.who: "None" → "you"',
    ]


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


def test_a_secret_does_not_print_itself() -> None:
    """Neither str, repr nor formatting show it; its fingerprint is keyed."""
    secret = Secret("hunter2")

    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret:>20}"
    assert secret.fingerprint(b"a") != secret.fingerprint(b"b")
    assert "hunter2" not in secret.fingerprint(b"a")


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
