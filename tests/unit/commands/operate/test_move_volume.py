"""`doit move_volume`: its exit status, and what is said where it ends early."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.operate import move_volume as command
from commands.operate.move_volume import MoveVolumeCommand
from model.errors import HostError
from model.swarm.volume_move import VolumeMove
from tasks.operate.moved_volume import MovedVolumes
from tasks.operate.volume_candidates import Candidate, MoveRefusedError
from tests import made as rig
from tests.doubles import typed_command
from tests.doubles.alertmanager import watch
from tests.made import Made
from tests.unit.commands.operate.test_replace_host import Loader


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Give a site that is made, of which nobody has to take the lock."""
    made = rig.new(tmp_path)
    made.make()

    @contextmanager
    def free(_run: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(command, "holding", free)
    return made


def typed(made: Made, *words: str, to: str | None = "hive1") -> int:
    """Type the command, and return its exit status."""
    values = {} if to is None else {"to": to}
    return typed_command.typed(MoveVolumeCommand, Loader(made.run()), words, values)[0]


def raises(error: BaseException) -> Any:
    """Return a function that raises it."""

    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (MoveRefusedError("it has data in it"), 2, "it has data in it\n"),
        (HostError("hive1: no answer"), 1, "hive1: no answer\n"),
        (
            KeyboardInterrupt(),
            130,
            "\ninterrupted: the data is where it was; type it again to go on with it\n",
        ),
    ],
)
def test_it_ends_early(
    made: Made,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    """2 is that nothing was changed; what is left is said."""
    monkeypatch.setattr(command, "_move", raises(error))

    assert typed(made, "data") == status
    assert capsys.readouterr().err == said


def test_a_backup_that_is_cut_off(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be in the volume already, or half in the database."""
    monkeypatch.setattr(command, "_move", raises(KeyboardInterrupt()))

    values = {"to": "hive1", "from": "backup"}
    assert typed_command.typed(MoveVolumeCommand, Loader(made.run()), ["data"], values)[0] == 130
    assert "the backup may be brought in part, or half loaded; type it again" in capsys.readouterr().err


def test_a_checkout_without_the_stages_secrets(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    """It could not tell what a role was run with, and would have first data loaded over what is moved."""
    made.run().secrets.vault_path.unlink()

    assert typed(made, "data") == 2
    assert capsys.readouterr().err == (
        "stage private: this checkout has not read the stage's secrets yet: type doit setup_hosts:hive2.vault first, "
        "then this again\n"
    )


def test_the_run_at_its_end(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its status is the command's; Ctrl-C there is no loss, and no traceback."""
    stage = made.run().stage
    moved = Candidate(
        "data", stage.host("hive0"), stage.host("hive1"), VolumeMove("data", "hive0", "hive1", {})
    )
    asked: list[list[str]] = []
    monkeypatch.setattr(command, "_move", lambda *_: [moved])

    def fails(_run: object, _program: str, tasks: list[str]) -> int:
        asked.append(tasks)
        return 1

    monkeypatch.setattr(command, "run_again", fails)
    assert typed(made, "data") == 1
    assert asked[0][0] == "build_volumes:data@hive1"
    assert "deploy_services:web" in asked[0]

    monkeypatch.setattr(command, "run_again", raises(KeyboardInterrupt()))
    assert typed(made, "data") == 130
    assert capsys.readouterr().err == (
        "\ninterrupted: the data is moved, and its services start: doit does the rest\n"
    )


def test_its_services_alarms_are_silenced(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """From when they are stopped until the run that has them start on the new hive has ended."""
    run = made.run()
    move = VolumeMove("data", "hive0", "hive1", {"web": {}})
    moved = Candidate("data", run.stage.host("hive0"), run.stage.host("hive1"), move)
    alarms, held = watch(run), list[object]()
    monkeypatch.setattr(command, "candidate", lambda *_: moved)
    monkeypatch.setattr(command, "together", lambda *_: [])
    monkeypatch.setattr(command, "unknown_markers", lambda *_: [])

    def at(answer: object) -> Any:
        def noted(*_: object) -> object:
            held.append([*alarms.held])
            return answer

        return noted

    backups = SimpleNamespace(**dict.fromkeys(("candidates", "lines"), lambda: ()))
    backups.check_room = backups.bring = lambda _moves: None
    backups.load = lambda: None
    monkeypatch.setattr(command, "VolumeBackups", lambda *_: backups)
    monkeypatch.setattr(MovedVolumes, "surveyed", at([]))
    for name in ("stop", "start", "end"):
        monkeypatch.setattr(MovedVolumes, name, at(None))
    monkeypatch.setattr(command, "run_again", at(0))

    assert typed_command.typed(MoveVolumeCommand, Loader(run), ["data"], {"to": "hive1"})[0] == 0
    assert held == [[], *[[{"service": "web"}]] * 4]
    assert alarms.held == []


def test_what_is_typed_wrong(made: Made) -> None:
    """Without a hive, or a volume, it says how it is typed, and which volumes there are."""
    with pytest.raises(
        InvalidCommand, match=r"type: doit move_volume VOLUME \.\.\. to=HOST .*; volumes: data"
    ):
        typed(made, "data", to=None)
    with pytest.raises(InvalidCommand, match="volumes: data"):
        typed(made)
