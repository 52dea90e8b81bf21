"""The command line of `doit logs`."""

import pytest
from doit.cmd_base import DodoTaskLoader
from doit.exceptions import InvalidCommand

from commands.operate import logs
from commands.operate.logs import LogsCommand, journal_command


@pytest.mark.parametrize("words", [["-f", "web"], ["--follow", "web"]])
def test_f_is_follow(words: list[str]) -> None:
    """Before the service as well; doit's own `-f`, which names another dodo.py, would take the service for that."""
    params, rest = LogsCommand(task_loader=DodoTaskLoader(), config={}).cmdparser.parse(words)

    assert (params["follow"], rest) == (True, ["web"])
    assert params["dodoFile"] != "web"


@pytest.mark.parametrize(
    ("unit", "moment", "pattern", "follow", "command"),
    [
        ("docker", 0.0, "", False, "journalctl --no-pager -o short-iso -u docker -n 20"),
        (
            "",
            5.0,
            "no route",
            False,
            "journalctl --no-pager -o short-iso --since=@5 '--grep=no route' --case-sensitive=yes | tail -n 20",
        ),
        (
            "",
            0.0,
            "x",
            True,
            (
                "journalctl --no-pager -o short-iso --grep=x --case-sensitive=yes -n 20 -f "
                "& reader=$!; cat >/dev/null; kill $reader"
            ),
        ),
    ],
)
def test_a_journal(unit: str, moment: float, pattern: str, command: str, *, follow: bool) -> None:
    """The newest line comes last, also of those that match, and capital letters count as in services' logs."""
    assert journal_command(unit, moment, 20, pattern, follow=follow) == command


@pytest.mark.parametrize(
    ("text", "follow", "message"),
    [("maybe", False, "write central=yes"), ("yes", True, "leave out -f")],
)
def test_what_is_kept_is_read_once(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch, *, follow: bool
) -> None:
    """It does not grow while somebody waits; another word than yes is a mistake."""
    monkeypatch.setattr(logs, "get_var", lambda _name: text)

    with pytest.raises(InvalidCommand, match=message):
        logs._is_central(follow=follow)
