"""When a generation is to be tried, and what its test says of it."""

import time
from pathlib import Path

import pytest

from agent.backup import restic_process
from agent.backup.hive import verify
from agent.backup.hive.verify import Verification, is_due
from agent.backup.restic import Restic
from agent.backup.restic_errors import NotFinishedError
from agent.backup.restic_process import Ended
from agent.errors import AgentError, BadDataError
from agent.host import disk_room
from tests.doubles.hive import IDENTITY, Hive, HiveRepository

_DAY = 86_400.0


@pytest.mark.parametrize(
    ("period", "age", "due"),
    [
        ("weekly", None, True),
        ("weekly", 6 * _DAY, False),
        ("weekly", 7 * _DAY, True),
        ("daily", 0.5 * _DAY, False),
        ("daily", -_DAY, True),
        ("never", None, False),
    ],
)
def test_when_it_is_due(*, period: str, age: float | None, due: bool) -> None:
    """As often as `verify` says; at once where none was tried, or a clock that was ahead noted the last one."""
    assert is_due(period, None if age is None else time.time() - age) is due


@pytest.fixture
def hive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hive:
    """Give a hive on which nothing is waited for."""
    monkeypatch.setattr(verify, "START_PATIENCE", -1.0)
    monkeypatch.setattr(Verification._until, "__defaults__", (-1.0,))
    return Hive(tmp_path)


def verified(hive: Hive) -> dict[str, str]:
    """Try the generation."""
    found: dict[str, str] = Verification(hive.restoration, hive.state / "scratch").verify("aa000001")[
        "verified"
    ]
    return found


def test_a_good_one(hive: Hive) -> None:
    """It is noted as that."""
    assert verified(hive)["db"] == "4 bytes loaded"
    assert [(kind, of, facts["ok"]) for kind, of, facts in hive.repository.notes] == [
        ("verified", IDENTITY, True)
    ]


@pytest.mark.parametrize("cause", ["restore --verify", "restore_command"])
def test_data_that_is_of_no_use(hive: Hive, cause: str) -> None:
    """What restic's comparison or the service's command says of the data is noted for good."""
    if cause == "restore_command":
        hive.engine.failing["load"] = 1
    else:
        hive.repository.refused["restore"] = "restic: There were 1 errors"
    with pytest.raises(BadDataError):
        verified(hive)
    [(kind, of, facts)] = hive.repository.notes
    assert (kind, of, facts["ok"]) == ("verified", IDENTITY, False)


@pytest.mark.parametrize("cause", ["stats", "away", "engine", "no task", "full"])
def test_mishaps_say_nothing_of_the_data(hive: Hive, monkeypatch: pytest.MonkeyPatch, cause: str) -> None:
    """A locked repository or one that goes away, an engine that refuses, a full disk: told, and not noted."""
    if cause == "stats":
        hive.repository.refused["stats"] = "restic: unable to create lock: repository is already locked"
    elif cause == "away":
        hive.repository.refused |= {
            "restore": "restic: no route to host",
            "snapshots": "restic: no route to host",
        }
    elif cause == "engine":
        monkeypatch.setattr(hive.engine, "run", refuse)
    elif cause == "no task":
        hive.engine.replicas = 0
    else:
        hive.engine.failing["load"] = 1
        monkeypatch.setattr(disk_room, "free_at", lambda _: 0)
    with pytest.raises(AgentError) as error:
        verified(hive)
    assert not isinstance(error.value, BadDataError)
    assert hive.repository.notes == []


@pytest.mark.parametrize(("status", "is_of_data"), [(1, True), (-9, False), (2, False)])
def test_a_restic_that_was_killed(
    hive: Hive, monkeypatch: pytest.MonkeyPatch, status: int, *, is_of_data: bool
) -> None:
    """Only its own exit status 1 says something of the data; a signal, or 2 without memory, does not."""
    ended = Ended(status, "", "Fatal: There were 1 errors\n")
    monkeypatch.setattr(restic_process, "run", lambda *_, **__: ended)
    whole = Restic({})
    object.__setattr__(whole, "version", (0, 14))
    monkeypatch.setattr(HiveRepository, "restore", lambda _, *words, **more: whole.restore(*words, **more))
    with pytest.raises(BadDataError if is_of_data else NotFinishedError):
        verified(hive)
    assert len(hive.repository.notes) == int(is_of_data)


@pytest.mark.parametrize(("status", "is_of_data"), [(1, True), (139, True), (137, False), (143, False)])
def test_a_command_that_was_killed(hive: Hive, status: int, *, is_of_data: bool) -> None:
    """As one without memory: that says nothing of the data. A program that crashes on it does."""
    hive.engine.failing["load"] = status
    with pytest.raises(AgentError) as error:
        verified(hive)
    assert isinstance(error.value, BadDataError) is is_of_data
    assert len(hive.repository.notes) == int(is_of_data)


def refuse(*_: object, **__: object) -> None:
    """Answer as an engine that is restarted."""
    raise AgentError("the Docker Engine does not answer")
