"""The files that git ignores: each rule as git itself has it."""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.keys.gitignore import Level, level_of

PIECES = [
    "a",
    "b",
    "*",
    "**",
    "?",
    "/",
    "/",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-",
    "]",
    "\\",
    "!",
    "#",
    " ",
    ".",
    "[[:alpha:]]",
    "é",
    "[é]",
]
NAMES = ["a", "b", "ab", "a b", "#a", "!b", "a.b", "]", "-", "é"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a home of one's own: the person's rules count."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return home


def git(directory: Path, *words: str) -> str:
    """Run git, and return its output."""
    done = subprocess.run(["git", *words], cwd=directory, check=True, timeout=60, capture_output=True)
    return os.fsdecode(done.stdout)


def tree(directory: Path) -> None:
    """Make a tree of many names, two levels deep."""
    for top in NAMES:
        (directory / top).mkdir()
        for name in NAMES:
            (directory / top / name).write_text("")
        (directory / top / "sub").mkdir()
        for name in ("a", "ab"):
            (directory / top / "sub" / name).write_text("")


def kept(root: Path, directory: str = "", level: Level | None = None) -> Iterator[str]:
    """Yield the files that are not ignored."""
    level = level or level_of(root)
    assert level is not None
    for path in sorted((root / directory).iterdir()):
        if path.name == ".git" or level.ignores(path.name, is_directory=path.is_dir()):
            continue
        if path.is_dir():
            yield from kept(root, str(path.relative_to(root)), level.enter(path.name))
        else:
            yield str(path.relative_to(root))


def seen_by_git(root: Path) -> list[str]:
    """Return the files that git tracks or would add."""
    return sorted(git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_patterns_are_those_of_git(tmp_path: Path, seed: int) -> None:
    """Whatever is written, the same files are ignored as by git."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    root = tmp_path / "site"
    root.mkdir()
    git(root, "init", "-q")
    tree(root)
    for _ in range(12):
        for place in ("", "ab/", "ab/sub/"):
            lines = ["".join(dice.choices(PIECES, k=dice.randint(1, 5))) for _ in range(dice.randint(1, 4))]
            (root / place / ".gitignore").write_text("\n".join(lines) + "\n")

        assert sorted(kept(root)) == seen_by_git(root), [
            (root / place / ".gitignore").read_text() for place in ("", "ab/", "ab/sub/")
        ]


def test_characters_are_bytes_as_for_git(tmp_path: Path) -> None:
    """`?` and `[…]` stand for one byte, and `é` has two."""
    root = tmp_path / "site"
    root.mkdir()
    git(root, "init", "-q")
    (root / ".gitignore").write_text("?.x\n[é].y\n??.z\n")
    for name in ("é.x", "é.y", "é.z", "e.x"):
        (root / name).write_text("")

    assert sorted(kept(root)) == seen_by_git(root) == [".gitignore", "é.x", "é.y"]


@pytest.mark.parametrize("version", [2, 4])
def test_what_git_tracks_is_not_ignored(tmp_path: Path, version: int) -> None:
    """A file that was added all the same is in every clone, also below a directory that is ignored."""
    root = tmp_path / "site"
    root.mkdir()
    git(root, "init", "-q")
    tree(root)
    (root / ".gitignore").write_text("a*\n")
    git(root, "add", "-f", "a/b", "ab/sub/ab", "b/a")
    git(root, "update-index", "--index-version", str(version))

    assert sorted(kept(root)) == seen_by_git(root)
    assert {"a/b", "ab/sub/ab", "b/a"} <= set(kept(root))


def test_the_persons_own_rules(tmp_path: Path, home: Path) -> None:
    """`.DS_Store` is mostly named in nobody's repository, but in a file of the person's."""
    root = tmp_path / "site"
    root.mkdir()
    git(root, "init", "-q")
    for name in (".DS_Store", "x.swp", "secret", "keep"):
        (root / name).write_text("")
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "ignore").write_text(".DS_Store\n")
    (root / ".git" / "info" / "exclude").write_text("secret\n")
    assert sorted(kept(root)) == seen_by_git(root) == ["keep", "x.swp"]

    (home / ".gitconfig").write_text(
        '# mine\n[core] ; c\n\teditor = vi ; x\n\texcludesFile = "~/mine" # y\n[core "x"]\nbare\n'
    )
    (home / "mine").write_text("*.swp\r\n")
    assert sorted(kept(root)) == seen_by_git(root) == [".DS_Store", "keep"]


def test_a_further_work_tree(tmp_path: Path) -> None:
    """Its `.git` is a file, and the rules lie with the first work tree."""
    first, root = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    git(first, "init", "-q")
    git(first, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x")
    (first / ".git" / "info" / "exclude").write_text("secret\n")
    git(first, "worktree", "add", "-q", str(root))
    for name in ("secret", "keep"):
        (root / name).write_text("")

    assert sorted(kept(root)) == seen_by_git(root) == ["keep"]


def test_no_work_tree(tmp_path: Path) -> None:
    """Where git is not at home nothing is ignored."""
    (tmp_path / ".gitignore").write_text("*\n")

    assert level_of(tmp_path) is None
