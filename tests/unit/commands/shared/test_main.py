"""doit's main program: arguments that are empty, and those behind `--`."""

from collections.abc import Sequence
from typing import Any

import pytest
from doit import get_var
from doit.doit_cmd import DoitMain
from doit.exceptions import InvalidCommand

from commands.run import RunCommand
from commands.shared.main import Main


@pytest.mark.parametrize(
    ("words", "number"), [(["run", ""], 2), (["", "web"], 1), (["why", "", "--", "x"], 2)]
)
def test_an_empty_argument_is_refused(
    words: list[str], number: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is run: without it the command would be another one."""
    monkeypatch.setattr(DoitMain, "run", lambda *_: pytest.fail("it was run"))

    assert Main().run(words) == 3
    said = capsys.readouterr().err
    assert said == (
        f"ERROR: argument {number} of doit is empty: leave it out; if it is a shell's variable, give that a value\n"
    )


def test_words_behind_dashes_are_a_commands_own() -> None:
    """Empty ones arrive, and none of them is a variable of doit's."""
    words = Main().process_args(["exec", "web", "task=2", "--", "env", "task=all", ""])

    assert words == ["exec", "web", "--", "env", "task=all", ""]
    assert get_var("task") == "2"


def test_all_else_is_doits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other arguments are as they were typed, and the exit status is doit's."""
    ran: list[Sequence[str]] = []

    def run(_self: DoitMain, words: Sequence[str]) -> int:
        ran.append(words)
        return 2

    monkeypatch.setattr(DoitMain, "run", run)

    assert Main().run(["plan", "--json", "web"]) == 2
    assert ran == [["plan", "--json", "web"]]


def test_a_task_without_a_name() -> None:
    """`doit run -- ''` is refused by the command, which has no words of its own."""
    command: Any = RunCommand.__new__(RunCommand)

    with pytest.raises(InvalidCommand, match="the name of a task is empty"):
        command.execute({"timings": False}, [""])


def test_a_second_ctrl_c_is_no_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes while a command ends after the first has the exit status of an interrupt, and no traceback."""

    def run(_self: DoitMain, _words: Sequence[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(DoitMain, "run", run)

    assert Main().run(["status"]) == 130
