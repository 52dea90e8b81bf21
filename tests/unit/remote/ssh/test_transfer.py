"""One command's output as another one's input."""

from pathlib import Path

import pytest

from model.errors import CommandError
from remote.ssh.transfer import transfer

HOSTS = ("hive0", "hive1")


def test_all_bytes_go_through_and_are_counted(tmp_path: Path) -> None:
    """A million bytes arrive as they were sent, and each is counted."""
    counted: list[int] = []
    target = tmp_path / "out"
    transfer(
        ["sh", "-c", "head -c 1000000 /dev/zero"],
        ["sh", "-c", f"cat >{target}"],
        counted.append,
        HOSTS,
        "copying",
    )

    assert target.stat().st_size == sum(counted) == 1_000_000


@pytest.mark.parametrize(
    ("sends", "takes", "said"),
    [
        (
            "echo data; echo broken disk >&2; exit 3",
            "cat >/dev/null",
            "hive0: copying: exit status 3\n    broken disk",
        ),
        (
            "echo data; echo broken disk >&2; exit 3",
            "cat >/dev/null; echo unexpected end >&2; exit 2",
            "hive0: copying: exit status 3\n    broken disk",
        ),
        (
            "echo data",
            "cat >/dev/null; echo no sync >&2; exit 5",
            "hive1: copying: exit status 5\n    no sync",
        ),
        ("yes", "echo no room >&2; exit 4", "hive1: copying: exit status 4\n    no room"),
        ("yes", "head -n 3 >/dev/null; echo full >&2; exit 2", "hive1: copying: exit status 2\n    full"),
    ],
)
def test_whoever_fails_is_named(sends: str, takes: str, said: str) -> None:
    """The host, the exit status and the last words are in the message; nobody waits for the other one."""
    with pytest.raises(CommandError) as caught:
        transfer(["sh", "-c", sends], ["sh", "-c", takes], lambda _count: None, HOSTS, "copying")

    assert str(caught.value) == said
