"""The files of roles: what is said before a role runs."""

from pathlib import Path

import pytest

from model import site as types
from model.checks import role_files
from model.checks.role_files import check_role_files


@pytest.fixture
def role(tmp_path: Path) -> Path:
    """Return a role in a site's directory."""
    role = tmp_path / "site" / "roles" / "web"
    (role / "files" / "root" / "etc").mkdir(parents=True)
    (role / "setup.sh").write_text("set -eu\n")
    return role


def problems(role: Path) -> list[str]:
    """Return the mistakes in the files of a site's only role."""
    site = types.Site(
        site="a.test", stages={}, images={"i": types.Image(from_="a", roles=[types.RoleUse(role="web")])}
    )
    return list(check_role_files(site, role.parents[1]))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (b"set -eu\r\necho\r\n", "line 1 ends with CR LF"),
        (b"set -eu\necho a \\\r\nb\n", "line 2 ends with CR LF"),
        (b"cat <<END\nGET /\nEND\necho\r\n", "line 4 ends with CR LF"),
        (b"\xef\xbb\xbfset -eu\n", "begins with a byte order mark"),
        (b"\xff\xfes\x00", "is UTF-16, which sh can't read: save it as UTF-8"),
        (b"\x7fELF\x02\x00\x00", "is no text, and sh can't read it"),
        (b"#!/usr/bin/env python3\nprint(1)\n", "its first line asks for python, and it is run by /bin/sh"),
        (b"#!/usr/bin/perl -w\n", "its first line asks for perl"),
        (b"#!/bin/bash -e\nset -eu\n", ""),
        (b"tail -c +26 $0 | tar x\nexit\n\x1f\x8b\x00", ""),
        (b"cat >/x <<'END'\nGET / HTTP/1.1\r\n\r\nEND\necho\n", ""),
        (b"cat <<-END\n\ta\r\n\tEND\necho\n", ""),
        (b"printf 'a\r'\n", ""),
        (b"tail -n +3 $0 | tar xz\nexit 0\n\x1f\x8b\x08a\r\nb\r\n", ""),
        (b"tail -n +2 $0 | tar xz; exit\na\r\n", ""),
        (b"tail -n +3 $0 | sh\nreturn\na\0b\r\nc\r\n", ""),
        (b"tail -n +3 $0 | sh\r\nreturn\na\0b\r\nc\r\n", "line 1 ends with CR LF"),
        (b"cd /x || exit 1\necho a\r\n", "line 2 ends with CR LF"),
        (b"if ! true; then exit 1; fi\necho a\r\n", "line 2 ends with CR LF"),
        (b"true\nexit 0\r\n", "line 2 ends with CR LF"),
        (b"printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'\n", ""),
        (b'printf "a \\"\r\n$x\r\n"\necho\n', ""),
        (b"# it's\necho a\r\necho 'b'\n", "line 2 ends with CR LF"),
        (b"echo it\\'s\necho a\r\necho 'b'\n", "line 2 ends with CR LF"),
        (b"paste <<A <<'B C'\na\r\nA\nb\r\nB C\necho\n", ""),
        (b"paste <<A <<B\na\r\nA\nb\r\nB\necho\r\n", "line 6 ends with CR LF"),
        (b"cat <<<word\necho a\r\n", "line 2 ends with CR LF"),
        (b"n=$((1<<n))\necho a\r\n", "line 2 ends with CR LF"),
        (b"n=$((m << (n + 1)))\necho a\r\n", "line 2 ends with CR LF"),
        (b"cat 0<<END\na\r\nEND\n", ""),
        (b"echo a\r", "line 1 ends with CR LF"),
        (b"", ""),
    ],
)
def test_a_script_of_windows(role: Path, script: bytes, said: str) -> None:
    """Its line ends and byte order mark are said with the line; those of a text in it are its own business."""
    (role / "setup.sh").write_bytes(script)

    found = problems(role)

    assert [line.startswith("roles/web/setup.sh: ") and said in line for line in found] == [True] * bool(said)


