"""Files of environment variables: compose's form, and every line that can't be read told with its number."""

import os
from pathlib import Path

import pytest

from model.errors import ConfigError
from model.site_file.env_files import LARGEST, env_file
from model.site_file.load import load
from tests.unit.model.good_site import GOOD, problems


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("A=b", {"A": "b"}),
        ("A = b c  # remark", {"A": "b c"}),
        ("A=b#c", {"A": "b#c"}),
        ("A=", {"A": ""}),
        ("A=x=y", {"A": "x=y"}),
        ("export A=b", {"A": "b"}),
        ("A='b $c #d' # remark", {"A": "b $c #d"}),
        ('A="b\\n\\"c\\" \\$d"', {"A": 'b\n"c" $d'}),
        ('A="{\\"k\\": 1}"', {"A": '{"k": 1}'}),
        ("a.b-c=1", {"a.b-c": "1"}),
        ("A=p$$w", {"A": "p$w"}),
        ('A="p$$w"', {"A": "p$w"}),
        ("A='p$$w'", {"A": "p$$w"}),
        ("A: b", {"A": "b"}),
        ("A:b=c", {"A": "b=c"}),
        ("A='a\nB=1'\nC=2", {"A": "a\nB=1", "C": "2"}),
        ('A="-----BEGIN\nab==\n" # remark\nC=2', {"A": "-----BEGIN\nab==\n", "C": "2"}),
        ("A='it\\'s'", {"A": "it's"}),
        ("A='C:\\temp'", {"A": "C:\\temp"}),
        ('A="a\\tb\\\\c\\x\\041"', {"A": "a\tb\\c\\x!"}),
        ("A=a\u2028B=1\x0cC=1", {"A": "a\u2028B=1\x0cC=1"}),
        ("A= #b", {"A": "#b"}),
        ("A=a\t#b", {"A": "a\t#b"}),
        ("A=5$", {"A": "5$"}),
        ("\n# remark\n  \nA=b\r\n", {"A": "b"}),
        ("\ufeffA=ü", {"A": "ü"}),
        ("A=1\nA=2", {"A": "2"}),
    ],
)
def test_lines(tmp_path: Path, line: str, found: dict[str, str]) -> None:
    """Remarks, quotes, escapes and Windows' line ends mean what they do for compose."""
    (tmp_path / "app.env").write_bytes(line.encode())

    assert env_file("p", tmp_path, "app.env") == found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1\nhunter2", "p: app.env: line 2: is not NAME=value"),
        ("=x", "p: app.env: line 1: is not NAME=value"),
        (
            "A=${B}",
            "p: app.env: line 1: A: variables in values are not replaced: write the value, or put it in single",
        ),
        ('A="x $B"', "p: app.env: line 1: A: variables in values are not replaced"),
        ('A="x', "p: app.env: line 1: A: its quotes don't end"),
        ("A='x' y", "p: app.env: line 1: A: its quotes are followed by something else"),
        ("A=1\nB='x\ny\nC=${D}", "p: app.env: line 2: B: its quotes don't end"),
        ("A=\\$B", "p: app.env: line 1: A: variables in values are not replaced"),
        ("A=a\0b", "p: app.env: line 1: A: has a NUL in it"),
        (b"A=\xff", "p: app.env: line 1, column 3: 0xFF is not UTF-8: save it as UTF-8"),
    ],
)
def test_mistakes(tmp_path: Path, text: str | bytes, problem: str) -> None:
    """The line's number and the way out; never the value, which may be a password."""
    (tmp_path / "app.env").write_bytes(text.encode() if isinstance(text, str) else text)

    with pytest.raises(ConfigError) as raised:
        env_file("p", tmp_path, "app.env")

    assert str(raised.value).startswith(problem)
    assert "hunter2" not in str(raised.value)


def test_environment_takes_precedence_over_files_and_the_last_file_over_others(site_dir: Path) -> None:
    """The variables are the service's environment, so a change of the file updates the service."""
    (site_dir / "one.env").write_text("A=1\nB=1\nC=1\n")
    (site_dir / "two.env").write_text("B=2\nC=2\n")
    text = GOOD + 'env_file = ["one.env", "two.env"]\nenvironment = { C = "3" }\n'
    (site_dir / "site.toml").write_text(text)

    assert load(site_dir / "site.toml").services["web"].environment == {"A": "1", "B": "2", "C": "3"}


def test_a_file_that_is_not_there_is_a_mistake(site_dir: Path) -> None:
    """It is told with the key's path."""
    assert problems(site_dir, GOOD + 'env_file = "no.env"\n') == [
        "services.web.env_file: no.env: No such file or directory"
    ]


def test_what_is_no_file_is_not_read(site_dir: Path) -> None:
    """A pipe would be waited for, and a device may never end; a file that is too large is not read either."""
    os.mkfifo(site_dir / "pipe")
    (site_dir / "large.env").write_text("A=" + "x" * LARGEST)

    lines = problems(site_dir, GOOD + 'env_file = ["pipe", "/dev/zero", "roles", "large.env"]\n')

    assert lines == [
        "services.web.env_file: pipe: is a pipe or a device, and not a file",
        "services.web.env_file: /dev/zero: is a pipe or a device, and not a file",
        "services.web.env_file: roles: Is a directory",
        "services.web.env_file: large.env: has 1048578 bytes, which is more than a container's environment",
    ]
