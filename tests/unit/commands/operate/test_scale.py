"""`doit scale`: which words are services, and for how long."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand, InvalidDodoFile

from commands.operate import scale as command
from commands.operate.scale import ScaleCommand
from tasks.run import open as opened
from tests import made as rig
from tests.doubles import typed_command
from tests.doubles.alertmanager import watch
from tests.unit.commands.operate.test_replace_host import Loader


class Typed:
    """The command, typed on a made site."""

    def __init__(self, directory: Path) -> None:
        made = rig.new(directory)
        made.make()
        self.run = made.run()
        services: Any = self.run.stage.services
        services["user"] = services["web"]
        self.alarms = watch(self.run)
        self.held: list[list[dict[str, str]]] = []
        """The silences that held as each service was scaled."""
        self.scaled: list[tuple[str, int, bool, bool]] = []

    def type(self, *words: str, **values: str) -> int:
        """Type it, and return its exit status."""
        return typed_command.typed(ScaleCommand, Loader(self.run), words, values)[0]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Give the command on a made site, whose services are scaled in name only."""
    typed = Typed(tmp_path)

    class Adjusted:
        def __init__(self, _run: object, name: str) -> None:
            self.name = name

        def scale(self, number: int, _log: object, *, until: float | None, keep: bool) -> None:
            typed.held.append([*typed.alarms.held])
            typed.scaled.append((self.name, number, until is not None, keep))

    monkeypatch.setattr(command, "AdjustedService", Adjusted)
    monkeypatch.setattr(command, "holding", lambda _run: nullcontext())
    return typed


def test_services(typed: Typed) -> None:
    """Several at once; also one whose name is a word of another command."""
    assert typed.type(web="3", user="0") == 0
    assert typed.type("keep", web="2") == 0
    assert typed.type(web="2", until="2h") == 0
    assert typed.scaled == [
        ("web", 3, False, False),
        ("user", 0, False, False),
        ("web", 2, False, True),
        ("web", 2, True, False),
    ]


def test_its_alarms_are_silenced_meanwhile(typed: Typed) -> None:
    """Of each service while it is scaled, and no longer."""
    assert typed.type(web="3", user="0") == 0
    assert typed.held == [[{"service": "web"}], [{"service": "user"}]]
    assert typed.alarms.held == []


@pytest.mark.parametrize(
    ("words", "values", "message"),
    [
        ((), {}, "^no service: type: doit scale SERVICE=NUMBER"),
        ((), {"wep": "3"}, "^wep=3: type: "),
        ((), {"web": "-1"}, "^web=-1: type: "),
        (("web",), {"web": "3"}, "^web: type: "),
        ((), {"web": "3", "confirm": "example"}, "^confirm=example: type: "),
        (("keep",), {"web": "3", "until": "2h"}, "^until=2h and keep: .* Type one of them"),
    ],
)
def test_what_is_typed_wrong(
    typed: Typed, words: tuple[str, ...], values: dict[str, str], message: str
) -> None:
    """It is said, and nothing is scaled."""
    with pytest.raises(InvalidCommand, match=message):
        typed.type(*words, **values)
    assert typed.scaled == []


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (["doit", "scale", "web=3"], True),
        (["doit", "stage=private", "scale", "web=3"], True),
        (["doit", "web=3"], False),
        (["doit", "status", "web=3"], False),
    ],
)
def test_names_of_services_are_words_of_this_command(
    monkeypatch: pytest.MonkeyPatch, line: list[str], *, known: bool
) -> None:
    """Wherever it stands on the command line; to another command they are unknown."""
    monkeypatch.setattr("sys.argv", line)
    monkeypatch.setattr("doit.doit_cmd._CMDLINE_VARS", {"web": "3"})
    if known:
        opened._refuse_unknown_words()
        return

    with pytest.raises(InvalidDodoFile, match=r"^web=… is not known"):
        opened._refuse_unknown_words()