@pytest.mark.parametrize(
    ("path", "text", "is_told"),
    [
        ("files/entry.sh", b"#!/bin/sh\r\nexec x\r\n", True),
        ("files/entry", b"#!/usr/bin/env python3\r\n", True),
        ("files/entry.sh", b"#!/bin/sh\nexec x\n", False),
        ("files/page.txt", b"a\r\nb\r\n", False),
        ("templates/entry.sh", b"#!/bin/sh\r\n", False),
    ],
)
def test_a_program_that_no_kernel_would_find(role: Path, path: str, text: bytes, *, is_told: bool) -> None:
    """`/bin/sh` and a CR is no program: a container would say that the script itself is not there.

    Ansible writes templates with the line ends of Unix.
    """
    (role / path).parent.mkdir(exist_ok=True)
    (role / path).write_bytes(text)

    told = (
        f"roles/web/{path}: its first line ends with CR LF as on Windows, so that no kernel finds the program"
    )
    assert [line.startswith(told) for line in problems(role)] == [True] * is_told


@pytest.mark.parametrize(
    ("path", "target", "leads_out"),
    [
        ("files/a", "../../../shared/a", True),
        ("files/a", "../../web2/a", True),
        ("a", "..", True),
        ("files/a", "{site}/shared/a", True),
        ("files/a", "../setup.sh", False),
        ("files/a", "root/../root/etc", False),
        ("files/root/etc/mtab", "../proc/mounts", False),
        ("files/a", "missing", False),
        ("files/a", "/etc/alternatives/a", False),
        ("files/a", "/dev/null", False),
        ("files/a", "/data/of/the/container", False),
        ("files/a", "/tmp", False),
        ("files/a", "/root/x/y", False),
        ("files/a", "{tmp}/there", False),
    ],
)
def test_a_link_that_leads_out_of_the_role(role: Path, path: str, target: str, *, leads_out: bool) -> None:
    """It would dangle where the role runs; one that means something in the image is a file as any other."""
    site = role.parents[1]
    (site.parent / "there").write_text("")
    (role / path).symlink_to(target.format(site=site, tmp=site.parent))

    found = problems(role)

    assert [line.startswith(f"roles/web/{path}: is a link to ") for line in found] == [True] * leads_out


def test_a_link_to_what_this_machine_has(role: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that images don't have is taken for this machine's if it is here; one that nobody may see is not."""
    monkeypatch.setattr(role_files, "_IN_IMAGES", frozenset())
    (role / "files" / "there").symlink_to(role.parents[1])
    (role / "files" / "a").symlink_to(role.parents[2])
    (role / "files" / "b").symlink_to(role.parents[2] / "missing")
    (role / "files" / "c").symlink_to(role.parents[2] / ("x" * 300))

    assert [line.partition(": ")[0] for line in problems(role)] == [
        "roles/web/files/a",
        "roles/web/files/there",
    ]


def test_a_link_in_the_sites_own_modules(role: Path) -> None:
    """Where a role of Ansible is used, they are copied as roles are."""
    site = role.parents[1]
    (site / "lib").mkdir()
    (site / "lib" / "mine.py").symlink_to("../shared/mine.py")
    assert problems(role) == []

    (role / "setup.sh").unlink()
    (role / "tasks").mkdir()
    (role / "tasks" / "main.yml").write_text("[]")

    (found,) = problems(role)
    assert found.startswith("lib/mine.py: is a link to ../shared/mine.py, which is not in lib, ")


def test_a_link_that_git_ignores(role: Path) -> None:
    """What is no part of the role is not looked at."""
    (role.parents[1] / ".git").mkdir()
    (role.parents[1] / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (role / ".gitignore").write_text("a\n")
    (role / "a").symlink_to("/work")

    assert problems(role) == []
