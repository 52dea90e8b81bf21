"""`doit rebalance`: the plan, its exit status, and the moves, each by a new look."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.operate import rebalance as command
from commands.operate.rebalance import RebalanceCommand
from model.errors import HostError
from model.log import Log
from tasks.operate.rebalance import Balance, Move
from tests import made as rig
from tests.doubles import typed_command
from tests.doubles.alertmanager import watch
from tests.unit.commands.operate.test_replace_host import Loader

UNEVEN = Move("web", {"hive0": 3, "hive1": 0}, "3 of its tasks on hive0, 0 on hive1", extra=1)
ONE = Move("web", {"hive0": 1, "hive1": 0}, "3 tasks in all on hive0, 0 on hive1", "it has one task")


class Typed:
    """The command, typed on a site that looks as a test says.

    Args:
        directory: The site's.

    """

    def __init__(self, directory: Path) -> None:
        made = rig.new(directory)
        made.make()
        self.run = made.run()
        services: Any = self.run.stage.services
        services["api"] = services["web"]
        self.alarms = watch(self.run)
        self.held: list[dict[str, str]] = []
        """The silences that held as each service was moved."""
        self.looks: list[Balance] = []
        self.asked: list[str] = []
        self.moved: list[tuple[str, str]] = []

    def type(self, *words: str, **values: str) -> tuple[int, str]:
        """Type it, and return its exit status and its output."""
        return typed_command.typed(RebalanceCommand, Loader(self.run), words, values)

    def look(self, _run: object, only: str, _log: object = None) -> Balance:
        """Return the next look, of which the last one stays."""
        self.asked.append(only)
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Give the command on a made site, whose services are moved in name only."""
    typed = Typed(tmp_path)

    class Adjusted:
        def __init__(self, _run: object, name: str) -> None:
            self.name = name

        def restart(self, _log: Log, *, start_first: bool) -> None:
            typed.held += typed.alarms.held
            typed.moved.append((self.name, "start-first" if start_first else "as it is"))

        def end_spread(self, _log: Log) -> None:
            typed.moved.append((self.name, "ended"))

        def spread(self, extra: int, _log: Log) -> None:
            typed.held += typed.alarms.held
            typed.moved.append((self.name, f"{extra} more"))

    monkeypatch.setattr(command, "_look", typed.look)
    monkeypatch.setattr(command, "AdjustedService", Adjusted)
    monkeypatch.setattr(command, "holding", lambda _run: nullcontext())
    return typed


def test_a_plan_first(typed: Typed) -> None:
    """It says each service, why, in which order, who stays, and what to type; 2, and nothing is moved."""
    typed.looks = [Balance((UNEVEN,), {"store": "its data is there"}, {})]

    status, output = typed.type()

    assert status == 2
    assert output.splitlines() == [
        "~ web  3 of its tasks on hive0, 0 on hive1; 1 task anew, start-first",
        "  store  stays: its data is there",
        "to place their tasks anew: doit rebalance confirm=example",
    ]
    assert typed.moved == []


def test_nothing_to_do(typed: Typed) -> None:
    """0, with and without confirm=."""
    typed.looks = [Balance((), {}, {})]

    assert typed.type() == (0, "nothing to do: no service that is free to move is spread unevenly\n")
    assert typed.type(confirm="example") == (0, "nothing to do\n")


def test_one_that_was_killed(typed: Typed) -> None:
    """Its tasks that are too many are something to do; they end before anything is moved."""
    half = Balance((), {}, {}, half_done={"web": "has 2 tasks more for a while, of doit rebalance"})
    typed.looks = [half]
    status, output = typed.type()
    assert status == 2
    assert output.startswith(
        "~ web  has 2 tasks more for a while, of doit rebalance: if none is at work, they end"
    )

    typed.looks = [half, Balance((UNEVEN,), {}, {}), Balance((), {}, {})]
    assert typed.type(confirm="example")[0] == 0
    assert typed.moved == [("web", "ended"), ("web", "1 more")]


def test_moved(typed: Typed) -> None:
    """Until a new look finds nothing more, in the order that each may have, whose alarms are silenced meanwhile."""
    other = Move("api", {"hive0": 2, "hive1": 0}, "2 of its tasks on hive0, 0 on hive1")
    typed.looks = [Balance((ONE, other), {}, {}), Balance((other,), {}, {}), Balance((), {}, {})]

    status, output = typed.type(confirm="example")

    assert status == 0
    assert typed.moved == [("web", "as it is"), ("api", "start-first")]
    assert output.splitlines() == [
        "web: 3 tasks in all on hive0, 0 on hive1; 1 task anew, stop-first: it has one task",
        "api: 2 of its tasks on hive0, 0 on hive1; 2 tasks anew, start-first",
        "2 services placed anew",
    ]
    assert typed.held == [{"service": "web"}, {"service": "api"}]
    assert typed.alarms.held == []


def test_the_swarm_places_as_it_will(typed: Typed) -> None:
    """One that stays uneven is tried three times, and then left, which is said: it does not go on for ever."""
    typed.looks = [Balance((UNEVEN,), {}, {})]

    status, output = typed.type(confirm="example")

    assert (status, typed.moved) == (0, [("web", "1 more")] * 3)
    assert output.endswith(
        "web: 3 of its tasks on hive0, 0 on hive1 still: the swarm has placed its tasks so\n1 service placed anew\n"
    )


def test_old_tasks_that_still_end_are_waited_for(typed: Typed) -> None:
    """Before they have, a look would take them for tasks that stayed, or miss that it is uneven still."""
    ending, worse = Balance((), {}, {}, frozenset({"web"})), Balance((UNEVEN,), {}, {})
    typed.looks = [worse, ending, ending, worse, Balance((), {}, {})]

    typed.type(confirm="example")

    assert typed.moved == [("web", "1 more")] * 2


def test_one_service(typed: Typed) -> None:
    """It alone is looked at, and is in what is to be typed."""
    typed.looks = [Balance((UNEVEN,), {}, {})]

    assert typed.type("web")[1].endswith("doit rebalance web confirm=example\n")
    assert typed.asked == ["web"]


def test_it_can_not_be_told(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a manager the exit status is 1."""

    def silent(*_: Any) -> Balance:
        raise HostError("no manager of the swarm answers")

    monkeypatch.setattr(command, "_look", silent)

    assert typed.type()[0] == 1
    assert capsys.readouterr().err == "no manager of the swarm answers\n"


def test_what_is_typed_wrong(typed: Typed) -> None:
    """The site's name, and one service that is there."""
    with pytest.raises(InvalidCommand, match="confirm=other: this site is example"):
        typed.type(confirm="other")
    with pytest.raises(InvalidCommand, match=r"rebalance \[SERVICE\]"):
        typed.type("web", "api")


def test_a_fresh_clone(tmp_path: Path) -> None:
    """It knows no hive, which says nothing of whether there are any: it is said how they are found."""
    with pytest.raises(
        HostError, match=r"^state/private knows no hive: doit status finds those that there are"
    ):
        command._look(rig.new(tmp_path).run(), "")
