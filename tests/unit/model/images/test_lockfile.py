"""`site.lock`: what `doit lock` writes is read back, and nothing else is taken for it."""

from pathlib import Path

import pytest

from model.errors import ConfigError
from model.images import lockfile

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Names with any character of a reference survive."""
    held = {"debian:12": ONE, "127.0.0.1:5000/a/b_c:1.2": TWO}
    (tmp_path / "site.lock").write_text(lockfile.lockfile_text(held))

    assert lockfile.read_lockfile(tmp_path) == held


def test_a_lock_is_sorted_and_has_no_comments() -> None:
    """What `doit lock` changed is all that a diff shows."""
    assert lockfile.lockfile_text({"b:1": TWO, "a:1": ONE}) == f'[images]\n"a:1" = "{ONE}"\n"b:1" = "{TWO}"\n'


def test_a_name_may_be_written_in_full(tmp_path: Path) -> None:
    """It is looked up as it is pulled, in the one short spelling."""
    (tmp_path / "site.lock").write_text(f'[images]\n"docker.io/library/debian:12" = "{ONE}"\n')

    assert lockfile.read_lockfile(tmp_path) == {"debian:12": ONE}


def test_no_lock_pins_nothing(tmp_path: Path) -> None:
    """A site need not have one."""
    assert lockfile.read_lockfile(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[images\n", "delete it"),
        ("a = " + "[" * 3000 + "]" * 3000, "its tables lie too deep in one another; delete it"),
        ('[images]\n"a:1" = 2024-05-01\n', "2024-05-01 is not a digest"),
        ('[images]\n"a:1" = true\n', "true is not a digest"),
        (f'[images]\n"a:1" = {"9" * 5000}\n', "a number has more than 64 bits"),
        (f'[images]\n"a:1" = 0x{"f" * 5000}\n', "images.'a:1': 0xfff"),
        ("[images]\n[images]\n", "[images] is there twice (at line 2, column 8)"),
        ('"a b\\n" = 1\n', 'site.lock: "a b\\n": unknown key'),
        ("images = 1\n", "images: is not a table"),
        ("[imags]\n", "imags: unknown key, there is only [images]"),
        ('[images]\n"debian:12" = "12"\n', "images.'debian:12': '12' is not a digest"),
        ('[images]\n"debian:12" = 12\n', "images.'debian:12': 12 is not a digest"),
        (f'[images]\n"A:1" = "{ONE}"\n', "images.'A:1': 'A' is not a repository"),
    ],
)
def test_a_lock_that_was_changed_by_hand_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Each mistake is said with its path, and never taken for no lock."""
    (tmp_path / "site.lock").write_text(text)

    with pytest.raises(ConfigError) as caught:
        lockfile.read_lockfile(tmp_path)

    assert str(caught.value).startswith("site.lock: ")
    assert said in str(caught.value)
